"""Names of combinations, and what each cannot do."""

import pytest

from race_harness.model.combination import (
    COMBINATIONS,
    REAL_FAKE,
    REAL_REAL,
    SIM_FAKE,
    SIM_REAL,
    Combination,
    unavailable,
)
from race_harness.model.errors import UsageError
from race_harness.model.schedule import (
    Fault,
    Interleaving,
    LineStall,
    Network,
    OtherAct,
    ProcessEvent,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
    Watcher,
)


@pytest.mark.parametrize("text", ["sim×real", "sim-real", "simxreal", "sim*real", " sim×real "])
def test_ways_to_write_one(text: str) -> None:
    assert Combination.parse(text) == SIM_REAL
    assert str(Combination.parse(text)) == "sim×real"


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_what_is_printed_can_be_typed(combination: Combination) -> None:
    assert Combination.parse(str(combination)) == combination


def test_the_server_of_another_release() -> None:
    found = Combination.parse("real-real:1.58.2")
    assert found == Combination("real", "real", "1.58.2") != REAL_REAL
    assert (str(found), found.served_by) == ("real×real:1.58.2", "real:1.58.2")
    assert found == Combination.parse(str(found)) == Combination.of("real", "real:1.58.2")
    assert (REAL_REAL.served_by, Combination.of("sim", "fake")) == ("real", SIM_FAKE)


@pytest.mark.parametrize(
    "text", ["", "sim", "real", "fake×sim", "sim×real×fake", "sim+real", "sim-real:"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no combination .* sim×fake, sim×real, ") as caught:
        Combination.parse(text)
    assert "\n" not in str(caught.value)


def without(schedule: Schedule, combination: Combination) -> tuple[str, ...]:
    return unavailable(schedule, combination.world, combination.server)


STALL = LineStall("f", "x = 1", for_ms=5.0)
STANDS = ProcessEvent("freeze", for_ms=1.0, clock="stands")


@pytest.mark.parametrize(
    ("schedule", "combination", "begins"),
    [
        (Schedule("s", interleaving=Interleaving(7)), REAL_FAKE, "interleaving.seed: "),
        (Schedule("s", script=Script(history=3)), SIM_REAL, "script.history: "),
        (Schedule("s", script=Script(strange="kind")), REAL_REAL, "script.strange: "),
        (
            Schedule("s", interleaving=Interleaving(at_lines=True)),
            REAL_REAL,
            "interleaving.at_lines: ",
        ),
        (
            Schedule("s", interleaving=Interleaving(stalls=(STALL,))),
            REAL_FAKE,
            "interleaving.stalls[0]: ",
        ),
        (
            Schedule("s", server=ServerTiming(process=(STANDS,))),
            REAL_FAKE,
            "server.process[0].clock: ",
        ),
        (
            Schedule("s", server=ServerTiming(status_overtakes=1)),
            SIM_REAL,
            "server.status_overtakes: ",
        ),
        (
            Schedule("s", server=ServerTiming(flushes_first=True), counterfactual=True),
            SIM_REAL,
            "server.flushes_first: ",
        ),
        (Schedule("s", server=ServerTiming(clock_ms=1.0)), REAL_REAL, "server.clock_ms: "),
        (
            Schedule("s", server=ServerTiming(process=(ProcessEvent("clock-step"),))),
            REAL_REAL,
            "server.process[0]: ",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, Combination) else "",
)
def test_each_thing_that_cannot_be_had_is_named_with_its_field(
    schedule: Schedule, combination: Combination, begins: str
) -> None:
    (reason,) = without(schedule, combination)
    assert reason.startswith(begins)
    # And where it can be had, nothing is said.
    assert without(schedule, SIM_FAKE) == ()
    other = {REAL_FAKE: SIM_REAL, SIM_REAL: REAL_FAKE, REAL_REAL: SIM_FAKE}[combination]
    assert without(schedule, other) == ()


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_a_server_may_stand_still_and_die_everywhere(combination: Combination) -> None:
    events = ProcessEvent("freeze", for_ms=1), ProcessEvent("crash", for_ms=1)
    assert without(Schedule("s", server=ServerTiming(process=events)), combination) == ()


def test_others_are_those_of_the_agent_server() -> None:
    schedule = Schedule("s", others=(OtherAct("pause"),))
    (reason,) = without(schedule, Combination("sim", "own"))
    assert reason.startswith("others: ")
    for combination in COMBINATIONS:
        assert without(schedule, combination) == ()
    (reason,) = without(Schedule("s", watchers=(Watcher(),)), Combination("sim", "own"))
    assert reason.startswith("watchers: ")


def test_the_clock_of_a_server_of_ones_own_is_its_own() -> None:
    events = ProcessEvent("freeze", for_ms=1), ProcessEvent("clock-step", by_ms=1)
    schedule = Schedule("s", server=ServerTiming(process=events))
    for world in ("sim", "real"):
        (reason,) = without(schedule, Combination(world, "own"))
        assert reason.startswith("server.process[1]: ")


def test_a_disk_is_filled_where_somebody_knows_what_is_written() -> None:
    full, crash = ProcessEvent("disk-full", for_ms=1), ProcessEvent("crash", for_ms=1)
    alone, both = (
        Schedule("s", server=ServerTiming(process=events)) for events in ((full,), (crash, full))
    )
    for combination in (SIM_FAKE, SIM_REAL, REAL_FAKE, REAL_REAL):
        assert not without(alone, combination)
    (reason,) = without(alone, Combination("sim", "own"))
    assert reason.startswith("server.process[0]: ")
    assert not without(both, SIM_REAL)
    (reason,) = without(both, SIM_FAKE)
    assert reason.startswith("server.process[1]: ")


def test_all_of_them_are_told() -> None:
    schedule = Schedule(
        "s",
        interleaving=Interleaving(7, at_lines=True, stalls=(STALL, STALL)),
        server=ServerTiming(status_overtakes=1, clock_ms=1.0),
    )
    fields = [reason.partition(":")[0] for reason in without(schedule, REAL_REAL)]
    assert fields == [
        "interleaving.seed",
        "interleaving.at_lines",
        "interleaving.stalls[0]",
        "interleaving.stalls[1]",
        "server.status_overtakes",
        "server.clock_ms",
    ]


@pytest.mark.parametrize("combination", [*COMBINATIONS, Combination("real", "own")], ids=str)
def test_what_a_proxy_and_a_network_can_do_is_had_everywhere(combination: Combination) -> None:
    schedule = Schedule(
        "s",
        network=Network(faults=tuple(Fault(a) for a in ("reset", "close", "stall", "reject"))),
        rest=(RestFault("empty"), RestFault("timeout")),
        counterfactual=True,
    )
    assert without(schedule, combination) == ()
