"""Options that name one test of somebody's own in place of a scenario."""

from collections.abc import Mapping
from typing import Annotated

import typer

from race_harness.campaign.finding import ForTest
from race_harness.cli.tests import check_grade
from race_harness.model.errors import UsageError
from race_harness.model.grade import GRADES

OneTest = Annotated[
    str | None,
    typer.Option(
        "--test", metavar="PATH::NAME", help="A pytest test of your own in place of a scenario."
    ),
]

Error = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Of --test: only failures whose error has this in it; what fails otherwise cannot "
        "tell.",
    ),
]
DrawnGrade = Annotated[
    str,
    typer.Option(
        "--grade",
        metavar="order|stall|fault",
        help="Of --test: draw only what may fail by this grade or a lower one: no stalls for "
        "`order`, and faults, where --faults names some, for `fault` alone.",
    ),
]


def for_test(
    test: str,
    requirements: list[str] | None,
    source: list[str] | None,
    *,
    child_processes: bool,
    at_client: bool,
    invariant: bool,
    error: str | None,
    not_with: Mapping[str, object],
) -> ForTest:
    """How to find clients beside which it runs.

    `not_with`: options that are about scenarios alone, with what was given.

    Raises:
        UsageError: one of them was given.
    """
    check_not_given(not_with)
    return ForTest(
        test,
        source=tuple(source or ()),
        child_processes=child_processes,
        requirements=tuple(requirements or ()),
        error=error,
        at_client=at_client,
        invariant=invariant,
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
