"""How much a failure of a test needs: threads in another order, a stall, or a fault."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal, get_args

from race_harness.model.schedule import Schedule

Grade = Literal["order", "stall", "fault"]

GRADES: Final[tuple[Grade, ...]] = get_args(Grade)
"""From what any machine shows to what can break any test."""

MEANINGS: Final[dict[Grade, str]] = {
    "order": "by order alone",
    "stall": "needs a stall",
    "fault": "needs a fault",
}


def grade_of(schedule: Schedule) -> Grade:
    """What a schedule has in it. Latencies are part of the order: they decide who comes first."""
    if schedule.network.faults or schedule.rest:
        return "fault"
    return "stall" if schedule.interleaving.stalls else "order"


def lesser(schedule: Schedule) -> Iterable[tuple[Grade, Schedule]]:
    """The same schedule with less in it, for each lower grade, lowest first."""
    without = replace(schedule, network=replace(schedule.network, faults=()), rest=())
    grade = grade_of(schedule)
    if grade != "order":
        calm = replace(without.interleaving, stalls=())
        yield "order", replace(without, interleaving=calm)
    if grade == "fault" and schedule.interleaving.stalls:
        yield "stall", without


def strategy_of(schedule: Schedule) -> str:
    """How its threads are interleaved, in a few words."""
    interleaving = schedule.interleaving
    if interleaving.stalls:
        return "stalls"
    if interleaving.seed is None:
        return "as it is"
    names = {"random-walk": "random walk", "pct": "PCT", "pos": "POS"}
    lines = " at lines" if interleaving.at_lines else ""
    return names[interleaving.strategy] + lines
