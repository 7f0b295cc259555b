"""Hypothesis strategies for the parts of a schedule."""

from hypothesis import strategies as st


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
