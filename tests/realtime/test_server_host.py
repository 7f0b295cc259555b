"""Server processes that another process has forked: trials are the same, and nothing is left."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from race_harness.clients import Adapter
from race_harness.clients.beside_another import ServedElsewhere
from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import Caller, Moment, ProcessEvent, Schedule, ServerTiming
from race_harness.model.trace import Trace
from race_harness.realtime.forked_trial import play_trial
from race_harness.realtime.processes import Parent, fork
from race_harness.realtime.server_host import host
from race_harness.server import Server
from race_harness.workers.trial import run_trial_in_real_time

SCHEDULE = Schedule(
    "test", server=ServerTiming(think_ms=50), caller=Caller(pause_ms=0, settle_s=0.1)
)


class OfAnotherRelease(ReferenceAdapter):
    """Writes down in which process its server is."""

    def __init__(self, told: Path) -> None:
        super().__init__()
        self.server_version = "1.6.0"
        self._told = told

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        with self._told.open("a") as file:
            print(os.getpid(), os.getcwd(), file=file)
        return super().serve(schedule, trace)


def runs(pid: int) -> bool:
    """What has ended and was not yet waited for does not run."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


@contextlib.contextmanager
def hosted(adapter: Adapter) -> Iterator[tuple[Adapter, int]]:
    """The client, with that server in processes of a host; and the host's number."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def serve(parent: Parent) -> None:
        ours.close()
        parent.line.send(os.getpid())
        host(adapter, theirs)

    child = fork(serve)
    theirs.close()
    try:
        with ours:
            yield ServedElsewhere(ReferenceAdapter(), "1.6.0", ours), child.line.receive()
        child.end(10)
        # Nobody is left who could ask.
        assert child.status == 0
    finally:
        child.close()


def test_trials_are_run_beside_the_host_and_leave_nothing(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with hosted(OfAnotherRelease(told)) as (client, number):
        trials = [run_trial_in_real_time(SCHEDULE, client) for _ in range(2)]
        servers = [line.split() for line in told.read_text().splitlines()]
        assert len({pid for pid, _ in servers}) == 2
        for pid, home in servers:
            assert int(pid) not in (number, os.getpid())
            assert not Path(home).exists()
    for trial in trials:
        assert trial.judgement is not None
        assert trial.judgement.verdicts == ("ok",)
    assert not any(runs(int(pid)) for pid, _ in servers)


def test_the_server_is_the_one_of_the_host(tmp_path: Path) -> None:
    """Up to 1.6 the real server answers a run when it is over, and the client's own would not."""

    def answered_late(client: Adapter) -> bool:
        happenings = play_trial(SCHEDULE, client).happenings
        asked = next(each for each in happenings if each.detail.get("route") == "POST run")
        number = asked.detail["number"]
        whats = [
            (each.what, each.detail.get("number") if each.lane == "rest" else None)
            for each in happenings
        ]
        return whats.index(("run-ended", None)) < whats.index(("answer", number))

    with hosted(OfAnotherRelease(tmp_path / "told")) as (client, _):
        assert answered_late(client)
    assert not answered_late(ReferenceAdapter())


def test_it_stands_still_like_any_other(tmp_path: Path) -> None:
    frozen = ProcessEvent("freeze", Moment("run-started"), for_ms=300)
    schedule = replace(SCHEDULE, server=replace(SCHEDULE.server, process=(frozen,)))
    with hosted(OfAnotherRelease(tmp_path / "told")) as (client, _):
        happenings = play_trial(schedule, client).happenings
    at_ns = {each.what: each.at_ns for each in happenings if each.lane == "server"}
    assert at_ns["thawed"] - at_ns["frozen"] >= 300_000_000
    assert at_ns["run-ended"] > at_ns["thawed"]


def test_a_mistake_of_the_server_is_no_verdict() -> None:
    class Broken(ReferenceAdapter):
        def serve(self, schedule: Schedule, trace: Trace) -> Server:
            raise RuntimeError("out of paper")

    with hosted(Broken()) as (client, _), pytest.raises(WorldBroken, match="out of paper"):
        run_trial_in_real_time(SCHEDULE, client)


def test_without_its_host_there_is_no_trial(tmp_path: Path) -> None:
    with contextlib.suppress(AssertionError), hosted(OfAnotherRelease(tmp_path / "told")) as at:
        client, number = at
        os.kill(number, signal.SIGKILL)
        with pytest.raises(WorldBroken, match="trial process died"):
            run_trial_in_real_time(replace(SCHEDULE, entropy=1), client)
