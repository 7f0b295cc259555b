"""One of the user's own tests as a scenario, whose schedules are the portfolio."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def scenario_of(
    test: str,
    lines: Sequence[tuple[str, str]],
    families: Sequence[str] = (),
    given: Schedule | None = None,
) -> Scenario:
    """Named like the test; `lines` and `families` as `portfolio.portfolio` has them.

    Without lines nothing stalls, and what fails without faults does so by order alone. `given`:
    one schedule in place of drawn ones.
    """
    return Scenario(
        test,
        "a test of your own",
        partial(_drawn, test, lines, families),
        given=None if given is None else replace(given, scenario=test),
        source="test",
    )


def _drawn(
    test: str, lines: Sequence[tuple[str, str]], families: Sequence[str]
) -> "SearchStrategy[Schedule]":
    # Help and completion do without Hypothesis.
    from race_harness.search.portfolio import portfolio

    return portfolio(test, lines, families)
