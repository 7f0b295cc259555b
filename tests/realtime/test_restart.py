"""A server over real sockets that dies and is started again, in a process that takes its place."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from race_harness.clients import Adapter
from race_harness.clients.beside_another import ServedElsewhere
from race_harness.clients.beside_real import RealServed
from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import (
    Caller,
    Late,
    Moment,
    OtherAct,
    ProcessEvent,
    RestFault,
    Schedule,
    ServerTiming,
)
from race_harness.model.trace import Trace
from race_harness.network.site import UvicornSite
from race_harness.realtime.forked_trial import play_trial
from race_harness.realtime.processes import Parent, fork
from race_harness.realtime.server_host import host
from race_harness.realtime.server_life import STRUCK_EARLY
from race_harness.realtime.server_process import NOT_KEPT
from race_harness.realtime.trial_process import NotPlayed
from race_harness.server import Server
from race_harness.workers.trial import Trial, run_trial, run_trial_in_real_time

CALLER = Caller(pause_ms=0, settle_s=0.1)


def crash(what: Any, after_ms: float = 0.0, for_ms: float = 300.0) -> ProcessEvent:
    return ProcessEvent("crash", Moment(what, after_ms=after_ms), for_ms)


def killed(*events: ProcessEvent, **timing: Any) -> Schedule:
    return Schedule("test", server=ServerTiming(process=events, **timing), caller=CALLER)


MEANWHILE = killed(crash("run-started", 50), think_ms=1_000)


def by(version: str, bug: str = "none") -> ReferenceAdapter:
    adapter = ReferenceAdapter(bug)
    adapter.server_version = version
    return adapter


def told(happenings: Any, what: str) -> list[Any]:
    return [each for each in happenings if each.what == what]


class Telling(ReferenceAdapter):
    """Writes down in which processes its server has been."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        with self._file.open("a") as file:
            print(os.getpid(), os.getcwd(), file=file)
        return super().serve(schedule, trace)

    def processes(self) -> list[tuple[int, Path]]:
        lines = map(str.split, self._file.read_text().splitlines())
        return [(int(pid), Path(home)) for pid, home in lines]


def runs(pid: int) -> bool:
    """What has ended and was not yet waited for does not run."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


# -- verdicts


@pytest.mark.parametrize(
    ("version", "bug", "schedule", "verdicts"),
    [
        ("1.58.0", "none", MEANWHILE, ("ok",)),
        ("1.58.0", "silent-error", MEANWHILE, ("spurious-error",)),
        ("1.58.0", "none", killed(crash("run-answered", 50), start_ms=1_000), ("ok",)),
        ("1.10.0", "none", killed(crash("run-ended", 200), persist_ms=400), ("ok",)),
    ],
    ids=["right", "planted", "before it began", "half told"],
)
@pytest.mark.slow
def test_the_same_schedule_has_the_same_verdict_in_both_worlds(
    version: str, bug: str, schedule: Schedule, verdicts: tuple[str, ...]
) -> None:
    trials = [
        run_trial(schedule, by(version, bug), UvicornSite()),
        run_trial_in_real_time(schedule, by(version, bug)),
    ]
    states = [told(trial.happenings, "restarted")[0].detail for trial in trials]
    assert states[0] == states[1]
    for trial in trials:
        assert trial.judgement is not None
        assert trial.judgement.verdicts == verdicts, trial.judgement.evidence


@pytest.mark.parametrize(
    ("version", "status"),
    [("1.7.2", None), ("1.21.0", None), ("1.7.3", "running")],
    ids=["keeps nothing", "leased", "left running"],
)
@pytest.mark.slow
def test_what_a_release_knows_of_a_run_with_which_it_has_died(
    version: str, status: str | None
) -> None:
    ran = run_trial_in_real_time(MEANWHILE, by(version), limit_s=8)
    (restarted,) = told(ran.happenings, "restarted")
    assert restarted.detail["status"] == status


@pytest.mark.slow
def test_what_was_accepted_and_forgotten_is_a_run_of_its_own_number() -> None:
    ran = run_trial_in_real_time(killed(crash("run-answered", 50), start_ms=1_000), by("1.58.0"))
    assert [each.detail["run"] for each in told(ran.happenings, "run-accepted")] == [1, 2]


def test_what_was_persisted_is_there_again_and_nothing_else() -> None:
    """The run's end was in memory, and with it whoever was told of it."""
    ran = run_trial_in_real_time(MEANWHILE, by("1.58.0"))
    events = [each.detail["event"] for each in told(ran.happenings, "persisted")]
    assert len(events) == len(set(events))
    assert set(ran.outcome.visible_settled) == set(events)
    # Its process ends a run with which another has died, and tells so before it listens.
    names = [each.what for each in ran.happenings]
    assert names.index("crashed") < names.index("run-ended") < names.index("restarted")
    assert not told(ran.happenings, "run-cleared")


def test_nothing_of_a_server_goes_on_that_has_died() -> None:
    ran = run_trial_in_real_time(killed(crash("persisted"), think_ms=0.0), by("1.58.0"))
    crashed, restarted = (told(ran.happenings, each)[0] for each in ("crashed", "restarted"))
    down = range(crashed.at_ns + 1, crashed.at_ns + 300_000_000)
    lanes = {each.lane for each in ran.happenings if each.at_ns in down}
    assert lanes <= {"client", "rest"}
    assert not [each for each in told(ran.happenings, "answer") if each.at_ns in down]
    assert restarted.at_ns >= down.stop


# -- processes


@pytest.mark.slow
def test_another_process_takes_its_place_and_nothing_is_left(tmp_path: Path) -> None:
    adapter = Telling(tmp_path / "told")
    twice = killed(crash("run-started", 50), crash("run-ended", 1_000))
    ran = run_trial_in_real_time(replace(twice, caller=Caller(pause_ms=0, settle_s=3)), adapter)
    assert len(told(ran.happenings, "restarted")) == 2
    processes = adapter.processes()
    assert len({pid for pid, _ in processes}) == 3
    assert len({home for _, home in processes}) == 1
    assert not any(runs(pid) or home.exists() for pid, home in processes)
    assert ran.judgement is not None
    assert ran.judgement.verdicts == ("ok",)


@pytest.mark.slow
def test_a_server_that_is_down_at_the_end_stays_so(tmp_path: Path) -> None:
    adapter = Telling(tmp_path / "told")
    schedule = killed(crash("run-returned", for_ms=60_000), think_ms=50)
    ran = run_trial_in_real_time(schedule, adapter, limit_s=8)
    assert told(ran.happenings, "crashed")
    assert not told(ran.happenings, "restarted")
    ((pid, home),) = adapter.processes()
    assert not runs(pid)
    assert not home.exists()


@pytest.mark.slow
def test_others_find_it_where_it_was() -> None:
    """They come by a port of their own."""
    message = OtherAct("message", Moment("run-ended", after_ms=600))
    schedule = replace(MEANWHILE, others=(message,), caller=Caller(pause_ms=0, settle_s=2))
    ran = run_trial_in_real_time(schedule, by("1.58.0"))
    (answered,) = [each for each in told(ran.happenings, "answered") if each.lane == "other"]
    assert answered.detail["status"] == 200
    assert answered.at_ns > told(ran.happenings, "restarted")[0].at_ns


@contextlib.contextmanager
def hosted(adapter: Adapter) -> Iterator[Adapter]:
    """The client, with that server in processes of a host."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def serve(parent: Parent) -> None:
        ours.close()
        host(adapter, theirs)

    child = fork(serve)
    theirs.close()
    with ours:
        yield ServedElsewhere(ReferenceAdapter(), "1.58.0", ours)
    child.close()


def test_so_it_is_where_a_host_has_forked_them(tmp_path: Path) -> None:
    adapter = Telling(tmp_path / "told")
    with hosted(adapter) as client:
        ran = run_trial_in_real_time(MEANWHILE, client)
    assert ran.judgement is not None
    assert ran.judgement.verdicts == ("ok",)
    processes = adapter.processes()
    assert len({pid for pid, _ in processes}) == 2
    assert not any(runs(pid) or home.exists() for pid, home in processes)


# -- counting goes on


def faults_of(ran: Trial) -> list[tuple[int, int]]:
    """The instants of a trial's faults of REST, and the numbers of their requests."""
    return [(each.at_ns, each.detail["number"]) for each in told(ran.happenings, "fault")]


@pytest.mark.parametrize("since", ["start", "run-called"])
@pytest.mark.slow
def test_the_second_request_of_a_route_is_counted_over_both_processes(since: Any) -> None:
    """The first was asked of the one that has died, and a run is asked for again."""
    fault = RestFault("status", route="run", nth=2, since=since, status=502, acted=False)
    schedule = replace(killed(crash("run-answered", 50), start_ms=1_000), rest=(fault,))
    ran = run_trial_in_real_time(schedule, by("1.58.0"))
    asked = [
        each for each in told(ran.happenings, "request") if each.detail["route"] == "POST run"
    ]
    ((at_ns, number),) = faults_of(ran)
    assert number == asked[1].detail["number"]
    assert at_ns > told(ran.happenings, "restarted")[0].at_ns


@pytest.mark.slow
def test_a_late_append_is_counted_over_both_processes() -> None:
    before = run_trial_in_real_time(MEANWHILE, by("1.58.0")).happenings
    crashed = told(before, "crashed")[0].at_ns
    nth = 1 + sum(each.at_ns < crashed for each in told(before, "persisted"))
    late = replace(MEANWHILE, server=replace(MEANWHILE.server, late=(Late("append", nth, 400),)))
    happenings = run_trial_in_real_time(late, by("1.58.0")).happenings
    (crashed_at,) = told(happenings, "crashed")
    ended, persisted = (
        next(e for e in told(happenings, what) if e.at_ns > crashed_at.at_ns)
        for what in ("run-ended", "persisted")
    )
    assert persisted.at_ns - ended.at_ns >= 400_000_000


# -- no verdict


class Keeping(ReferenceAdapter):
    """Its server is another one in the second process."""

    def __init__(self, second: Any) -> None:
        super().__init__()
        self._second = second

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        server = super().serve(schedule, trace)
        if trace.happenings:
            vars(server)["restart"] = self._second
        return server


async def out_of_paper() -> None:
    raise ValueError("out of paper")


async def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("second", "says"),
    [(out_of_paper, "the server failed:.*out of paper"), (dies, "the server process died")],
)
def test_a_server_that_does_not_start_again_is_no_verdict(second: Any, says: str) -> None:
    with pytest.raises(WorldBroken, match=f"(?s){says}"):
        run_trial_in_real_time(MEANWHILE, Keeping(second))


class Mistaken(ReferenceAdapter):
    """Its server fails once, before it dies."""

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        server = super().serve(schedule, trace)
        app, fails = server.app, [not trace.happenings]

        async def failing(scope: Any, receive: Any, send: Any) -> None:
            assert app is not None
            if fails[0] and scope["path"].endswith("/events/search"):
                fails[0] = False
                raise ValueError("no such thing")
            await app(scope, receive, send)

        vars(server)["app"] = failing
        return server


def test_a_mistake_of_a_server_that_dies_later_is_told_all_the_same() -> None:
    with pytest.raises(WorldBroken, match=r"(?s)the server failed:.*no such thing"):
        run_trial_in_real_time(MEANWHILE, Mistaken())


class Unkept(ReferenceAdapter):
    """Its server can be started again in its own process only."""

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        return Forgetful(super().serve(schedule, trace))


class Forgetful:
    def __init__(self, server: Any) -> None:
        self.app, self.aclose, self.restart = server.app, server.aclose, server.restart


def test_a_trial_is_void_where_no_other_process_can_take_the_server_up() -> None:
    ran = run_trial_in_real_time(MEANWHILE, Unkept())
    assert ran.judgement is None
    assert ran.outcome.void is not None
    assert ran.outcome.void.says == f"not run: {NOT_KEPT}"
    without = run_trial_in_real_time(replace(MEANWHILE, server=ServerTiming()), Unkept())
    assert without.judgement is not None


@pytest.mark.slow
def test_a_trial_is_void_where_it_is_struck_again_while_it_starts() -> None:
    async def slowly() -> None:
        await asyncio.sleep(2)

    freeze = ProcessEvent("freeze", Moment("run-started", after_ms=300), 50.0)
    schedule = killed(crash("run-started", 50, 100.0), freeze)
    with pytest.raises(NotPlayed, match=STRUCK_EARLY):
        play_trial(schedule, Keeping(slowly))


# -- the published server


@pytest.mark.slow
def test_the_real_server_takes_up_what_it_has_on_its_disk() -> None:
    def play(parent: Parent) -> None:
        adapter = RealServed(ReferenceAdapter())
        ran = run_trial_in_real_time(MEANWHILE, adapter)
        assert ran.judgement is not None
        (restarted,) = told(ran.happenings, "restarted")
        ids = {each.detail["event"] for each in told(ran.happenings, "persisted")}
        same = ids == set(ran.outcome.visible_settled)
        parent.line.send((ran.judgement.verdicts, restarted.detail["status"], same))

    child = fork(play)
    try:
        assert child.line.receive() == (("ok",), "error", True)
    finally:
        child.close()


@pytest.mark.slow
def test_the_disk_of_a_real_server_that_may_die_is_full_as_any_other() -> None:
    full = ProcessEvent("disk-full", Moment("run-started"), 1_000.0)

    def play(parent: Parent) -> None:
        schedule = killed(full, crash("run-started", 3_000), think_ms=200)
        ran = run_trial_in_real_time(schedule, RealServed(ReferenceAdapter()), limit_s=8)
        parent.line.send([len(told(ran.happenings, what)) for what in ("crashed", "unsaved")])

    child = fork(play)
    try:
        crashed, unsaved = child.line.receive()
    finally:
        child.close()
    assert unsaved > 0
    assert crashed == 1
