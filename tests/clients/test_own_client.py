"""A client with a protocol, a server and an adapter of its own: nothing here is of OpenHands."""

import asyncio
import contextlib
import re
import subprocess
import sys
from pathlib import Path

import async_client
import own_client
import pytest
import requests_client

from race_harness.clients import may_start_processes
from race_harness.clients.undisturbed import UndisturbedAdapter
from race_harness.conformance.capture import CapturingAdapter
from race_harness.model.errors import WorldBroken
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
)
from race_harness.network.site import UvicornSite
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.sim import children
from race_harness.workers.trial import run_trial

REPS = 200
SITE = UvicornSite()
BENIGN = Schedule("test")
SLOW_SOCKET = Schedule("test", network=Network(socket=Link(latency_ms=500)))

RIGHT = {
    "threads": own_client.Right(),
    "httpx.AsyncClient": async_client.Http,
    "asyncio.open_connection": async_client.Plain,
    "requests and websocket-client": requests_client.Right(),
}
RACY = {
    "threads": own_client.Racy(),
    "httpx.AsyncClient": async_client.RacyHttp,
    "requests and websocket-client": requests_client.Racy(),
}


def drawn(scenario, reps):
    return list(draw_schedules(library.load(scenario), 0, reps))


def verdicts_of(adapter, schedules):
    trials = [run_trial(schedule, adapter, SITE) for schedule in schedules]
    return [trial.judgement.verdicts for trial in trials]


@pytest.mark.parametrize("scenario", ["clean", "final-events"])
def test_the_right_client_is_let_pass(scenario):
    assert set(verdicts_of(own_client.Right(), drawn(scenario, REPS))) == {("ok",)}


@pytest.mark.parametrize(
    "scenario",
    [
        "final-events",
        "cut-at-run",
        "failed-by-poll",
        "half-open",
        "message-during-run",
        "socket-rejected",
        "stale-status",
        "strict-server",
    ],
)
@pytest.mark.parametrize("adapter", RIGHT.values(), ids=list(RIGHT))
def test_so_it_is_in_other_scenarios_and_with_other_libraries(adapter, scenario):
    assert set(verdicts_of(adapter, drawn(scenario, 8))) == {("ok",)}


@pytest.mark.parametrize("adapter", RACY.values(), ids=list(RACY))
def test_the_race_is_caught(adapter):
    found = verdicts_of(adapter, drawn("final-events", 50))
    assert set(found) == {("ok",), ("late",)}
    assert 10 < found.count(("late",)) < 40


@pytest.mark.parametrize("adapter", RACY.values(), ids=list(RACY))
def test_without_a_hazard_it_stays_hidden(adapter):
    assert set(verdicts_of(adapter, drawn("clean", 50))) == {("ok",)}


def test_the_evidence_is_in_the_servers_own_words():
    trial = run_trial(SLOW_SOCKET, own_client.Racy(), SITE)
    (late,) = trial.judgement.evidence
    assert [(event["id"], event["kind"]) for event in late.events][-1] == ("line-2", "Result")
    for event in late.events:
        assert event["persisted_ms"] < event["published_ms"] < event["delivered_ms"]
        assert event["delivered_ms"] - event["published_ms"] == pytest.approx(500)


@pytest.mark.parametrize("adapter", RIGHT.values(), ids=list(RIGHT))
def test_a_failed_run_has_to_be_raised(adapter):
    schedule = Schedule("test", script=Script(outcome="error"))
    trial = run_trial(schedule, adapter, SITE)
    assert trial.outcome.calls[0].ended == "raised"
    assert trial.judgement.verdicts == ("ok",)


def test_one_that_hides_a_failed_run_is_caught():
    class Cheerful(own_client.JobClient):
        def run(self, **options):
            with contextlib.suppress(RuntimeError):
                super().run(**options)

    class Adapter(own_client.Right):
        def connect(self, url, on_event):
            return Cheerful(url, on_event, False)

    schedule = Schedule("test", script=Script(outcome="error"))
    assert run_trial(schedule, Adapter(), SITE).judgement.verdicts == ("spurious-error",)


@pytest.mark.parametrize("adapter", RIGHT.values(), ids=list(RIGHT))
@pytest.mark.parametrize("seed", [None, 3])
def test_trials_repeat_to_the_byte(adapter, seed):
    schedule = Schedule(
        "test",
        script=Script(tool_calls=2),
        network=Network(rest=Link(2, 20), socket=Link(2, 20)),
        interleaving=Interleaving(seed),
    )
    run_trial(schedule, adapter, SITE)  # imports and caches
    assert len({run_trial(schedule, adapter, SITE).digest for _ in range(3)}) == 1


def test_two_processes_and_hash_seeds_agree():
    script = """
import async_client, own_client
from race_harness.model.schedule import Schedule
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial
site = UvicornSite()
for adapter in (own_client.Right(), async_client.Http, async_client.Plain):
    run_trial(Schedule("test"), adapter, site)
    print(run_trial(Schedule("test"), adapter, site).digest)
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(said[0].split()) == 3


def test_a_pooled_connection_is_used_again():
    """httpx asks the socket of an idle connection whether the server has hung up."""
    trial = run_trial(BENIGN, async_client.Http, SITE)
    requests = [entry for entry in trial.happenings if entry.what == "request"]
    assert len(requests) > 4
    assert {entry.detail["peer"] for entry in requests} == {50_001}


@pytest.mark.parametrize("adapter", [own_client.Right(), async_client.Http])
def test_faults_strike_at_moments_of_its_own_server(adapter):
    """The dialect knows which request is the run, whatever it is called."""
    fault = Fault("reset", Moment("run-answered"), link="socket")
    trial = run_trial(Schedule("test", network=Network(faults=(fault,))), adapter, SITE)
    what = [(entry.lane, entry.what) for entry in trial.happenings]
    answered = what.index(("network", "fault")) - 1
    assert trial.happenings[answered].what == "answer"
    assert trial.judgement.verdicts == ("ok",)


@pytest.mark.parametrize("action", ["status", "truncate", "timeout"])
def test_single_answers_are_spoiled_as_those_of_any_server(action):
    schedule = Schedule("test", rest=(RestFault(action, route="events"),))
    trial = run_trial(schedule, own_client.Right(), SITE)
    (fault,) = [
        entry for entry in trial.happenings if (entry.lane, entry.what) == ("rest", "fault")
    ]
    assert fault.detail["action"] == action
    assert trial.outcome.calls[0].ended == "raised"
    assert trial.judgement.verdicts == ("explained",), "it could not know better"


@pytest.mark.parametrize(
    ("caller", "what"),
    [
        (Caller(timeout_s=5), "run"),
        (Caller(blocking=False), "run"),
        (Caller(acts=(Act("pause"),)), "pause"),
        (Caller(acts=(Act("interrupt"),)), "interrupt"),
    ],
)
def test_what_a_client_cannot_do_is_no_failure_of_it(caller, what):
    trial = run_trial(Schedule("test", caller=caller), own_client.Right(), SITE)
    assert trial.judgement is None
    void = trial.result(0).void
    assert void.kind == "unfit"
    assert void.reason.startswith(f"{what}() of 1.0: NotImplementedError")


def test_it_may_run_again_and_meanwhile():
    caller = Caller(runs=3, acts=(Act("send-message"),))
    trial = run_trial(Schedule("test", caller=caller), own_client.Right(), SITE)
    assert trial.judgement.verdicts == ("ok",)
    assert [call.ended for call in trial.outcome.calls] == ["returned"] * 3


def test_polls_tell_their_status():
    trial = run_trial(BENIGN, own_client.Right(), SITE)
    polled = [
        entry.detail["execution_status"]
        for entry in trial.happenings
        if entry.what == "answer" and "execution_status" in entry.detail
    ]
    assert polled[0] == "working"
    assert polled[-1] == "finished"


def test_a_server_in_threads_of_its_own_is_heard_like_any_other():
    trial = run_trial(BENIGN, requests_client.Right(), SITE)
    routes = [entry.detail["route"] for entry in trial.happenings if entry.what == "request"]
    assert routes[:3] == ["POST events", "POST run", "GET conversation"]
    assert routes[-1] == "GET /notes"
    told = {entry.detail.get("execution_status") for entry in trial.happenings}
    assert {"working", "finished"} <= told
    sent, delivered = (
        [entry.detail["event"] for entry in trial.happenings if entry.what == what]
        for what in ("frame-sent", "frame-delivered")
    )
    persisted = [entry.detail["event"] for entry in trial.happenings if entry.what == "persisted"]
    assert sent == delivered == persisted


@pytest.mark.parametrize("broken", ["route", "execution_status", "frame"])
def test_a_dialect_that_fails_is_named(broken):
    class Broken(own_client.JobDialect):
        pass

    def fail(*_):
        raise LookupError("of ours")

    setattr(Broken, broken, fail)
    fail.__name__ = broken
    adapter = own_client.Right()
    adapter.dialect = Broken()
    adapter.serve = lambda schedule, trace: own_client.JobServer(schedule, trace)
    with pytest.raises(WorldBroken, match=rf"Broken\.{broken} failed: LookupError: of ours"):
        run_trial(BENIGN, adapter, SITE)


def test_requests_have_the_names_of_the_schedule():
    trial = run_trial(BENIGN, own_client.Right(), SITE)
    routes = [entry.detail["route"] for entry in trial.happenings if entry.what == "request"]
    assert routes[:4] == ["POST /jobs", "POST events", "POST run", "GET conversation"]
    assert routes[-1] == "GET events/search"


def test_what_a_client_cannot_do_says_so():
    client = own_client.JobClient.__new__(own_client.JobClient)
    for method in (client.pause, client.interrupt, lambda: client.run(blocking=False)):
        with pytest.raises(NotImplementedError):
            method()


def test_events_are_counted_by_what_is_visible():
    client = own_client.JobClient.__new__(own_client.JobClient)
    client._lines = ["line-1", "line-2"]
    assert client.count() == 2


class BrokenHandler(own_client.JobServer):
    async def _tell_state(self, request):
        raise LookupError("no such job")


class BrokenRun(own_client.JobServer):
    async def _work(self, run):
        await super()._work(run)
        raise LookupError("no such run")


class BrokenStream(own_client.JobServer):
    async def _stream(self, socket):
        await socket.accept()
        raise LookupError("no such stream")


@pytest.mark.parametrize("server", [BrokenHandler, BrokenRun, BrokenStream])
def test_a_server_that_breaks_is_not_blamed_on_the_client(server):
    class Adapter(own_client.Right):
        def serve(self, schedule, trace):
            return server(schedule, trace)

    with pytest.raises(WorldBroken, match=r"(?s)the server failed:.*LookupError: no such"):
        run_trial(BENIGN, Adapter(), SITE)


def test_a_client_that_leaves_breaks_no_server():
    """The server writes to a socket that has gone, in the middle of the log."""

    class Leaving(own_client.JobClient):
        async def _listen(self, url):
            reader, writer = await asyncio.open_connection("127.0.0.1", 8000)
            writer.write(
                b"GET /jobs/1/stream HTTP/1.1\r\nHost: jobs\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await reader.readline()
            writer.transport.abort()

    class Adapter(own_client.Right):
        def connect(self, url, on_event):
            return Leaving(url, on_event, False)

    schedule = Schedule("test", caller=Caller(pause_ms=500))
    assert run_trial(schedule, Adapter(), SITE).judgement.verdicts == ("ok",)


def test_threads_switch_at_lines_of_its_source():
    class Adapter(own_client.Right):
        source = (own_client.__name__,)

    schedule = Schedule("test", interleaving=Interleaving(seed=3, at_lines=True))
    run_trial(schedule, Adapter(), SITE)
    one, again = (run_trial(schedule, Adapter(), SITE) for _ in range(2))
    assert one.digest == again.digest
    assert one.digest != run_trial(schedule, own_client.Right(), SITE).digest, "it names none"
    assert one.judgement.verdicts == ("ok",)


class Asking(own_client.JobClient):
    """Starts a process whenever it sends a message."""

    def send_message(self, text):
        words = [sys.executable, "-c", f"print({text!r})"]
        super().send_message(subprocess.run(words, capture_output=True, check=True).stdout)


class WithProcesses(own_client.Right):
    child_processes = True

    def connect(self, url, on_event):
        return Asking(url, on_event, False)


def test_it_may_start_processes_if_it_says_so():
    without = WithProcesses()
    without.child_processes = False
    with pytest.raises(WorldBroken, match="starting a process"):
        run_trial(BENIGN, without, SITE)
    found = [run_trial(BENIGN, WithProcesses(), SITE) for _ in range(3)]
    assert [trial.judgement.verdicts for trial in found] == [("ok",)] * 3
    assert len({trial.digest for trial in found}) == 1


@pytest.mark.parametrize("seconds", ["0.1", "60"])
def test_a_trial_that_ends_beside_a_silent_child_has_no_verdict(seconds, monkeypatch):
    """Virtual time had passed, and nobody knows what it would have said."""
    monkeypatch.setattr(children, "PATIENCE_S", 0.5)

    class Building(own_client.JobClient):
        def run(self, **options):
            subprocess.run(["sleep", seconds], capture_output=True, check=True)
            super().run(**options)

    class Adapter(WithProcesses):
        def connect(self, url, on_event):
            return Building(url, on_event, False)

    if seconds == "0.1":
        assert run_trial(BENIGN, Adapter(), SITE).judgement.verdicts == ("ok",)
    else:
        with pytest.raises(WorldBroken, match=r"a child process said nothing .* no verdict"):
            run_trial(BENIGN, Adapter(), SITE)


@pytest.mark.parametrize("leave", [True, False])
def test_those_who_stand_before_an_adapter_keep_its_leave(leave):
    adapter = WithProcesses()
    adapter.child_processes = leave
    for wrapped in (CapturingAdapter(adapter), UndisturbedAdapter(adapter, lambda: None)):
        assert may_start_processes(wrapped) is leave


def test_it_is_short_and_imports_no_openhands():
    text = Path(own_client.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 165
    assert "openhands" not in text


DOC = Path(__file__).parents[2] / "docs" / "how-to" / "own-client.md"


def test_the_page_shows_the_file_whole():
    page = DOC.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)\n```", page, re.DOTALL)
    text = Path(own_client.__file__).read_text(encoding="utf-8")
    assert "\n\n\n".join(blocks) + "\n" == text
    (part,) = re.findall(r"```py\n(.*?)\n```", page, re.DOTALL)
    assert part in Path(requests_client.__file__).read_text(encoding="utf-8")


def test_the_page_lists_what_has_to_be_told():
    page = DOC.read_text(encoding="utf-8")
    listed = set(re.findall(r'`\("(\w+)", "([\w-]+)"', page))
    trial = run_trial(BENIGN, own_client.Right(), SITE)
    told = {
        (entry.lane, entry.what)
        for entry in trial.happenings
        if entry.lane in ("server", "socket") and not entry.what.startswith("frame-")
    }
    assert told == listed - {("server", "run-refused")}
