"""The worker: imports the client once, then runs the trials it is sent.

It runs in the client's environment, where only the trial core's few dependencies are sure to be.
After the slow import and a warm-up it forks one process per job, before which no thread is left.
Each job speaks `workers.protocol` over a socket of its own.
"""

import contextlib
import gc
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from race_harness.clients import Adapter, own_clients, source_of
from race_harness.conformance.capture import CapturingAdapter
from race_harness.conformance.shapes import Bodies
from race_harness.model.combination import SIM_FAKE, Combination, unavailable
from race_harness.model.errors import ClientUnavailable, HarnessError, with_its_stack
from race_harness.model.evidence import Cause
from race_harness.model.schedule import Interleaving, Schedule, Script
from race_harness.model.source_line import Line, SourceLine
from race_harness.model.verdict import TrialResult
from race_harness.network.site import UvicornSite
from race_harness.server.missing import missing
from race_harness.server.profile import Profile
from race_harness.sim import source
from race_harness.sim.watchdog import Watchdog
from race_harness.sim.world import LIMIT_S
from race_harness.workers.affinity import OneCore
from race_harness.workers.protocol import (
    Answer,
    ListLines,
    Ready,
    RunTrial,
    SourceLines,
    TrialDone,
    Trouble,
    Whole,
    WholeTrial,
    encode,
    request_of,
)
from race_harness.workers.repeating import RepeatingBench, collected
from race_harness.workers.selection import Selection
from race_harness.workers.trial import Trial, not_run, run_trial, run_trial_in_real_time

COLLECT_EVERY = 10
"""Trials between two garbage collections: asyncio leaves cycles, and none runs inside a trial."""


def main(arguments: list[str]) -> None:
    """Arguments: adapter, world, server, and the interpreter of that server, or nothing if it is
    this one; then the descriptor of each job's socket."""
    adapter_name, world, server, server_python, *descriptors = arguments
    connections = [Connection(int(descriptor)) for descriptor in descriptors]

    def tell_all(trouble: Trouble) -> None:
        for connection in connections:
            _send(connection, trouble)

    watchdog = Watchdog(lambda report: tell_all(Trouble(report)))
    watchdog.start()

    def serve(bench: AnyBench) -> None:
        watchdog.stop()
        children = [_fork_job(connections, mine, bench) for mine in connections]
        for connection in connections:
            connection.close()
        for child in children:
            os.waitpid(child, 0)

    try:
        tests = Selection.from_adapter(adapter_name)
        if tests is None:
            serve(prepare(adapter_name, Combination.of(world, server), server_python))
        else:
            collected(tests, serve, world)
    except Exception as error:
        tell_all(_trouble(error))
        sys.exit(1)


class AnyBench(Protocol):
    """Runs the trials of one process, one after another."""

    @property
    def combination(self) -> Combination: ...

    def ready(self) -> Ready: ...

    def run(self, schedule: Schedule) -> Trial: ...

    def source_lines(self) -> tuple[Line, ...]: ...

    def source_places(self) -> tuple[SourceLine, ...]: ...


@dataclass
class TrialBench:
    """The bench for clients of one kind."""

    adapter: Adapter
    combination: Combination
    site: UvicornSite
    profile: Profile | None = None
    """That of the agent server, if the server is one."""
    limit_s: float = LIMIT_S
    """As in `run_trial`."""

    def ready(self) -> Ready:
        return Ready(self.adapter.version, _server_version(self.adapter))

    def source_lines(self) -> tuple[Line, ...]:
        return tuple(source.lines(source_of(self.adapter)))

    def source_places(self) -> tuple[SourceLine, ...]:
        return tuple(source.places(source_of(self.adapter)))

    def run(self, schedule: Schedule) -> Trial:
        """Run one trial; it is void where the combination, or the release, cannot run it.

        Raises:
            WorldBroken: the trial escaped its world.
        """
        world, server = self.combination.world, self.combination.server
        reasons = unavailable(schedule, world, server)
        if self.profile is not None:
            reasons += missing(schedule, self.profile)
        if reasons:
            return not_run(schedule, reasons)
        if self.combination.in_real_time:
            return run_trial_in_real_time(schedule, self.adapter)
        return run_trial(schedule, self.adapter, self.site, self.limit_s)


def prepare(
    adapter_name: str, combination: Combination = SIM_FAKE, server_python: str = ""
) -> TrialBench:
    """Import the client, and its server, and warm everything up, once a process.

    `server_python`: the interpreter that runs the server, if it is a different one.
    """
    _quieten()
    adapter: Adapter
    if server_python:
        from race_harness.workers.hosting import hosted

        adapter = hosted(_adapter(adapter_name), Path(server_python))
    elif combination.server == "real":
        from race_harness.clients.beside_real import RealServed
        from race_harness.server.real import home

        # Client and server share their SDK, which looks for a home when it is imported.
        home.settle()
        adapter = RealServed(_adapter(adapter_name))
    elif combination.release:
        from race_harness.clients.beside_another import ServedByAnother

        adapter = ServedByAnother(_adapter(adapter_name), combination.release)
    else:
        adapter = _adapter(adapter_name)
    own = combination.server == "own"
    profile = None if own else Profile.of(_server_version(adapter))
    bench = TrialBench(adapter, combination, UvicornSite(), profile)
    if not combination.in_real_time:
        _warm_up(bench)
    # All objects made so far stay: later collections look at the trials' own objects only.
    gc.collect()
    gc.freeze()
    if not combination.in_real_time:
        gc.disable()
    return bench


def run_trials(bench: AnyBench, schedules: Iterable[Schedule], job: int = 0) -> Iterator[Trial]:
    """Run a trial of each schedule, on one core, collecting garbage in between now and then.

    `job` is the number of the core to begin with. In real time a trial's threads and processes run
    at once, on any core.

    Raises:
        WorldBroken: a trial escaped its world.
    """
    if bench.combination.in_real_time:
        yield from map(bench.run, schedules)
        return
    core, busy_s = OneCore(job), 0.0
    for number, schedule in enumerate(schedules):
        if number % COLLECT_EVERY == 0:
            gc.collect()
            core.settle(busy_s)
            busy_s = 0.0
        trial = bench.run(schedule)
        busy_s += trial.wall_ms / 1e3
        yield trial


def _fork_job(connections: list[Connection], mine: Connection, bench: AnyBench) -> int:
    child = os.fork()
    if child:
        return child
    try:
        for connection in connections:
            if connection is not mine:
                connection.close()
        # Jobs of one worker begin on different cores, and separate workers anywhere.
        _work(mine, bench, job=os.getppid() + connections.index(mine))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    # Not sys.exit: that would run the parent's exit handlers a second time.
    os._exit(0)


def _work(connection: Connection, bench: AnyBench, job: int) -> None:
    _send(connection, bench.ready())
    adapter = None
    if isinstance(bench, TrialBench):
        adapter = CapturingAdapter(bench.adapter)
        bench = replace(bench, adapter=adapter)
        # Forked trials are limited by their world, and a process that forks must have no thread.
        if not bench.combination.in_real_time:
            Watchdog(lambda report: _send(connection, Trouble(report))).start()
    asked: RunTrial
    told: set[tuple[str, Cause]] = set()

    def requested() -> Iterator[Schedule]:
        nonlocal asked
        with contextlib.suppress(EOFError):
            while True:
                request = request_of(connection.recv_bytes())
                if isinstance(request, ListLines):
                    places = bench.source_places() if request.placed else ()
                    _send(connection, SourceLines(bench.source_lines(), places))
                    continue
                asked = request
                if isinstance(bench, RepeatingBench):
                    bench.logs_lines = asked.whole == "lines"
                if isinstance(bench, TrialBench):
                    bench.limit_s = asked.limit_s or LIMIT_S
                if adapter is not None:
                    adapter.bodies = Bodies() if asked.whole == "bodies" else None
                yield asked.schedule

    try:
        for trial in run_trials(bench, requested(), job):
            result = trial.result(asked.index)
            whole = _wanted(asked.whole, trial, result, told)
            seen = None if adapter is None else adapter.bodies
            bodies = None if seen is None else seen.to_dict()
            _send(connection, TrialDone(result, whole, bodies))
    except HarnessError as error:
        _send(connection, _trouble(error))


def _wanted(
    whole: Whole, trial: Trial, result: TrialResult, told: set[tuple[str, Cause]]
) -> WholeTrial | None:
    """What to send of a trial beside its result; `told` holds the scenarios and causes sent so
    far."""
    if whole in ("all", "lines", "bodies"):
        return _whole(trial)
    if whole is None or trial.judgement is None or result.passes(strict=whole == "not-ok"):
        return None
    if whole in ("new", "causes"):
        news = (trial.schedule.scenario, trial.judgement.cause)
        if news in told:
            known = replace(_whole(trial), happenings=(), stacks={})
            return known if whole == "causes" else None
        told.add(news)
    return _whole(trial)


def _server_version(adapter: Adapter) -> str:
    return str(getattr(adapter, "server_version", ""))


def _whole(trial: Trial) -> WholeTrial:
    judgement = trial.judgement
    return WholeTrial(
        happenings=tuple(happening.to_dict() for happening in trial.happenings),
        evidence=judgement.evidence if judgement else (),
        notes=judgement.notes if judgement else (),
        stacks=trial.stacks,
    )


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, HarnessError):
        return Trouble(str(error), error.exit_code)
    return Trouble(with_its_stack(error))


def _send(connection: Connection, answer: Answer) -> None:
    connection.send_bytes(encode(answer))


def _adapter(name: str) -> Adapter:
    if name == "openhands":
        return _openhands()
    if own := own_clients.split(name):
        return own_clients.load(*own)
    from race_harness.clients.reference import ReferenceAdapter

    return ReferenceAdapter.named(name)


def _openhands() -> Adapter:
    """Raises ClientUnavailable: the import fails, or the adapter does not know this API."""
    try:
        from race_harness.clients.openhands import OpenHandsAdapter

        return OpenHandsAdapter()
    except Exception as error:
        says = f"({type(error).__name__}: {' '.join(str(error).split())[:300]})"
        if _is_within_an_import(error):
            raise ClientUnavailable(
                f"this openhands-sdk cannot be imported {says}: name another client; if its "
                "environment is damaged, `race cache --remove` it"
            ) from error
        raise ClientUnavailable(
            f"this openhands-sdk has an API that the harness does not know {says}: name another "
            "release"
        ) from error


def _is_within_an_import(error: Exception) -> bool:
    """Whether the error arose within a module that the adapter imports, and not in the adapter:
    then the traceback holds another module's code below the adapter's."""
    if isinstance(error, SyntaxError | EOFError | UnicodeDecodeError):
        return True
    ours = ("race_harness.clients.openhands", __name__)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(
        frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") not in ours
        for frame in frames
    )


def _warm_up(bench: TrialBench) -> None:
    """Run trials that do not count: the first ones import and cache things."""
    hooks = bench.profile is None or bench.profile.has_stop_hooks
    for script in (Script(tool_calls=1, stop_hook_denials=int(hooks)), Script(outcome="error")):
        for seed in (None, 1):
            bench.run(Schedule("warm-up", script=script, interleaving=Interleaving(seed)))


def _quieten() -> None:
    """Log nothing: in a million trials nobody reads about faults that the schedule asked for."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
