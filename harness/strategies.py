"""Hypothesis strategies for the parts of a schedule."""

from hypothesis import strategies as st


def milliseconds(low: float, high: float) -> st.SearchStrategy[float]:
    """Virtual milliseconds in tenths: coarse enough to read, fine enough to reorder anything.

    Shrinks towards `low`.
    """
    return st.integers(round(low * 10), round(high * 10)).map(lambda tenths: tenths / 10)


def switches() -> st.SearchStrategy[int | None]:
    """A seed for random thread switches, or none."""
    return st.none() | st.integers(0, 2**32 - 1)
