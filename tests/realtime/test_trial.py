"""Whole trials over real sockets, with the reference client and the fake server."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.errors import WorldBroken
from race_harness.model.limits import work_s
from race_harness.model.outcome import Void
from race_harness.model.schedule import (
    Act,
    Caller,
    Fault,
    Link,
    Moment,
    Network,
    ProcessEvent,
    RestFault,
    Schedule,
    ServerTiming,
)
from race_harness.network.site import UvicornSite
from race_harness.realtime import forked_trial as realtime
from race_harness.realtime.forked_trial import LIMIT_S, _limit_s
from race_harness.realtime.processes import fork
from race_harness.workers.trial import run_trial as simulate
from race_harness.workers.trial import run_trial_in_real_time as run_trial

CALLER = Caller(pause_ms=0, settle_s=0.1)
BENIGN = Schedule("test", server=ServerTiming(think_ms=50), caller=CALLER)


def with_faults(*faults, **more):
    return replace(BENIGN, network=Network(faults=faults), **more)


@pytest.fixture(scope="module")
def site():
    return UvicornSite()


class Telling(ReferenceAdapter):
    """Writes down where its server runs."""

    def __init__(self, told: Path, bug: str = "none"):
        super().__init__(bug)
        self._told = told

    def serve(self, schedule, trace):
        where = {"pid": os.getpid(), "cwd": os.getcwd(), "home": os.environ["HOME"]}
        self._told.write_text(json.dumps(where))
        return super().serve(schedule, trace)

    def told(self):
        return json.loads(self._told.read_text())

    def leaves_nothing(self):
        """Neither the server's process nor its home. Who was killed may take a moment to go."""
        told = self.told()
        until = time.monotonic() + 10
        while runs(told["pid"]) and time.monotonic() < until:
            time.sleep(0.01)
        return not runs(told["pid"]) and not Path(told["cwd"]).exists()


def runs(pid):
    """What has ended and was not yet waited for by whom it was left to does not run."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


# -- verdicts


@pytest.mark.parametrize(
    ("bug", "schedule", "verdicts"),
    [
        ("none", BENIGN, {"ok"}),
        ("none", with_faults(Fault("reset", Moment("run-started"))), {"ok"}),
        (
            "idle-poll",
            replace(
                BENIGN, server=ServerTiming(start_ms=600), caller=replace(CALLER, settle_s=1.2)
            ),
            {"early"},
        ),
        ("idle-poll", BENIGN, {"ok"}),
        (
            "deaf",
            with_faults(Fault("close", Moment("run-called"), code=1012)),
            {"lost"},
        ),
        ("deaf", replace(BENIGN, server=ServerTiming(think_ms=300)), {"ok"}),
    ],
    ids=["right", "reset", "planted", "planted, near", "closed", "closed, not"],
)
@pytest.mark.slow
def test_the_same_schedule_has_the_same_verdict_in_both_worlds(site, bug, schedule, verdicts):
    adapter = ReferenceAdapter(bug)
    real, simulated = run_trial(schedule, adapter), simulate(schedule, adapter, site)
    assert set(real.judgement.verdicts) == verdicts, real.judgement.evidence
    assert set(simulated.judgement.verdicts) == verdicts
    assert real.stacks == {}


def test_happenings_are_in_the_order_of_their_time_and_told_of_both_processes():
    trial = run_trial(BENIGN, ReferenceAdapter())
    times = [happening.at_ns for happening in trial.happenings]
    assert times == sorted(times)
    assert {happening.lane for happening in trial.happenings} == {
        "client",
        "rest",
        "server",
        "socket",
    }
    assert trial.happenings[-1].what == "close-returned"
    result = trial.result(7)
    assert result.index == 7
    assert result.passed
    assert 0.05 < result.virtual_s < trial.wall_ms / 1e3


def test_a_client_that_cannot_connect_makes_the_trial_void():
    class Unable(ReferenceAdapter):
        def connect(self, url, on_event):
            raise OSError("no network")

    trial = run_trial(BENIGN, Unable())
    assert trial.outcome.void == Void("unreached", "OSError: no network")
    assert trial.judgement is None


# -- moments


def test_what_the_caller_does_at_a_moment_of_the_server():
    act = Act("send-message", Moment("run-started", after_ms=20))
    schedule = replace(
        BENIGN, server=ServerTiming(think_ms=300), caller=replace(CALLER, acts=(act,))
    )
    trial = run_trial(schedule, ReferenceAdapter())
    names = [happening.what for happening in trial.happenings]
    at = names.index("act-called", names.index("run-called"))
    assert names.index("run-started") < at < names.index("run-ended")
    started, acted = trial.happenings[names.index("run-started")], trial.happenings[at]
    assert acted.at_ns >= started.at_ns + 20_000_000


def test_the_server_knows_from_which_request_on_to_count():
    fault = RestFault("status", route="run", since="run-called", status=502, acted=False)
    trial = run_trial(replace(BENIGN, rest=(fault,)), ReferenceAdapter())
    (told,) = [happening for happening in trial.happenings if happening.what == "fault"]
    (called,) = [happening for happening in trial.happenings if happening.what == "run-called"]
    runs = [h for h in trial.happenings if h.detail.get("route") == "POST run"]
    assert told.at_ns > called.at_ns
    assert told.detail["number"] == runs[0].detail["number"]
    assert len(runs) == 2
    assert trial.judgement.verdicts == ("ok",)


# -- processes


def test_the_server_has_a_home_of_its_own_for_as_long_as_the_trial(tmp_path):
    adapter = Telling(tmp_path / "told")
    here = os.getcwd(), os.environ["HOME"]
    run_trial(BENIGN, adapter)
    told = adapter.told()
    assert told["home"] == told["cwd"] != here[0]
    assert told["pid"] != os.getpid()
    assert adapter.leaves_nothing()
    assert (os.getcwd(), os.environ["HOME"]) == here


def test_a_client_that_hangs_is_ended_at_the_limit_and_its_stacks_are_told(tmp_path):
    adapter = Telling(tmp_path / "told", "endless")
    trial = run_trial(BENIGN, adapter, limit_s=1.5)
    assert trial.judgement.verdicts == ("hang",)
    assert trial.outcome.stopped == "wall-time limit: 1.5 s"
    waiting = [stack for stack in trial.stacks.values() if "_stays" in stack]
    assert len(waiting) == 1
    assert any("MainThread" in name for name in trial.stacks)
    assert adapter.leaves_nothing()


def test_a_worker_that_is_killed_leaves_nothing(tmp_path):
    adapter = Telling(tmp_path / "told", "endless")

    def work(parent):
        parent.line.send("begun")
        run_trial(BENIGN, adapter)

    worker = fork(work)
    assert worker.line.receive() == "begun"
    until = time.monotonic() + 10
    while not (tmp_path / "told").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(worker._pid, signal.SIGKILL)
    # The line ends when neither the worker nor anything that it forked has it any more.
    assert worker.line.waits(10)
    with pytest.raises(EOFError):
        worker.line.receive()
    assert adapter.leaves_nothing()
    worker.close()


def test_several_workers_at_once():
    workers = [
        fork(lambda parent: parent.line.send(run_trial(BENIGN, ReferenceAdapter()).judgement))
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.line.receive().verdicts == ("ok",)
        worker.close()


# -- no verdict


class Broken(ReferenceAdapter):
    """Its server has something wrong."""

    def __init__(self, what: str):
        super().__init__()
        self._what = what

    def serve(self, schedule, trace):
        if self._what == "serve":
            raise ValueError("no such thing")
        server = super().serve(schedule, trace)
        return BrokenServer(server, self._what)


class BrokenServer:
    def __init__(self, server, what):
        self._server = server
        self._what = what

    async def app(self, scope, receive, send):
        if scope.get("path", "").endswith("/events/search"):
            if self._what == "death":
                os._exit(3)
            if self._what == "handler":
                # Once is enough, though the client makes up for it.
                self._what = "nothing"
                raise ValueError("no such thing")
        await self._server.app(scope, receive, send)

    async def aclose(self):
        await self._server.aclose()
        if self._what == "aclose":
            raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("serve", "the server failed:.*no such thing"),
        ("handler", "the server failed:.*no such thing"),
        ("aclose", "the server failed:.*no such thing"),
        ("death", "the server process died"),
    ],
)
def test_a_server_that_fails_breaks_the_world(what, says):
    with pytest.raises(WorldBroken, match=f"(?s){says}"):
        run_trial(BENIGN, Broken(what))


def test_a_trial_process_that_dies_breaks_the_world():
    class Deadly(ReferenceAdapter):
        def connect(self, url, on_event):
            os._exit(5)

    with pytest.raises(WorldBroken, match="the trial process died"):
        run_trial(BENIGN, Deadly())


def test_a_trial_process_that_stands_still_is_ended_from_outside(tmp_path, monkeypatch):
    class Stopped(Telling):
        def connect(self, url, on_event):
            os.kill(os.getpid(), signal.SIGSTOP)

    # Nothing but the limit is waited for.
    for patience in ("START_S", "STOP_S", "_PATIENCE_S"):
        monkeypatch.setattr(realtime, patience, 0.0)
    adapter = Stopped(tmp_path / "told")
    with pytest.raises(WorldBroken, match="does not end"):
        run_trial(BENIGN, adapter, limit_s=1.0)
    assert adapter.leaves_nothing()


# -- the limit


def test_what_the_schedule_itself_takes_comes_on_top_of_the_limit():
    assert _limit_s(Schedule("x")) == pytest.approx(LIMIT_S + 10 + work_s(Schedule("x")), abs=1)
    slow = Schedule(
        "x",
        server=ServerTiming(think_ms=60_000),
        network=Network(socket=Link(5_000)),
        rest=(RestFault("timeout", times=2),),
    )
    assert _limit_s(slow) >= LIMIT_S + 10 + 60 + 5 + 60


def test_the_process_of_the_server_stands_still_and_goes_on():
    event = ProcessEvent("freeze", Moment("run-started", after_ms=20), 700)
    timing = ServerTiming(think_ms=100, process=(event,))
    trial = run_trial(replace(BENIGN, server=timing), ReferenceAdapter())
    (frozen,) = [h.at_ns for h in trial.happenings if h.what == "frozen"]
    (thawed,) = [h.at_ns for h in trial.happenings if h.what == "thawed"]
    assert thawed - frozen >= 600_000_000
    # A little after it was told: the signal is sent then.
    still = range(frozen + 100_000_000, thawed)
    assert not [
        h for h in trial.happenings if h.lane == "rest" and h.what == "answer" and h.at_ns in still
    ]
    assert [h for h in trial.happenings if h.what == "run-ended" and h.at_ns > thawed]
    assert trial.judgement.verdicts == ("ok",)


def test_the_server_process_hears_that_its_clock_is_set():
    """A client that asks for what is newer than what it has never gets what comes later."""
    event = ProcessEvent("clock-step", Moment("run-started", after_ms=20), by_ms=-60_000)
    timing = ServerTiming(think_ms=100, process=(event,))
    stepped = replace(BENIGN, server=timing)
    trial = run_trial(stepped, ReferenceAdapter())
    assert [h.detail for h in trial.happenings if h.what == "clock-stepped"] == [
        {"by_ms": -60_000.0}
    ]
    assert trial.judgement.verdicts == ("ok",)
    wrong = run_trial(stepped, ReferenceAdapter("since-newest"), limit_s=2)
    assert "hang" in wrong.judgement.verdicts


def test_the_server_process_hears_that_its_disk_is_full():
    event = ProcessEvent("disk-full", Moment("run-started", after_ms=20), 2_000)
    timing = ServerTiming(think_ms=500, process=(event,))
    trial = run_trial(
        replace(BENIGN, server=timing), ReferenceAdapter("trusts-silence"), limit_s=5
    )
    assert [h.detail["kind"] for h in trial.happenings if h.what == "unwritten"]
    assert trial.judgement.verdicts == ("hang",)


def test_a_server_that_still_stands_still_at_the_end_is_ended_in_order():
    event = ProcessEvent("freeze", Moment("run-returned"), 60_000)
    timing = ServerTiming(think_ms=50, process=(event,))
    began = time.monotonic()
    trial = run_trial(replace(BENIGN, server=timing), ReferenceAdapter(), limit_s=4)
    assert trial.outcome.stopped == "wall-time limit: 4 s"
    assert time.monotonic() - began < 30
