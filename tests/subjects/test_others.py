"""Others in the client's conversation: what they ask for, by a way of their own, and what comes of
it."""

from dataclasses import replace
from typing import Any

import pytest

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import (
    Fault,
    Gateway,
    Link,
    Moment,
    Network,
    OtherAct,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
)
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import Trial, run_trial, run_trial_in_real_time

IN_RUN = Moment("run-started", after_ms=50)
AFTERWARDS = Moment("run-returned", after_ms=50)
WAITING = Script(outcome="waiting_for_confirmation")


@pytest.fixture(scope="module")
def site() -> UvicornSite:
    return UvicornSite()


def schedule(what: str, at: Moment, **more: Any) -> Schedule:
    return Schedule("test", others=(OtherAct(what, at),), **more)  # type: ignore[arg-type]


def statuses(trial: Trial) -> list[int]:
    """Of the answers that others got."""
    return [h.detail["status"] for h in trial.happenings if h.what == "answered"]


def runs(trial: Trial) -> list[bool]:
    """Whether it is somebody else's, of each run that was accepted."""
    accepted = [h for h in trial.happenings if h.what == "run-accepted"]
    return [bool(h.detail.get("other")) for h in accepted]


def kinds(trial: Trial) -> list[str]:
    """Of the log."""
    return [h.detail["kind"] for h in trial.happenings if h.what == "persisted"]


@pytest.mark.parametrize(
    ("what", "at", "script", "answer", "begun"),
    [
        ("run", IN_RUN, Script(), 409, [False]),
        ("run", Moment("subscribed"), Script(), 200, [True]),
        ("run", AFTERWARDS, Script(), 200, [False, True]),
        ("message", AFTERWARDS, Script(), 200, [False]),
        ("message-and-run", AFTERWARDS, Script(), 200, [False, True]),
        ("message-and-run", IN_RUN, Script(), 200, [False]),
        ("pause", IN_RUN, Script(), 200, [False]),
        ("confirm", AFTERWARDS, WAITING, 200, [False, True]),
        ("confirm", IN_RUN, WAITING, 200, [False]),
        ("reject", AFTERWARDS, WAITING, 200, [False]),
    ],
)
def test_what_an_act_brings_about(
    what: str, at: Moment, script: Script, answer: int, begun: list[bool], site: UvicornSite
) -> None:
    trial = run_trial(schedule(what, at, script=script), ReferenceAdapter(), site)
    assert statuses(trial) == [answer]
    assert runs(trial) == begun
    assert trial.outcome.undone == ()
    assert trial.judgement is not None
    assert trial.judgement.verdicts == ("ok",)


@pytest.mark.parametrize("version", ["1.7.0", "1.9.1", "1.16.0", "1.58.0"])
def test_who_confirms_before_the_run_waits_comes_too_early(
    version: str, site: UvicornSite
) -> None:
    """Up to 1.16.0 the event loop waits for the run's step with the request, and learns only
    afterwards that the run has ended."""
    adapter = ReferenceAdapter()
    adapter.server_version = version
    trial = run_trial(schedule("confirm", IN_RUN, script=WAITING), adapter, site)
    assert runs(trial) == [False]
    assert statuses(trial) == [200]


@pytest.mark.parametrize("version", ["1.7.0", "1.9.1"])
def test_frames_that_a_waiting_request_holds_up_go_out_together(
    version: str, site: UvicornSite
) -> None:
    """None of them waits for the snapshot, which keeps the event loop busy next."""
    adapter = ReferenceAdapter()
    adapter.server_version = version
    tried = schedule("run", IN_RUN, server=ServerTiming(snapshot_ms=50))
    trial = run_trial(tried, adapter, site)
    assert statuses(trial) == [409]
    (cleared,) = [h.at_ns for h in trial.happenings if h.what == "run-cleared"]
    sent = [h for h in trial.happenings if h.what == "frame-sent"]
    late = [h.detail.get("key") for h in sent if h.at_ns > cleared]
    assert [h.detail["kind"] for h in sent if h.at_ns == cleared].count("ObservationEvent") == 1
    assert late == ["full_state"]


def test_who_rejects_ends_the_waiting_and_the_next_run_asks_the_agent(site: UvicornSite) -> None:
    trial = run_trial(schedule("reject", AFTERWARDS, script=WAITING), ReferenceAdapter(), site)
    assert kinds(trial)[-2:] == ["ConversationStateUpdateEvent", "UserRejectObservation"]
    confirmed = schedule("confirm", AFTERWARDS, script=WAITING)
    trial = run_trial(confirmed, ReferenceAdapter(), site)
    assert "UserRejectObservation" not in kinds(trial)
    # What waited is done, and then the agent ends by a call of its own.
    assert kinds(trial).count("ObservationEvent") == kinds(trial).count("ActionEvent") == 2


def test_rejecting_where_nothing_waits_changes_nothing(site: UvicornSite) -> None:
    trial = run_trial(schedule("reject", AFTERWARDS), ReferenceAdapter(), site)
    alone = run_trial(Schedule("test"), ReferenceAdapter(), site)
    assert kinds(trial) == kinds(alone)
    assert statuses(trial) == [200]


def test_a_message_in_the_tail_of_a_run_has_another_follow(site: UvicornSite) -> None:
    tail = ServerTiming(publish_ms=200)
    at = Moment("run-ended", after_ms=10)
    trial = run_trial(schedule("message-and-run", at, server=tail), ReferenceAdapter(), site)
    assert runs(trial) == [False, True]
    without = run_trial(schedule("message", at, server=tail), ReferenceAdapter(), site)
    assert runs(without) == [False]


def test_the_network_and_the_proxy_of_the_client_are_none_of_theirs(site: UvicornSite) -> None:
    """Nor is anything of theirs counted as the client's."""
    hard = Network(
        rest=Link(latency_ms=400),
        faults=(Fault("refuse", Moment("run-ended"), "rest", for_ms=60_000),),
        gateway=Gateway(connections=3),
    )
    spoiled = (RestFault("status", "pause", since="start", times=50),)
    tried = schedule("pause", Moment("run-ended", after_ms=50), network=hard, rest=spoiled)
    trial = run_trial(tried, ReferenceAdapter(), site)
    times = {h.what: h.at_ns / 1e6 for h in trial.happenings if h.lane == "other"}
    assert statuses(trial) == [200]
    assert times["answered"] - times["asked"] < 10
    told = [h for h in trial.happenings if h.lane in ("rest", "network", "wire")]
    assert not any("pause" in str(h.detail) for h in told)


def test_what_comes_too_late_or_before_there_is_a_conversation_is_told(site: UvicornSite) -> None:
    late = schedule("message", Moment("run-returned", after_ms=60_000))
    trial = run_trial(late, ReferenceAdapter(), site)
    assert trial.outcome.undone == ("somebody else's message",)
    assert statuses(trial) == []
    early = schedule("message", Moment("connection-opened"))
    trial = run_trial(early, ReferenceAdapter(), site)
    assert trial.outcome.undone == ("somebody else's message",)
    assert statuses(trial) == []


def test_a_schedule_without_others_is_what_it_was(site: UvicornSite) -> None:
    trial = run_trial(Schedule("test"), ReferenceAdapter(), site)
    assert not any(h.lane == "other" or "other" in h.detail for h in trial.happenings)
    # And those who are never reached change nothing that happens.
    never = replace(Schedule("test"), others=(OtherAct("pause", Moment("run-called", nth=9)),))
    other = run_trial(never, ReferenceAdapter(), site)
    assert [h.what for h in other.happenings] == [h.what for h in trial.happenings]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "at", "answer"),
    [("run", IN_RUN, 409), ("message-and-run", AFTERWARDS, 200)],
)
def test_over_sockets_it_is_the_same(what: str, at: Moment, answer: int) -> None:
    tried = schedule(what, at, server=ServerTiming(think_ms=400))
    trial = run_trial_in_real_time(tried, ReferenceAdapter())
    assert statuses(trial) == [answer]
    assert runs(trial) == ([False] if answer == 409 else [False, True])
    assert trial.judgement is not None
    assert trial.judgement.verdicts == ("ok",)
