"""Which request a fault is about, where only its connection is known."""

import pytest

from race_harness.model.requests import with_numbers
from race_harness.model.trace import Happening

ASKED = Happening(1, "rest", "request", {"number": 4, "peer": 50001})
ANSWERED = Happening(2, "rest", "answer", {"number": 4})
GAVE_UP = Happening(3, "rest", "fault", {"action": "gave-up", "peer": 50001})


@pytest.mark.parametrize(
    ("happenings", "number"),
    [
        ((ASKED, GAVE_UP), 4),
        # It is about another, which has not come to the server.
        ((ASKED, ANSWERED, GAVE_UP), 0),
        ((GAVE_UP,), 0),
    ],
    ids=["under way", "answered", "none"],
)
def test_a_gateway_gives_up_what_has_no_answer(
    happenings: tuple[Happening, ...], number: int
) -> None:
    assert with_numbers(happenings)[-1].detail["number"] == number
