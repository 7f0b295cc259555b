"""Long paths: shortened in the middle, whole where there is room, and never mistaken."""

import pytest

from race_harness.story.shortening import shortened, shortened_apart

LONG = "/home/me/src/software-agent-sdk/checkouts/own_client.py:Right"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (100, LONG),
        (len(LONG), LONG),
        (50, "/home/me/src/…/checkouts/own_client.py:Right"),
        (36, "/home/me/src/…/own_client.py:Right"),
        (24, "/…/own_client.py:Right"),
        (20, "…own_client.py:Right"),
        (9, "…py:Right"),
    ],
)
def test_parts_in_the_middle_go_first(width: int, text: str) -> None:
    assert shortened(LONG, width) == text
    assert len(text) <= width


@pytest.mark.parametrize("width", range(2, 70))
def test_it_always_fits_and_ends_as_the_path_does(width: int) -> None:
    text = shortened(LONG, width)
    assert len(text) <= width
    assert LONG.endswith(text.rpartition("…")[2])


def test_paths_that_would_look_the_same_stay_whole() -> None:
    mine, yours = "/home/me/one/src/sdk@main", "/home/me/two/src/sdk@main"
    assert shortened_apart([mine, yours, LONG], 18) == {
        mine: mine,
        yours: yours,
        LONG: "…n_client.py:Right",
    }
    assert shortened_apart([mine, "1.10.0"], 18) == {
        mine: "/…/src/sdk@main",
        "1.10.0": "1.10.0",
    }
