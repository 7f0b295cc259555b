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
    """Which tests, and how they run; without any, what a command is about is a scenario."""

    test: TestPaths = None
    with_: Requirements = None
    source: Source = None
    child_processes: ChildProcesses = False
    test_at_client: TestAtClient = False
    invariant: Invariant = False

    def check(self, of_tests: Mapping[str, object], of_scenarios: Mapping[str, object]) -> None:
        """Raises UsageError: an option of the command has a value, and is about the other thing.

        `of_tests`, `of_scenarios`: further options, with what was given, that are about one alone.
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
        """Raises UsageError: there are several."""
        several = self.test or []
        if len(several) > 1:
            raise UsageError(f"this is about one test, and --test names {len(several)}")
        return several[0] if several else None

    def for_one(self, error: str | None) -> ForTest:
        """How to find clients beside which the one test runs; `error`: which failure is meant."""
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
    """Raises UsageError: there is no such grade, or faults are asked for that it excludes."""
    check_grade(grade)
    if faults and grade != GRADES[-1]:
        raise UsageError(f"--faults makes what --grade {grade} leaves out: give one of them")


def check_not_given(options: Mapping[str, object]) -> None:
    """Raises UsageError: one of these options, which are about scenarios alone, has a value."""
    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"{', '.join(given)}: not for a test of your own; leave that out")
