"""Of the failures of one cause, those that no other explains come next, in their order."""

from dataclasses import replace

from race_harness.model.failure import Failure
from race_harness.model.schedule import Act, Caller, Fault, Moment, Network, RestFault, Schedule
from race_harness.model.verdict import Judgement
from race_harness.search.explaining import WAYS, SeenFailure, Ways, needs

RESET, SILENT = Fault("reset"), Fault("half-open", Moment("run-ended"))


def seen(number: int, schedule: Schedule) -> SeenFailure:
    failure = Failure(
        schedule=schedule,
        judgement=Judgement(("late",)),
        digest="",
        client="x",
        resolved_version="0",
        server="fake",
        world="sim",
        happenings=(),
        stacks={},
    )
    return SeenFailure(number, failure)


def with_faults(*faults: Fault, **caller: float) -> Schedule:
    return Schedule("x", network=Network(faults=faults), caller=Caller(**caller))  # type: ignore[arg-type]


def test_needs_are_what_is_not_benign_without_its_numbers() -> None:
    schedule = Schedule(
        "x",
        network=Network(faults=(replace(SILENT, for_ms=3.0), RESET)),
        rest=(RestFault("status", "events", nth=3, status=429),),
        caller=Caller(runs=3, acts=(Act("pause"),)),
    )
    assert needs(schedule) == {
        "network.faults: half-open socket both",
        "network.faults: reset socket both",
        "rest: status events",
        "caller.runs",
        "caller.acts: pause",
    }
    assert needs(Schedule("x", entropy=3)) == set()


def test_one_that_needs_more_than_an_earlier_one_is_not_looked_at() -> None:
    ways = Ways()
    ways.add(seen(1, with_faults(RESET)))
    ways.add(seen(2, with_faults(RESET, SILENT)))
    ways.add(seen(3, with_faults(SILENT, between_ms=3.0)))
    assert [one.number for one in iter(ways.next, None)] == [1, 3]


def test_one_that_a_shrunk_one_explains_is_not_looked_at() -> None:
    ways = Ways()
    ways.add(seen(1, with_faults(RESET, between_ms=3.0)))
    ways.add(seen(2, with_faults(RESET, settle_s=3.0)))
    ways.add(seen(3, with_faults(SILENT)))
    first = ways.next()
    assert first is not None
    assert first.number == 1
    ways.explain(with_faults(RESET))
    assert [one.number for one in iter(ways.next, None)] == [3]


def test_one_that_did_not_repeat_explains_nothing() -> None:
    ways = Ways()
    ways.add(seen(1, with_faults(RESET)))
    assert ways.next() is not None
    ways.give_up(with_faults(RESET))
    ways.add(seen(2, with_faults(RESET)))
    again = ways.next()
    assert again is not None
    assert again.number == 2


def test_so_many_ways_are_enough() -> None:
    ways = Ways()
    for number in range(WAYS):
        ways.explain(with_faults(replace(RESET, link="rest"), between_ms=number + 1.0))
    ways.add(seen(1, with_faults(SILENT)))
    assert ways.next() is None
