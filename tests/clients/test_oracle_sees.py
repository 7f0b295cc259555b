"""The oracle sees every bug that is planted in the reference client, and none where there is none.

Each bug runs under a schedule that exposes it. The client without a bug runs under all of them.
"""

from dataclasses import dataclass, replace

import pytest

from race_harness.clients.reference import ReferenceAdapter
from race_harness.clients.reference.client import ReferenceClient
from race_harness.clients.reference.crude import BUGS
from race_harness.model.errors import UsageError
from race_harness.model.schedule import (
    Act,
    Caller,
    Fault,
    Interleaving,
    Link,
    Moment,
    Network,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
)
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial

BENIGN = Schedule("test")
CUT = replace(BENIGN, network=Network(faults=(Fault("reset", Moment("run-called")),)))
SLOW_SOCKET = replace(BENIGN, network=Network(socket=Link(latency_ms=800)))
FAILS = replace(BENIGN, script=Script(outcome="error"))
STUCK = replace(BENIGN, script=Script(outcome="stuck"))
SLOW_START = replace(BENIGN, server=ServerTiming(start_ms=1_000))


@dataclass(frozen=True)
class Exposed:
    bug: str
    schedule: Schedule
    verdicts: tuple[str, ...]
    why: str


EXPOSED = [
    Exposed("poll", SLOW_SOCKET, ("late",), "finished is polled long before the frames are there"),
    Exposed("poll", CUT, ("lost",), "no socket brings the events and nothing fetches them"),
    Exposed("poll", FAILS, ("hang",), "a failed run never says finished"),
    Exposed("eager", BENIGN, ("early",), "the run is going on"),
    Exposed("eager", SLOW_START, ("early",), "the run has not begun"),
    Exposed("eager", SLOW_SOCKET, ("early",), "what was there before has been read all the same"),
    Exposed("eager", CUT, ("lost", "early"), "and what the run brings does not come any more"),
    Exposed("deaf", CUT, ("lost",), "the socket is gone and was the only source"),
    Exposed("endless", BENIGN, ("hang",), "no server says that status"),
    Exposed("deadlock", BENIGN, ("hang",), "it holds the lock that it waits for"),
    Exposed("slow", BENIGN, ("stall",), "30 s are more than 10 s"),
    Exposed("slow", CUT, ("stall",), "also without the socket"),
    Exposed("nervous", BENIGN, ("spurious-error",), "the run succeeds"),
    Exposed("cheerful", FAILS, ("spurious-error",), "it returned and the run has failed"),
    Exposed("cheerful", STUCK, ("spurious-error",), "it returned and the run is stuck"),
    Exposed("mute", BENIGN, ("missed-callback",), "one observation"),
    Exposed("mute", CUT, ("missed-callback",), "also of events that were fetched"),
    Exposed("stutter", BENIGN, ("duplicate-callback",), "one observation"),
    Exposed("reversed", BENIGN, ("out-of-order",), "newest first"),
]

HIDDEN = [
    ("poll", BENIGN),
    ("deaf", BENIGN),
    ("deaf", SLOW_SOCKET),
    ("cheerful", BENIGN),
    ("mute", FAILS),
    ("stutter", FAILS),
]
"""Where a bug has no consequence there is nothing to see."""

SCHEDULES = {
    "benign": BENIGN,
    "cut": CUT,
    "slow socket": SLOW_SOCKET,
    "fails": FAILS,
    "stuck": STUCK,
    "slow start": SLOW_START,
    "slow answer": replace(BENIGN, server=ServerTiming(answer_run_ms=700)),
    "slow publication": replace(BENIGN, server=ServerTiming(publish_ms=900)),
    "slow callback": replace(
        BENIGN, caller=Caller(callback_ms=3_000, callback_on="finish", settle_s=15)
    ),
    "tools": replace(BENIGN, script=Script(tool_calls=5)),
    "stop hook": replace(BENIGN, script=Script(stop_hook_denials=2)),
    "jitter": replace(BENIGN, network=Network(rest=Link(5, 60), socket=Link(5, 60))),
    "socket stalls": replace(
        BENIGN, network=Network(faults=(Fault("stall", Moment("run-started"), for_ms=4_000),))
    ),
    "socket cut later": replace(
        BENIGN, network=Network(faults=(Fault("reset", Moment("run-started", after_ms=50)),))
    ),
    "goodbye": replace(
        BENIGN, network=Network(faults=(Fault("close", Moment("run-called"), code=1001),))
    ),
    **{
        f"switches {seed}": replace(
            BENIGN, script=Script(tool_calls=2), interleaving=Interleaving(seed)
        )
        for seed in range(8)
    },
    "switches and cut": replace(CUT, interleaving=Interleaving(5)),
}


@pytest.fixture(scope="module")
def site():
    return UvicornSite()


TRIALS = {}
"""Each is run once: a hang takes a second or two."""


def trial(bug, schedule, site):
    found = TRIALS.get((bug, schedule))
    if found is None:
        found = TRIALS[bug, schedule] = run_trial(schedule, ReferenceAdapter(bug), site)
    assert found.judgement is not None, found.outcome.error
    return found


@pytest.mark.parametrize("case", EXPOSED, ids=lambda case: f"{case.bug}-{case.verdicts[0]}")
def test_a_planted_bug_gets_the_verdicts_that_it_deserves(case, site):
    found = trial(case.bug, case.schedule, site)
    assert found.judgement.verdicts == case.verdicts, case.why
    assert found.judgement.headline == case.verdicts[0]
    assert {entry.verdict for entry in found.judgement.evidence} == set(case.verdicts)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_a_client_without_a_bug_is_let_pass(schedule, site):
    found = trial("none", schedule, site)
    assert found.judgement.verdicts == ("ok",), found.judgement.evidence


@pytest.mark.parametrize(("bug", "schedule"), HIDDEN)
def test_a_bug_without_a_consequence_is_let_pass(bug, schedule, site):
    assert trial(bug, schedule, site).judgement.verdicts == ("ok",)


def test_every_planted_bug_is_exposed_here():
    assert {case.bug for case in EXPOSED} == set(BUGS)


def test_every_schedule_that_exposes_a_bug_is_survived_without_one():
    assert {case.schedule for case in EXPOSED} <= set(SCHEDULES.values())


@pytest.mark.parametrize("bug", ["mute", "stutter"])
def test_the_evidence_names_the_event(bug, site):
    (evidence,) = trial(bug, BENIGN, site).judgement.evidence
    assert [event["kind"] for event in evidence.events] == ["ObservationEvent(finish)"]


@pytest.mark.parametrize("bug", ["endless", "deadlock"])
def test_a_hang_shows_where_every_thread_stands(bug, site):
    found = trial(bug, BENIGN, site)
    assert found.outcome.calls[0].ended == "never"
    main = next(stack for title, stack in found.stacks.items() if title.startswith("0 main"))
    assert "in run" in main
    assert any("_listen" in stack for stack in found.stacks.values())


def test_why_a_hang_was_ended_is_told(site):
    stopped = {bug: trial(bug, BENIGN, site).outcome.stopped for bug in ("endless", "deadlock")}
    assert stopped["endless"].startswith("virtual-time limit")
    # The socket's keepalive goes on, so time does; without one nothing could happen any more.
    assert stopped["deadlock"].startswith(("deadlock", "virtual-time limit"))


def test_a_trial_that_ends_well_shows_no_stacks(site):
    found = trial("none", BENIGN, site)
    assert (found.stacks, found.outcome.stopped) == ({}, None)


@pytest.mark.parametrize(("steps", "status"), [(2, "error"), (3, "finished")])
def test_a_run_takes_as_many_steps_as_the_caller_lets_it(site, steps, status):
    script, caller = Script(tool_calls=2), Caller(max_iterations=steps)
    found = trial("none", replace(BENIGN, script=script, caller=caller), site)
    assert found.judgement.verdicts == ("ok",)
    (ended,) = (each for each in found.happenings if each.what == "run-ended")
    assert ended.detail["status"] == status


def test_an_unknown_bug_is_refused():
    with pytest.raises(UsageError, match="no bug 'typo' to plant; there are: none, poll"):
        ReferenceAdapter("typo")


def test_bugs_are_named_after_the_client():
    assert ReferenceAdapter.named("reference")._kind is ReferenceClient
    assert ReferenceAdapter.named("reference:deaf")._kind is BUGS["deaf"]


class OfOldRelease(ReferenceAdapter):
    """The right client with a server that thinks under the state lock, which a pause waits for."""

    server_version = "1.10.0"


@pytest.mark.parametrize(
    ("adapter", "think_ms", "expected"),
    [
        (OfOldRelease, 40_000, "server-stall"),
        (OfOldRelease, 4_000, "ok"),
        (ReferenceAdapter, 40_000, "ok"),
    ],
)
def test_what_the_server_holds_up_is_the_servers_and_passes(adapter, think_ms, expected, site):
    schedule = replace(
        BENIGN,
        server=ServerTiming(think_ms=think_ms),
        caller=Caller(acts=(Act("pause", Moment("run-started", after_ms=1_000)),)),
    )
    result = run_trial(schedule, adapter(), site).result(0)
    assert result.verdicts == (expected,)
    assert result.passed


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (RestFault("status", "send-message", nth=2, since="start", status=400), "explained"),
        (RestFault("status", "send-message", nth=3, since="start", status=400), "ok"),
    ],
)
def test_a_call_that_raises_with_reason_is_counted_apart(fault, expected, site):
    schedule = replace(BENIGN, rest=(fault,), caller=Caller(runs=2))
    trial = run_trial(schedule, Impatient(), site)
    assert trial.judgement.verdicts == (expected,)
    assert trial.result(0).undone == (expected == "explained")


class ImpatientClient(ReferenceClient):
    """Asks once."""

    def _ask(self, route, body=None, acted=lambda: False):
        self._rest.post(route, body)


class Impatient(ReferenceAdapter):
    def connect(self, url, on_event):
        return ImpatientClient(url, on_event)
