"""Further clients, which connect by the conversation's id and look on."""

from typing import Any

import pytest

from race_harness.clients import Client, OnEvent
from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import Fault, Moment, Network, OtherAct, Schedule, Watcher
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import Trial, run_trial, run_trial_in_real_time


@pytest.fixture(scope="module")
def site() -> UvicornSite:
    return UvicornSite()


def looked_on(*moments: Moment, **more: Any) -> Schedule:
    return Schedule("test", watchers=tuple(map(Watcher, moments)), **more)


def told(trial: Trial, what: str) -> list[dict[str, Any]]:
    return [h.detail for h in trial.happenings if (h.lane, h.what) == ("watcher", what)]


def sockets(trial: Trial) -> list[bool]:
    """Of each that was subscribed, whether it is somebody else's."""
    found = [h.detail for h in trial.happenings if h.what == "subscribed"]
    return [bool(detail.get("other")) for detail in found]


def verdicts(trial: Trial) -> tuple[str, ...]:
    assert trial.judgement is not None
    return trial.judgement.verdicts


LATER = Moment("run-returned", after_ms=500)


@pytest.mark.parametrize("what", ["subscribed", "run-started", "run-ended", "run-returned"])
def test_whoever_looks_on_sees_all_whenever_it_comes(what: str, site: UvicornSite) -> None:
    at = Moment(what)  # type: ignore[arg-type]
    schedule = looked_on(at, others=(OtherAct("message-and-run", LATER),))
    trial = run_trial(schedule, ReferenceAdapter(), site)
    log = [h.detail["event"] for h in trial.happenings if h.what == "persisted"]
    (shown,) = told(trial, "shown")
    assert shown == {"client": 2, "events": log}
    assert trial.outcome.undone == ()
    assert verdicts(trial) == ("ok",)


def test_what_it_does_is_not_taken_for_the_clients(site: UvicornSite) -> None:
    """Neither its requests nor its socket, and no fault of the client's network strikes it."""
    reset = Network(faults=(Fault("reset", Moment("run-ended")),))
    alone = run_trial(Schedule("test", network=reset), ReferenceAdapter(), site)
    trial = run_trial(looked_on(Moment("run-started"), network=reset), ReferenceAdapter(), site)
    for whose in (alone, trial):
        mine = [
            h for h in whose.happenings if h.what == "subscribed" and not h.detail.get("other")
        ]
        assert len(mine) == 2
    theirs = [h for h in trial.happenings if h.what == "subscribed" and h.detail.get("other")]
    assert len(theirs) == 1
    assert verdicts(trial) == ("ok",)


class OneOfThem(ReferenceAdapter):
    """Whoever looks on has a fault of its own."""

    def __init__(self, bug: str) -> None:
        super().__init__()
        self._other = ReferenceAdapter(bug)

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        return self._other.attach(url, conversation, on_event)


@pytest.mark.parametrize(
    ("bug", "verdict", "says"),
    [
        ("late-comer", "lost", "client 3, which looks on: "),
        ("reversed", "out-of-order", "client 3, which looks on: state.events"),
        ("stutter", "duplicate-callback", "client 3, which looks on: "),
        ("mute", "missed-callback", "client 3, which looks on: "),
    ],
)
def test_the_evidence_says_whose_view_it_is(
    bug: str, verdict: str, says: str, site: UvicornSite
) -> None:
    schedule = looked_on(Moment("run-started"), Moment("run-started", after_ms=50))
    trial = run_trial(schedule, OneOfThem(bug), site)
    assert verdicts(trial) == (verdict,)
    assert trial.judgement is not None
    found = trial.judgement.evidence
    assert {each.client for each in found} == {2, 3}
    assert found[-1].says.startswith(says)
    # And the one that runs is right.
    assert verdicts(run_trial(schedule, OneOfThem("none"), site)) == ("ok",)


class Unattached(OneOfThem):
    """Whoever looks on is told off, or was never heard of."""

    def __init__(self, error: Exception) -> None:
        super().__init__("none")
        self._error = error

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        raise self._error


def test_who_cannot_come_is_told(site: UvicornSite) -> None:
    schedule = looked_on(Moment("run-started"))
    trial = run_trial(schedule, Unattached(RuntimeError("no such thing")), site)
    assert verdicts(trial) == ("spurious-error",)
    assert trial.judgement is not None
    (found,) = trial.judgement.evidence
    assert found.says.startswith("client 2, which looks on: attaching raised 'RuntimeError: no")
    late = run_trial(schedule, Unattached(TimeoutError("timed out")), site)
    assert verdicts(late) == ("explained",)


def test_an_adapter_that_attaches_nobody_is_unfit(site: UvicornSite) -> None:
    schedule = looked_on(Moment("run-started"))
    trial = run_trial(schedule, Unattached(NotImplementedError("none")), site)
    assert trial.judgement is None
    assert trial.outcome.void is not None
    assert trial.outcome.void.kind == "unfit"


@pytest.mark.slow
def test_over_sockets_it_sees_all_as_well() -> None:
    trial = run_trial_in_real_time(looked_on(Moment("run-started")), ReferenceAdapter())
    log = [h.detail["event"] for h in trial.happenings if h.what == "persisted"]
    (shown,) = told(trial, "shown")
    assert shown["events"] == log
    assert verdicts(trial) == ("ok",)
