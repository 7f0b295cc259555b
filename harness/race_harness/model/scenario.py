"""A scenario: a family of schedules that hunts one hazard, and what is known of it."""

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
"""The files of the scenarios: within the package that is installed, or at the checkout's top."""


@dataclass(frozen=True)
class Scenario:
    """
    `schedules` gives the Hypothesis strategy that the controlling side draws from; a schedule's
    entropy is set afterwards, one per repetition. `fails` names the releases known to fail.
    """

    name: str
    summary: str
    schedules: "Callable[[], SearchStrategy[Schedule]]"
    fails: str | None = None
    """A PEP 440 specifier such as `<1.11.1`, or several with `||` between them where a hazard came
    back; found by running. None: no release fails."""
    given: "Schedule | None" = None
    """One schedule in place of a family. Its repetitions differ in their entropy alone, and the
    first keeps its own."""
    source: str | None = None
    """Of a scenario from a file of the user's own: a digest of it. None: it comes with the
    harness."""

    @property
    def is_in_every_record(self) -> bool:
        """Whether name, seed and number tell a schedule, so that a record need not keep it."""
        return self.given is None and self.source is None

    def known_to_fail(self, version: str) -> bool:
        """Whether this release is known to fail; a checkout counts as the release it is based on.

        A development version of 1.11.1 is taken for 1.11.1: its fix is what is being tested.
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
