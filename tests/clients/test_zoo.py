"""The zoo: each planted fault is caught by a schedule that aims at it and passes a near one.

The right client passes both, and schedules of every fault family.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import strategies as st

from race_harness.clients.reference import ReferenceAdapter
from race_harness.clients.reference.zoo import FAULTS
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import (
    Act,
    Caller,
    Fault,
    Gateway,
    Link,
    Moment,
    Network,
    OtherAct,
    ProcessEvent,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
    Watcher,
)
from race_harness.model.verdict import passes
from race_harness.network.site import UvicornSite
from race_harness.search.draw import draw_schedules
from race_harness.search.fault_strategies import FAMILIES, with_faults
from race_harness.workers.trial import run_trial

BENIGN = Schedule("test")


def server(**timing):
    return replace(BENIGN, server=ServerTiming(**timing))


def broken(*faults, **more):
    return replace(BENIGN, network=Network(faults=faults), **more)


def caller(*acts, **more):
    return replace(BENIGN, caller=Caller(acts=acts, **more))


def rest(*faults, **more):
    return replace(BENIGN, rest=faults, **more)


def after(what, after_ms=0.0, nth=1):
    return Moment(what, nth=nth, after_ms=after_ms)


def others(act, script=None):
    return replace(BENIGN, others=(act,), script=script or Script())


WAITING = Script(outcome="waiting_for_confirmation")


@dataclass(frozen=True)
class Aimed:
    fault: str
    schedule: Schedule
    verdict: str
    near: Schedule
    """Passes, though it is almost the same."""
    why: str


FULL = Network(
    faults=(Fault("reset", after("run-started", 50)),),
    gateway=Gateway(connections=1),
)


def behind(**limits):
    """A gateway with these limits, while the agent thinks for 6 s."""
    return replace(server(think_ms=6_000), network=Network(gateway=Gateway(**limits)))


def killed(at, **timing):
    return server(process=(ProcessEvent("crash", at, 1_000.0),), **timing)


def stepped(by_ms):
    return server(process=(ProcessEvent("clock-step", after("run-started", 50), by_ms=by_ms),))


def frozen(for_ms, clock="goes-on"):
    return server(process=(ProcessEvent("freeze", after("run-started", 50), for_ms, clock),))


def full(for_ms):
    return server(process=(ProcessEvent("disk-full", after("run-started", 50), for_ms),))


AIMED = [
    Aimed(
        "trusts-silence",
        full(1_000),
        "hang",
        full(100),
        "the disk is full when the agent acts; or has space again",
    ),
    Aimed(
        "accepted-is-begun",
        killed(after("run-answered", 50), start_ms=500),
        "hang",
        killed(after("run-started", 50), start_ms=500),
        "the server dies before the run begins that it has accepted",
    ),
    Aimed(
        "timeout-ends-reading",
        frozen(10_000),
        "lost",
        frozen(1_000),
        "the server's process stands still for longer than a reading waits",
    ),
    Aimed(
        "first-no-is-final",
        replace(server(think_ms=5_000), network=FULL),
        "hang",
        replace(server(think_ms=5_000), network=replace(FULL, gateway=Gateway(connections=5))),
        "the gateway is full when the socket comes back",
    ),
    Aimed(
        "every-frame-is-json",
        broken(Fault("interject", after("run-started", 50))),
        "hang",
        broken(Fault("interject", after("run-ended", 5_000))),
        "a frame of the gateway's own, before the end",
    ),
    Aimed(
        "strict-reader",
        replace(BENIGN, script=Script(strange="kind")),
        "spurious-error",
        replace(BENIGN, script=Script(tool_calls=1)),
        "an event of a newer server",
    ),
    Aimed(
        "strict-reader",
        replace(BENIGN, script=Script(strange="field", tool_calls=1)),
        "spurious-error",
        replace(BENIGN, script=Script(strange="field", says="message")),
        "a field of a newer server",
    ),
    Aimed(
        "one-page",
        replace(BENIGN, script=Script(history=120)),
        "hang",
        replace(BENIGN, script=Script(history=60)),
        "the conversation has more than a page behind it",
    ),
    Aimed(
        "no-reconnect",
        behind(idle_s=0.5),
        "hang",
        behind(idle_s=3),
        "the gateway closes a socket that says nothing while the agent thinks",
    ),
    Aimed(
        "state-by-frame",
        broken(
            Fault("refuse", after("run-started", 150), for_ms=60_000),
            Fault("reset", after("run-started", 150)),
        ),
        "stale-state",
        broken(Fault("refuse", after("run-returned"), for_ms=60_000)),
        "the frame of the end is lost, and no socket comes again",
    ),
    Aimed(
        "state-of-before",
        replace(BENIGN, script=Script(statistics=True)),
        "stale-state",
        replace(BENIGN, script=Script(tool_calls=2)),
        "the run costs something",
    ),
    Aimed(
        "own-message-unread",
        replace(caller(reads_own_message=True), network=Network(socket=Link(latency_ms=300))),
        "late",
        replace(caller(), network=Network(socket=Link(latency_ms=300))),
        "the caller looks for its message before the frame has come",
    ),
    Aimed(
        "first-poll",
        replace(
            BENIGN,
            server=ServerTiming(think_ms=1_000),
            network=Network(socket=Link(latency_ms=600)),
        ),
        "late",
        replace(
            BENIGN,
            server=ServerTiming(think_ms=300),
            network=Network(socket=Link(latency_ms=100)),
        ),
        "the poll comes before the frames; with another rhythm after them",
    ),
    Aimed(
        "idle-poll",
        server(start_ms=1_000),
        "early",
        server(start_ms=100),
        "the agent takes longer to start than the first poll to come",
    ),
    Aimed(
        "unread-fallback",
        broken(
            Fault("refuse", after("run-started"), for_ms=9_000),
            Fault("reset", after("run-started")),
        ),
        "late",
        broken(
            Fault("refuse", after("run-started"), for_ms=1_000),
            Fault("reset", after("run-started")),
        ),
        "no frame for three polls",
    ),
    Aimed(
        "frame-only",
        broken(Fault("reset", after("run-started", 199))),
        "hang",
        broken(Fault("reset", after("run-started", 20))),
        "the final frame is sent while no socket is there",
    ),
    Aimed(
        "no-drain",
        replace(
            BENIGN,
            script=Script(stop_hook_denials=1),
            caller=Caller(runs=2),
        ),
        "early",
        caller(runs=2),
        "one final frame is left over",
    ),
    Aimed(
        "armed-late",
        server(answer_run_ms=400),
        "stall",
        server(answer_run_ms=100),
        "the run is over when it is said to have been accepted",
    ),
    Aimed(
        "greeting-ends-run",
        replace(broken(Fault("reset", after("run-called"))), server=ServerTiming(start_ms=2_000)),
        "early",
        broken(Fault("reset", after("run-called"))),
        "the new connection is greeted before the run begins",
    ),
    Aimed(
        "first-finished",
        replace(BENIGN, script=Script(stop_hook_denials=1)),
        "early",
        replace(BENIGN, script=Script(tool_calls=1)),
        "a stop hook takes it back",
    ),
    Aimed(
        "overshoot",
        replace(caller(timeout_s=1.5), server=ServerTiming(think_ms=3_000)),
        "stall",
        replace(caller(timeout_s=2.0), server=ServerTiming(think_ms=3_000)),
        "the deadline is not a whole number of waits",
    ),
    Aimed(
        "failed-poll-ends",
        rest(RestFault("status")),
        "early",
        rest(RestFault("status", nth=40)),
        "one 503 while the run goes on",
    ),
    Aimed(
        "silent-error",
        broken(Fault("reset", after("run-started", 199)), script=Script(outcome="error")),
        "spurious-error",
        replace(BENIGN, script=Script(outcome="error")),
        "the frame of the error is lost",
    ),
    Aimed(
        "revived-unnoticed",
        replace(
            caller(Act("send-message", after("persisted", 10, nth=5))),
            server=ServerTiming(tool_ms=300),
        ),
        "early",
        replace(
            caller(Act("send-message", after("persisted", 10, nth=4))),
            server=ServerTiming(tool_ms=300),
        ),
        "the message comes during the last tool call; or before it",
    ),
    Aimed(
        "conflict-raises",
        caller(Act("run", after("run-started"))),
        "spurious-error",
        caller(Act("run", after("run-returned"))),
        "two calls at once; or one after the other",
    ),
    Aimed(
        "conflict-is-over",
        caller(Act("run", after("run-started"))),
        "early",
        caller(Act("run", after("run-returned"))),
        "two calls at once; or one after the other",
    ),
    Aimed(
        "hopeful-post",
        rest(RestFault("status", "run", acted=False)),
        "hang",
        rest(RestFault("status", "run", acted=True)),
        "the server never got the request; or did",
    ),
    Aimed(
        "endless-patience",
        rest(RestFault("timeout", "events")),
        "hang",
        rest(RestFault("delay", "events", delay_ms=2_000)),
        "an answer never comes; or comes late",
    ),
    Aimed(
        "one-thing-at-a-time",
        caller(Act("send-message", after("run-started", 50))),
        "spurious-error",
        caller(runs=2),
        "a message while the run goes on; or after it",
    ),
    Aimed(
        "pause-awaits-agent",
        replace(caller(Act("pause", after("run-started"))), server=ServerTiming(think_ms=30_000)),
        "stall",
        replace(caller(Act("pause", after("run-started"))), server=ServerTiming(think_ms=3_000)),
        "the LLM takes long to answer",
    ),
    Aimed(
        "close-forgets",
        caller(Act("close", after("run-started"))),
        "hang",
        caller(Act("close", after("run-returned"))),
        "closed while run() waits; or afterwards",
    ),
    Aimed(
        "strict-boundary",
        server(clock_ms=15.6, tool_ms=5),
        "hang",
        server(clock_ms=1, tool_ms=5),
        "events are stamped alike",
    ),
    Aimed(
        "since-newest",
        stepped(-5_000),
        "hang",
        stepped(5_000),
        "the clock is set back in a run; or forward",
    ),
    Aimed(
        "since-last-look",
        frozen(5_000, clock="stands"),
        "lost",
        frozen(5_000),
        "the server's clock stands still with it; or goes on",
    ),
    Aimed(
        "frame-is-last",
        server(status_overtakes=2, publish_ms=20),
        "late",
        server(publish_ms=20),
        "the final status overtakes the events before it",
    ),
    Aimed(
        "swallowed-page",
        rest(RestFault("truncate", "events", nth=2)),
        "lost",
        rest(RestFault("truncate", "events", nth=1)),
        "the page after the run fails; or the one before",
    ),
    Aimed(
        "one-page",
        replace(BENIGN, script=Script(tool_calls=60)),
        "hang",
        replace(BENIGN, script=Script(tool_calls=20)),
        "more than a hundred events",
    ),
    Aimed(
        "lost-update",
        rest(RestFault("delay", "events", nth=4, delay_ms=500)),
        "lost",
        rest(RestFault("delay", "events", nth=4, delay_ms=500, acted=False)),
        "an answer is older than those that overtake it; or is late and new",
    ),
    Aimed(
        "twice",
        caller(callback_ms=300, callback_on="all"),
        "duplicate-callback",
        caller(callback_ms=300, callback_on="finish"),
        "a slow callback is in the middle of an event when run() reads",
    ),
    Aimed(
        "dead-callback",
        caller(callback_raises=True),
        "missed-callback",
        caller(callback_ms=300),
        "it raises on the finishing action; or is slow",
    ),
    Aimed(
        "silent-gap",
        broken(Fault("reset", after("run-started", 199))),
        "missed-callback",
        broken(Fault("reset", after("run-started", 20))),
        "the finish is persisted while no socket is there",
    ),
    Aimed(
        "trusts-socket",
        broken(
            Fault("half-open", after("run-started")),
            caller=Caller(settle_s=90),
        ),
        "stall",
        broken(Fault("reset", after("run-started"))),
        "the connection is dead without a word; or with one",
    ),
    Aimed(
        "no-reconnect",
        broken(Fault("reset", after("run-started"))),
        "hang",
        broken(Fault("stall", after("run-started"), for_ms=1_000)),
        "the socket breaks; or only stalls",
    ),
    Aimed(
        "goodbye-is-forever",
        broken(Fault("close", after("run-started"), code=1001)),
        "hang",
        broken(Fault("close", after("run-started"), code=1011)),
        "a proxy says goodbye; or that it has failed",
    ),
    Aimed(
        "gap-unread",
        broken(Fault("reset", after("run-started", 199))),
        "hang",
        broken(Fault("reset", after("run-started", 20))),
        "the run ends while no socket is there; or after",
    ),
    Aimed(
        "listens-for-status",
        replace(server(think_ms=20_000), script=Script(tool_calls=1)),
        "stall",
        replace(server(think_ms=2_000), script=Script(tool_calls=1)),
        "the next status is far away",
    ),
    Aimed(
        "pauses-are-mine",
        others(OtherAct("pause", after("run-started", 50)), Script(tool_calls=1)),
        "hang",
        replace(
            caller(Act("pause", after("run-started", 50))),
            script=Script(tool_calls=1),
        ),
        "somebody else pauses the run; or the caller does",
    ),
    Aimed(
        "own-voice-only",
        others(OtherAct("message", after("run-started", 50))),
        "lost",
        caller(Act("send-message", after("run-started", 50))),
        "somebody else sends a message; or the caller does",
    ),
    Aimed(
        "own-voice-only",
        others(OtherAct("message-and-run", after("run-returned", 50))),
        "lost",
        others(OtherAct("run", after("run-returned", 50))),
        "somebody else has the agent go on, with a message; or without",
    ),
    Aimed(
        "deaf-between-runs",
        others(OtherAct("message-and-run", after("run-returned", 50))),
        "lost",
        others(OtherAct("message-and-run", after("run-started", 50))),
        "the agent goes on for somebody else after the run; or in it",
    ),
    Aimed(
        "deaf-between-runs",
        others(OtherAct("confirm", after("run-returned", 50)), WAITING),
        "lost",
        others(OtherAct("confirm", after("run-started", 50)), WAITING),
        "somebody else confirms what waits; or asks before anything does",
    ),
    Aimed(
        "rejections-unread",
        others(OtherAct("reject", after("run-returned", 50)), WAITING),
        "lost",
        others(OtherAct("confirm", after("run-returned", 50)), WAITING),
        "somebody else rejects what waits; or confirms it",
    ),
    Aimed(
        "status-of-own-run",
        others(OtherAct("confirm", after("run-returned", 50)), WAITING),
        "stale-state",
        others(OtherAct("run", after("run-started", 50))),
        "somebody else has the agent go on; or is refused",
    ),
    Aimed(
        "late-comer",
        replace(BENIGN, watchers=(Watcher(after("run-ended")),)),
        "lost",
        others(OtherAct("run", after("run-returned", 50))),
        "another client looks on; or there is none",
    ),
]


@pytest.fixture(scope="module")
def site():
    return UvicornSite()


TRIALS = {}


def verdicts(fault, schedule, site):
    if (fault, schedule) not in TRIALS:
        trial = run_trial(schedule, ReferenceAdapter(fault), site)
        TRIALS[fault, schedule] = (
            ("void",) if trial.judgement is None else trial.judgement.verdicts
        )
    return TRIALS[fault, schedule]


@pytest.mark.parametrize("case", AIMED, ids=lambda case: case.fault)
def test_a_planted_fault_is_caught(case, site):
    assert case.verdict in verdicts(case.fault, case.schedule, site), case.why


@pytest.mark.parametrize("case", AIMED, ids=lambda case: case.fault)
def test_a_planted_fault_passes_what_does_not_concern_it(case, site):
    assert verdicts(case.fault, case.near, site) == ("ok",), case.why


@pytest.mark.parametrize("case", AIMED, ids=lambda case: case.fault)
def test_the_right_client_passes_both(case, site):
    assert passes(verdicts("none", case.schedule, site))
    assert passes(verdicts("none", case.near, site))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_hidden(fault, site):
    assert verdicts(fault, BENIGN, site) == ("ok",)


def test_every_planted_fault_is_aimed_at():
    assert {case.fault for case in AIMED} == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_says_what_it_does_and_where_it_comes_from(fault):
    what, _, source = (FAULTS[fault].__doc__ or "").partition("Source: ")
    assert what.strip()
    assert source.strip()


@pytest.mark.parametrize("family", [*FAMILIES, "all"])
def test_the_right_client_passes_schedules_of_every_fault_family(family, site):
    families = list(FAMILIES) if family == "all" else [family]
    strategy = with_faults(st.just(BENIGN), families)
    for schedule in draw_schedules(Scenario("test", "", lambda: strategy), 0, 25):
        found = verdicts("none", schedule, site)
        assert passes(found) or found == ("void",), schedule.to_json()
