"""The search alone: every border is found, in as few tries as can be expected."""

import math
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from race_harness.bisect.search import Search


def tried(search: Search, border: int, unclear: Collection[int] = ()) -> list[int]:
    """Answer each try; positions from `border` on are after the change."""
    positions: list[int] = []
    while (position := search.next()) is not None:
        assert position not in positions
        likely = search.likely(position)
        positions.append(position)
        if position in unclear:
            search.tell(position, "unclear")
            continue
        search.tell(position, "before" if position < border else "after")
        assert search.next() in (*likely, None)
    return positions


@pytest.mark.parametrize("count", [*range(2, 40), 100, 111])
def test_every_border_is_found_in_as_many_tries_as_halving_takes(count: int) -> None:
    for border in range(1, count):
        search = Search(count)
        positions = tried(search, border)
        assert (search.before, search.after) == (border - 1, border)
        assert len(positions) <= math.ceil(math.log2(count - 1))


@given(st.data())
def test_what_cannot_tell_only_widens_the_answer(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 60))
    border = data.draw(st.integers(1, count - 1))
    unclear = data.draw(st.sets(st.integers(1, max(1, count - 2))))
    preferred = data.draw(st.sets(st.integers(0, count - 1)))
    search = Search(count, preferred)
    tried(search, border, unclear)
    assert search.before < border <= search.after
    between = list(range(search.before + 1, search.after))
    assert set(between) <= unclear


def test_a_group_that_cannot_tell_is_left_quickly() -> None:
    """Twenty of a hundred, around the middle: not one after the other."""
    search = Search(101)
    positions = tried(search, border=90, unclear=range(40, 61))
    assert (search.before, search.after) == (89, 90)
    assert positions[0] == 50
    assert len([each for each in positions if 40 <= each <= 60]) <= 5


def test_one_that_cannot_tell_is_passed_by_its_neighbour() -> None:
    assert tried(Search(21), border=15, unclear={10})[:2] == [10, 9]


def test_preferred_positions_come_first() -> None:
    preferred = {10, 40, 70, 95}
    search = Search(100, preferred)
    positions = tried(search, border=70)
    assert (search.before, search.after) == (69, 70)
    assert set(positions[:-1]) <= preferred
    assert positions[-1] == 69


def test_a_change_where_none_was_expected_is_found_all_the_same() -> None:
    search = Search(100, {10, 40, 70, 95})
    tried(search, border=55)
    assert (search.before, search.after) == (54, 55)


def test_neighbours_leave_nothing_to_try() -> None:
    assert Search(2).next() is None


def test_what_is_no_range_or_not_in_it_is_refused() -> None:
    with pytest.raises(ValueError, match="two ends"):
        Search(1)
    search = Search(5)
    with pytest.raises(ValueError, match="not in question"):
        search.tell(4, "before")
