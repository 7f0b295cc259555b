"""Hypothesis strategies for single fields of a schedule.

They draw only what a real server or network can do, and shrink to what is benign.
"""

from collections.abc import Sequence
from functools import lru_cache

from hypothesis import strategies as st

from race_harness.model.schedule import (
    ConnectionLink,
    Fault,
    LineStall,
    Link,
    Moment,
    Network,
    ProcessEvent,
)

once = lru_cache(maxsize=1_000, typed=True)
"""Makes a strategy once for each set of arguments: Hypothesis examines each new one at length.
0 and 0.0 are kept apart, since they are written differently."""

PATIENT_S = 90.0
"""The settle time if only keep-alive (20 s and 20 s, RFC 6455 section 5.5.2) can notice a
fault."""


@once
def milliseconds(low: float, high: float, *, benign: float) -> st.SearchStrategy[float]:
    """Draw virtual milliseconds in tenths: coarse enough to read, fine enough to reorder anything.

    They shrink to `benign`, the field's default, or at least towards it, so that a shrunk schedule
    differs from a benign one in as few fields as possible.
    """
    start, low_tenths, high_tenths = (round(value * 10) for value in (benign, low, high))
    offsets = st.integers(low_tenths - start, high_tenths - start)
    # Benign is a separate choice, because dropping one field is simpler than lowering all.
    return st.just(benign) | offsets.map(lambda offset: (start + offset) / 10)


@once
def switches() -> st.SearchStrategy[int | None]:
    """Draw a seed for random thread switches, or none."""
    return st.none() | st.integers(0, 2**32 - 1)


def line_stalls(lines: Sequence[tuple[str, str]]) -> st.SearchStrategy[tuple[LineStall, ...]]:
    """Draw up to three stalls at these lines (function, text), of at most 5 virtual seconds.

    They have three scales: some milliseconds reorder what happens in the machine, some hundred
    what the network brings, seconds whole polls. They shrink to short ones, then to none.
    """
    if not lines:
        return st.just(())
    tenths = st.integers(1, 100) | st.integers(1, 5_000) | st.integers(1, 50_000)
    stall = st.builds(
        lambda line, nth, tenths: LineStall(line[0], line[1], nth, tenths / 10),
        st.sampled_from(lines),
        st.integers(1, 3),
        tenths,
    )
    return st.lists(stall, max_size=3).map(tuple)


def networks(
    *faults: Fault, connections: tuple[ConnectionLink, ...] = ()
) -> st.SearchStrategy[Network]:
    """Draw healthy links, with a latency of at most 50 ms, and these faults."""
    return _networks(*faults, connections=connections) if faults or connections else _CALM


@st.composite
def _networks(
    draw: st.DrawFn, *faults: Fault, connections: tuple[ConnectionLink, ...] = ()
) -> Network:
    latency = milliseconds(0.1, 50, benign=0.5)
    return Network(Link(draw(latency)), Link(draw(latency)), connections, faults)


_CALM = _networks()


_MOMENTS = st.sampled_from(
    [
        "run-called",
        "run-requested",
        "run-answered",
        "run-started",
        "persisted",
        "frame-sent",
        "run-ended",
        "run-cleared",
        "snapshot-sent",
    ]
)


@once
@st.composite
def during_run(draw: st.DrawFn, longest_ms: float = 2_000) -> Moment:
    """Draw a moment between the call of `run()` and a while after the end of the server's run."""
    what = draw(_MOMENTS)
    several = what in ("persisted", "frame-sent")
    return Moment(
        what,  # type: ignore[arg-type]
        nth=draw(st.integers(1, 6)) if several else 1,
        after_ms=draw(milliseconds(0, longest_ms, benign=0)),
        since="run-called" if several else "start",
    )


CODES = [1001, 1000, 1011, 1012, 1013, 4001, 4004]
"""RFC 6455 section 7.4.1 and the IANA registry; 4001 and 4004 are the agent server's own."""


@once
@st.composite
def full_disks(draw: st.DrawFn) -> ProcessEvent:
    """For less than a step of the agent to longer than a client asks again."""
    for_ms = milliseconds(1, 5_000, benign=1_000) | milliseconds(1, 60_000, benign=1_000)
    return ProcessEvent("disk-full", draw(during_run(500)), draw(for_ms))


@once
@st.composite
def clock_steps(draw: st.DrawFn) -> ProcessEvent:
    by_ms = milliseconds(1, 1_000, benign=1_000) | milliseconds(1, 3_600_000, benign=1_000)
    sign = draw(st.sampled_from([-1, -1, 1]))
    return ProcessEvent("clock-step", draw(during_run(500)), by_ms=sign * draw(by_ms))
