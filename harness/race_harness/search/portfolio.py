"""The portfolio: schedules for one of the user's own tests, by several strategies side by side.

No single strategy finds everything. Of sixteen flaky tests of public projects, some fell to a
random walk, one only to PCT, two only to switches at lines, two only to stalls. So each strategy
gets a share.
"""

from collections.abc import Sequence
from typing import Final, Literal

from hypothesis import strategies as st

from race_harness.model.schedule import Interleaving, LineStall, Link, Network, Schedule
from race_harness.search.fault_strategies import with_faults
from race_harness.search.strategies import milliseconds, once
from race_harness.search.wire_faults import OF_TESTS

Way = tuple[Literal["random-walk", "pct", "pos"] | None, bool]
"""A strategy, and whether it switches at lines; None: threads run until they block."""

WAYS: Final[tuple[Way, ...]] = (
    (None, False),
    ("random-walk", False),
    ("pct", False),
    ("pos", False),
    ("random-walk", True),
    ("pct", True),
    ("pos", True),
)
LONGEST_STALL_MS: Final = 1_000.0
STEPS_US: Final = st.sampled_from([0.0, 10.0, 100.0])
"""The longer a step takes, the more the work of threads overlaps with arrivals from the
network."""


def portfolio(
    name: str, lines: Sequence[tuple[str, str]], families: Sequence[str] = ()
) -> st.SearchStrategy[Schedule]:
    """Return schedules for the test of that name: latencies, and one of the strategies or a stall.

    `lines` are those of the modules that the test is about, as function and text. `families` of
    faults are added; without any, a failure is by order or by a stall.

    Raises:
        UsageError: there is no such family.
    """
    ways = [_switched(way) for way in WAYS]
    if lines:
        ways.append(_stalled(tuple(lines)))
    schedules = st.builds(
        Schedule,
        st.just(name),
        network=st.builds(Network, rest=_links(300), socket=_links(1_000)),
        interleaving=st.one_of(ways),
    )
    return with_faults(schedules, families, lines, OF_TESTS)


@once
def _links(longest_ms: float) -> st.SearchStrategy[Link]:
    """Draw latencies of three scales: within a machine, between two, and far away."""
    scales = [milliseconds(0, top, benign=0.5) for top in (2, 30, longest_ms)]
    jitters = [milliseconds(0, top, benign=0) for top in (2, 30)]
    return st.builds(Link, latency_ms=st.one_of(scales), jitter_ms=st.one_of(jitters))


@once
def _switched(way: Way) -> st.SearchStrategy[Interleaving]:
    strategy, at_lines = way
    if strategy is None:
        return st.builds(Interleaving, step_us=STEPS_US)
    return st.builds(
        Interleaving,
        seed=st.integers(0, 2**32 - 1),
        strategy=st.just(strategy),
        at_lines=st.just(at_lines),
        step_us=STEPS_US,
    )


@once
def _stalled(lines: tuple[tuple[str, str], ...]) -> st.SearchStrategy[Interleaving]:
    """Draw one stall, mostly at a line's first visit. A sweep tries promising pairs of stalls."""
    one = st.builds(
        lambda line, nth, for_ms: LineStall(line[0], line[1], nth, for_ms),
        st.sampled_from(lines),
        st.just(1) | st.integers(1, 4),
        milliseconds(1, 50, benign=1) | milliseconds(1, LONGEST_STALL_MS, benign=1),
    )
    return one.map(lambda stall: Interleaving(stalls=(stall,)))
