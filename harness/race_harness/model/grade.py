"""The grade of a test's failure: whether it needs only another order, a stall, or a fault."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal, get_args

from race_harness.model.schedule import Schedule

Grade = Literal["order", "stall", "fault"]

GRADES: Final[tuple[Grade, ...]] = get_args(Grade)
"""From what any machine can show to what could break any test."""

MEANINGS: Final[dict[Grade, str]] = {
    "order": "by order alone",
    "stall": "with a stall",
    "fault": "with a fault",
}


def grade_of(schedule: Schedule) -> Grade:
    """Return the grade of a failing schedule, by what it contains. Latencies count as order: they
    decide who comes first."""
    if schedule.network.faults or schedule.rest:
        return "fault"
    return "stall" if schedule.interleaving.stalls else "order"


def lesser(schedule: Schedule) -> Iterable[tuple[Grade, Schedule]]:
    """Yield, for each lower grade, lowest first, the schedule reduced to that grade."""
    without = replace(schedule, network=replace(schedule.network, faults=()), rest=())
    grade = grade_of(schedule)
    if grade != "order":
        calm = replace(without.interleaving, stalls=())
        yield "order", replace(without, interleaving=calm)
    if grade == "fault" and schedule.interleaving.stalls:
        yield "stall", without


def strategy_of(schedule: Schedule) -> str:
    """Return in a few words how the schedule interleaves threads."""
    interleaving = schedule.interleaving
    if interleaving.stalls:
        return "stalls"
    if interleaving.seed is None:
        return "as it is"
    names = {"random-walk": "random walk", "pct": "PCT", "pos": "POS"}
    lines = " at lines" if interleaving.at_lines else ""
    return names[interleaving.strategy] + lines
