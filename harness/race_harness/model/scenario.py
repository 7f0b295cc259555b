"""A scenario: a family of schedules that looks for one hazard, and which releases fail it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from race_harness.model.schedule import Schedule

_PACKAGE = Path(__file__).parent.parent
_INSTALLED = _PACKAGE / "scenarios"

FOLDER: Final = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent.parent / "scenarios"
"""The folder of the scenarios: in the installed package, or at the top of the checkout."""


@dataclass(frozen=True)
class Scenario:
    """
    `schedules` returns the Hypothesis strategy that the controlling side draws from. Each drawn
    schedule then gets the entropy of its repetition. `fails` names the releases known to fail.
    """

    name: str
    summary: str
    schedules: "Callable[[], SearchStrategy[Schedule]]"
    fails: str | None = None
    """A PEP 440 specifier such as `<1.11.1`, or several joined by `||` if a hazard came back;
    found by running. None: no release fails."""
    given: "Schedule | None" = None
    """One schedule in place of a family. Its repetitions differ only in their entropy; the first
    keeps the schedule's own."""
    source: str | None = None
    """A digest of the user's own file that the scenario comes from. None: it comes with the
    harness."""

    @property
    def is_in_every_record(self) -> bool:
        """Whether name, seed and number determine a schedule: then a record need not keep it."""
        return self.given is None and self.source is None

    def known_to_fail(self, version: str) -> bool:
        """Whether this release is known to fail.

        A checkout counts as the release it is based on, and a development version of 1.11.1 as
        1.11.1, since it is there to test the fix.
        """
        if self.fails is None:
            return False
        from packaging.specifiers import SpecifierSet
        from packaging.version import Version

        base = Version(version).base_version
        return any(
            SpecifierSet(specifier).contains(base, prereleases=True)
            for specifier in self.fails.split("||")
        )
