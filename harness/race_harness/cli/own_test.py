"""Options that name the user's own tests instead of a scenario, shared by several commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from race_harness.campaign.finding import ForTest
from race_harness.cli.tests import ChildProcesses, Invariant, Source, check_grade, check_of_tests
from race_harness.model.errors import UsageError
from race_harness.model.grade import GRADES
from race_harness.workers.selection import Selection

TestPaths = Annotated[
    list[str] | None,
    typer.Option(
        "--test",
        metavar="PATH::NAME",
        help="Your own pytest test instead of a scenario; can be repeated.",
    ),
]
Requirements = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="REQUIREMENT",
        help="With --test: install this, too, in the client's environment, which has the "
        "client's packages and pytest.",
    ),
]
TestAtClient = Annotated[
    bool,
    typer.Option(
        "--test-at-client",
        help="With --test: take PATH from each client's own tree, a checkout or "
        "PATH@REVISION, not from this folder.",
    ),
]
OneTest = Annotated[
    str | None,
    typer.Option(
        "--test", metavar="PATH::NAME", help="Your own pytest test instead of a scenario."
    ),
]

Error = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="With --test: count only failures whose error contains this text. Other failures "
        "decide nothing.",
    ),
]
DrawnGrade = Annotated[
    str,
    typer.Option(
        "--grade",
        metavar="order|stall|fault",
        help="With --test: what schedules may contain. `order`: only another order of "
        "threads; `stall`: stalls, too; `fault`: also the faults that --faults names.",
    ),
]


@dataclass(frozen=True)
class OwnTests:
    """Which tests, and how they run; without tests, the command is about a scenario."""

    test: TestPaths = None
    with_: Requirements = None
    source: Source = None
    child_processes: ChildProcesses = False
    test_at_client: TestAtClient = False
    invariant: Invariant = False

    def check(self, of_tests: Mapping[str, object], of_scenarios: Mapping[str, object]) -> None:
        """Raises UsageError: an option has a value, and is only for tests or only for scenarios.

        `of_tests`, `of_scenarios`: further options for one of the two only, with their values.
        """
        if self.test:
            check_not_given(of_scenarios)
            return
        check_of_tests(
            {
                "--with": self.with_,
                "--source": self.source,
                "--child-processes": self.child_processes,
                "--test-at-client": self.test_at_client,
                "--invariant": self.invariant,
                **of_tests,
            }
        )

    @property
    def selection(self) -> Selection:
        return Selection(
            tuple(self.test or ()),
            "",
            tuple(self.source or ()),
            self.child_processes,
            self.test_at_client,
            invariant=self.invariant,
        )

    @property
    def requirements(self) -> tuple[str, ...]:
        return tuple(self.with_ or ())

    def one(self) -> str | None:
        """The one test; raises UsageError if there are several."""
        several = self.test or []
        if len(several) > 1:
            raise UsageError(f"this takes one test, but --test names {len(several)}")
        return several[0] if several else None

    def for_one(self, error: str | None) -> ForTest:
        """Finds clients with which the one test runs; `error`: which failure the user means."""
        test = self.one()
        assert test is not None
        return ForTest(
            test,
            source=self.selection.source,
            child_processes=self.child_processes,
            requirements=self.requirements,
            error=error,
            at_client=self.test_at_client,
            invariant=self.invariant,
        )


def check_drawn(grade: str, faults: str | None) -> None:
    """Raises UsageError: there is no such grade, or it excludes the given faults."""
    check_grade(grade)
    if faults and grade != GRADES[-1]:
        raise UsageError(f"--grade {grade} leaves out what --faults finds: give one of them")


def check_not_given(options: Mapping[str, object]) -> None:
    """Raises UsageError: one of these options, which are only for scenarios, has a value."""
    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"{', '.join(given)}: not for a test of your own; leave that out")
