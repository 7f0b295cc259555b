"""Which request is meant where only its connection is known."""

from collections.abc import Iterable
from dataclasses import replace

from race_harness.model.trace import Happening


def with_numbers(happenings: Iterable[Happening]) -> tuple[Happening, ...]:
    """The happenings, with the number of its request in each fault of REST.

    The server's proxy knows the client's port, and whoever listens on the wire has given each
    request a number. A connection has one request under way, the last that has come. If that was
    answered before the gateway gave up, another is meant, which has not come: it gets 0.
    """
    numbers: dict[int, int] = {}
    answered: set[int] = set()
    told = []
    for happening in happenings:
        detail, peer = happening.detail, happening.detail.get("peer", 0)
        if (happening.lane, happening.what) == ("rest", "request"):
            numbers[peer] = detail["number"]
        elif (happening.lane, happening.what) == ("rest", "answer"):
            answered.add(detail["number"])
        elif (happening.lane, happening.what) == ("rest", "fault"):
            number = numbers.get(peer, 0)
            if detail["action"] == "gave-up" and number in answered:
                number = 0
            happening = replace(happening, detail={**detail, "number": number})
        told.append(happening)
    return tuple(told)
