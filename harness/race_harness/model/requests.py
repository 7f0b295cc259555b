"""Finds the request of a happening that names only its connection."""

from collections.abc import Iterable
from dataclasses import replace

from race_harness.model.trace import Happening


def with_numbers(happenings: Iterable[Happening]) -> tuple[Happening, ...]:
    """Return the happenings, and give each REST fault the number of its request.

    The server's proxy records a fault by the client's port, while the tap on the wire numbers the
    requests. A connection has one request under way, the last that arrived. If that one had its
    answer before the gateway gave up, the fault hit a request that never arrived, and gets 0.
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
