"""Makes a scenario of one of the user's own tests, with the schedules of the portfolio."""

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
    """Return a scenario with the test's name; for `lines` and `families` see
    `portfolio.portfolio`.

    Without lines nothing stalls, so that a failure without faults is by order alone. `given` is
    one schedule that replaces drawn ones.
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
    # Imported here because help and completion do not need Hypothesis.
    from race_harness.search.portfolio import portfolio

    return portfolio(test, lines, families)
