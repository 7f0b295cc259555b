"""Hypothesis strategies for the parts of a schedule."""

from collections.abc import Sequence

from hypothesis import strategies as st

from harness.schedule import LineStall


def milliseconds(low: float, high: float, *, benign: float) -> st.SearchStrategy[float]:
    """Virtual milliseconds in tenths: coarse enough to read, fine enough to reorder anything.

    Shrinks to `benign`, the field's default, and else towards it, so that a shrunk schedule
    differs from a benign one in as few fields as it can.
    """
    start, low_tenths, high_tenths = (round(value * 10) for value in (benign, low, high))
    offsets = st.integers(low_tenths - start, high_tenths - start)
    # Being benign is a choice of its own: dropping a field is simpler than lowering all.
    return st.just(benign) | offsets.map(lambda offset: (start + offset) / 10)


def switches() -> st.SearchStrategy[int | None]:
    """A seed for random thread switches, or none."""
    return st.none() | st.integers(0, 2**32 - 1)


def line_stalls(lines: Sequence[tuple[str, str]]) -> st.SearchStrategy[tuple[LineStall, ...]]:
    """Up to three stalls at some of these lines (function, text), for 5 virtual seconds at most.

    Short stalls are as likely as long ones: a few tenths of a millisecond are enough to reorder
    what happens within the machine, and seconds to reorder polls. Shrinks to short ones, then to
    none.
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
