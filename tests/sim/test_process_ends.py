"""A server's process that dies, and one whose disk is full."""

import pytest
from process_rig import run_by, times, trial

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import (
    Caller,
    Moment,
    ProcessEvent,
    Schedule,
    Script,
    ServerTiming,
)
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial

# -- a server that dies


def killed(what, after_ms=0.0, for_ms=1_500.0, **timing):
    event = ProcessEvent("crash", Moment(what, after_ms=after_ms), for_ms)
    return Schedule("test", server=ServerTiming(process=(event,), **timing))


def test_nothing_of_a_server_goes_on_that_has_died():
    ran = run_by("1.58.0", killed("run-started", 50))
    (crashed,) = times(ran, "server", "crashed")
    (restarted,) = times(ran, "server", "restarted")
    assert restarted - crashed == pytest.approx(1.5, abs=0.01)
    down = [h for h in ran.happenings if crashed < h.at_ns / 1e9 < crashed + 1.5]
    assert not [h.what for h in down if h.lane in ("server", "rest")]
    # The run with which it died is never heard of again, but for its recovery.
    assert not times(ran, "server", "run-cleared")


@pytest.mark.parametrize(
    ("version", "status", "calls"),
    [
        ("1.58.0", "error", "RunFailedError"),
        ("1.7.4", "error", "RunFailedError"),
        ("1.7.3", "running", None),
        ("1.7.2", None, "UnreachableError"),
        ("1.21.0", None, "UnreachableError"),
        ("1.22.0", "error", "RunFailedError"),
    ],
)
def test_what_a_release_knows_of_a_run_with_which_it_has_died(version, status, calls):
    ran = run_by(version, killed("run-started", 50))
    (restarted,) = [h for h in ran.happenings if h.what == "restarted"]
    assert restarted.detail["status"] == status
    (call,) = ran.outcome.calls
    if calls is None:
        # Nobody can know better than to wait for it: that is the server's doing.
        assert call.ended == "never"
        assert ran.judgement.verdicts == ("server-stall",)
    else:
        assert call.error.startswith(calls)
        assert ran.judgement.verdicts in (("ok",), ("explained",))


def test_a_run_that_was_accepted_and_forgotten_is_asked_for_again():
    ran = run_by("1.58.0", killed("run-answered", 50, start_ms=500))
    accepted = [h.detail["run"] for h in ran.happenings if h.what == "run-accepted"]
    assert accepted == [1, 2]
    assert ran.outcome.calls[0].ended == "returned"
    assert ran.judgement.verdicts == ("ok",)


def test_a_status_that_no_log_tells_is_asked_for():
    """It was assigned, and so was on the disk, when the server died before its event was."""
    schedule = killed("run-ended", persist_ms=50)
    for version in ("1.10.0", "1.16.1"):
        ran = run_by(version, schedule)
        (restarted,) = [h for h in ran.happenings if h.what == "restarted"]
        assert restarted.detail["status"] == "finished"
        assert ran.outcome.calls[0].ended == "returned"
        assert ran.judgement.verdicts == ("ok",)


def test_whoever_returns_from_a_run_with_which_the_server_died_is_found():
    ran = run_by("1.58.0", killed("run-started", 50), bug="silent-error")
    assert "spurious-error" in ran.judgement.verdicts


def test_a_dead_server_repeats_to_the_byte():
    schedule = killed("run-started", 50)
    assert run_by("1.58.0", schedule).digest == run_by("1.58.0", schedule).digest


class Unrestartable:
    """A server that has no way to be started again."""

    def __init__(self, server):
        self.app, self.aclose = server.app, server.aclose


class UnrestartableAdapter(ReferenceAdapter):
    def serve(self, schedule, trace):
        return Unrestartable(super().serve(schedule, trace))


def test_a_trial_is_void_where_the_server_cannot_be_started_again():
    ran = run_trial(killed("run-started"), UnrestartableAdapter(), UvicornSite())
    assert ran.judgement is None
    assert "cannot be started again" in ran.outcome.void.reason
    assert run_trial(Schedule("test"), UnrestartableAdapter(), UvicornSite()).judgement


# -- a disk that is full


def full(what, after_ms=0.0, for_ms=1_500.0, caller=None, **timing):
    event = ProcessEvent("disk-full", Moment(what, after_ms=after_ms), for_ms)
    timing = ServerTiming(process=(event,), **timing)
    return Schedule("test", server=timing, caller=caller or Caller())


TWICE = Caller(runs=2, between_ms=30_000)


def told(ran, *names, since="disk-filled"):
    """What the server did from then on, in words."""
    happenings = [h for h in ran.happenings if h.lane == "server"]
    first = next(n for n, h in enumerate(happenings) if h.what == since)
    return [
        " ".join([h.what, *(str(h.detail[k]) for k in ("key", "kind", "status") if k in h.detail)])
        for h in happenings[first:]
        if h.what in names
    ]


def test_nothing_is_persisted_while_the_disk_is_full_and_the_trial_repeats():
    ran = run_by("1.58.0", full("run-started", 50))
    (filled,), (freed,) = (times(ran, "server", f"disk-{what}") for what in ("filled", "freed"))
    assert freed - filled == pytest.approx(1.5)
    assert times(ran, "server", "unwritten")
    assert not [at for at in times(ran, "server", "persisted") if filled < at < freed]
    assert ran.digest == run_by("1.58.0", full("run-started", 50)).digest


def test_a_disk_that_is_filled_twice_is_freed_once_at_the_later_end():
    events = [
        ProcessEvent("disk-full", Moment("run-called", after_ms=at_ms), for_ms)
        for at_ms, for_ms in ((10_000, 5_000), (12_000, 1_000), (13_000, 4_000))
    ]
    ran = trial(*events, caller=Caller(settle_s=20))
    filled, (freed,) = (times(ran, "server", f"disk-{what}") for what in ("filled", "freed"))
    assert freed - filled[0] == pytest.approx(7)


def test_a_disk_that_has_space_again_before_anybody_writes_is_noticed_by_nobody():
    ran = run_by("1.58.0", full("run-started", 50, for_ms=100))
    assert not times(ran, "server", "unwritten") + times(ran, "server", "unsaved")
    assert ran.outcome.calls[0].ended == "returned"


ACTION = "unwritten ActionEvent"
STATUS = "unwritten execution_status ConversationStateUpdateEvent"
ERROR = "unwritten ConversationErrorEvent"


@pytest.mark.parametrize(
    ("version", "acts"),
    [
        # Its handler fails at the first thing that it does, and the snapshot tells the status.
        ("1.10.0", [ACTION, "status error", "unsaved", "snapshot error"]),
        # What is to be saved is tried again by whoever has the lock, the snapshot included.
        ("1.24.0", [ACTION, "status error", STATUS, ERROR, "unsaved", "unsaved"]),
        # It trips over the empty file of the action.
        ("1.30.0", [ACTION, "status error", STATUS, "unsaved", "unsaved", "unsaved"]),
        ("1.43.0", [ACTION, "status error", STATUS, "unsaved", ERROR] + ["unsaved"] * 3),
        # There are no empty files any more.
        ("1.58.0", [ACTION, "status error", STATUS, ERROR, "unsaved", ERROR] + ["unsaved"] * 3),
    ],
)
def test_what_a_release_does_that_cannot_write_what_the_agent_does(version, acts):
    ran = run_by(version, full("run-started", 50))
    assert told(ran, "unwritten", "unsaved", "status", "snapshot") == acts


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("1.10.0", "server-stall"),
        ("1.24.0", "server-stall"),
        ("1.25.0", "explained"),
        ("1.30.0", "ok"),
        ("1.58.0", "ok"),
    ],
)
def test_up_to_1_24_a_run_that_cannot_begin_is_left_running(version, verdict):
    """Nobody can know of its end then, and who waits for ever is not blamed. Up to 1.29 nobody can
    read the log either, and who gives up has a reason."""
    ran = run_by(version, full("run-called"))
    assert ran.judgement.verdicts == (verdict,)


@pytest.mark.parametrize(
    ("version", "ended"), [("1.8.1", "returned"), ("1.8.2", "raised"), ("1.31.0", "returned")]
)
def test_a_release_trips_over_the_empty_file_of_an_event(version, ended):
    ran = run_by(version, full("run-started", 50, caller=TWICE))
    first, second = ran.outcome.calls
    assert (first.ended, second.ended) == ("raised", ended)
    assert ran.judgement.verdicts == ("ok",)


def test_what_cannot_be_written_is_answered_500_and_sent_again():
    ran = run_by("1.58.0", full("subscribed", 20))
    answers = [
        h.detail["status"] for h in ran.happenings if (h.lane, h.what) == ("rest", "answer")
    ]
    assert 500 in answers
    assert ran.outcome.calls[0].ended == "returned"
    assert ran.judgement.verdicts == ("ok",)


@pytest.mark.parametrize("version", ["1.45.0", "1.58.0"])
def test_another_client_cannot_pause_while_the_disk_is_full(version):
    """It is told so, and the run goes on or not, as the release does."""
    event = ProcessEvent("disk-full", Moment("persisted", since="run-called"), 100.0)
    timing = ServerTiming(process=(event,))
    ran = run_by(version, Schedule("test", script=Script(outcome="paused"), server=timing))
    assert "unwritten PauseEvent" in told(ran, "unwritten")
    assert ran.outcome.calls[0].ended == "returned"


def test_whoever_takes_silence_for_work_is_found():
    ran = run_by("1.58.0", full("run-started", 50), bug="trusts-silence")
    assert ran.judgement.verdicts == ("hang",)
