"""The worker: imports the client once, then runs the trials it is sent.

It runs in the client's environment, where only the trial core's few dependencies are sure to be.
After the slow import and a warm-up it forks one process per job, before which no thread is left.
Each job speaks JSON over a socket of its own: first {"ready": {"version", "server_version"}} or
{"trouble": text, "status"?: exit status}, then one answer for each request
{"index", "schedule", "whole"}. The request {"lines": true} asks for the lines of the client's
source instead.
"""

import contextlib
import gc
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from harness.campaign.affinity import OneCore
from harness.clients import Adapter, own_clients, source_of
from harness.errors import HarnessError
from harness.schedule import Interleaving, Schedule, Script
from harness.sim import source
from harness.sim.serving import UvicornSite
from harness.sim.watchdog import Watchdog
from harness.trial import Trial, run_trial

COLLECT_EVERY = 50
"""Trials between two garbage collections: asyncio leaves cycles, and none runs inside a trial."""


def main(arguments: list[str]) -> None:
    """Arguments: the adapter's name, then the descriptor of each job's socket."""
    adapter_name, *descriptors = arguments
    connections = [Connection(int(descriptor)) for descriptor in descriptors]

    def tell_all(trouble: dict[str, Any]) -> None:
        for connection in connections:
            _send(connection, trouble)

    watchdog = Watchdog(lambda report: tell_all({"trouble": report}))
    watchdog.start()
    try:
        adapter, site = prepare(adapter_name)
    except Exception as error:
        tell_all(_trouble(error))
        sys.exit(1)
    watchdog.stop()
    children = [_fork_job(connections, mine, adapter, site) for mine in connections]
    for connection in connections:
        connection.close()
    for child in children:
        os.waitpid(child, 0)


def prepare(adapter_name: str) -> tuple[Adapter, UvicornSite]:
    """Import the client and warm everything up, once a process."""
    _quieten()
    adapter = _adapter(adapter_name)
    site = UvicornSite()
    _warm_up(adapter, site)
    # What is there now stays: collections then look at the trials' own objects only.
    gc.collect()
    gc.freeze()
    gc.disable()
    return adapter, site


def run_trials(
    adapter: Adapter, site: UvicornSite, schedules: Iterable[Schedule], job: int = 0
) -> Iterator[Trial]:
    """Run a trial of each schedule, on one core, collecting garbage in between now and then.

    `job` is the number of the core to begin with.

    Raises:
        WorldBroken: a trial escaped the simulation.
    """
    core, busy_s = OneCore(job), 0.0
    for number, schedule in enumerate(schedules):
        if number % COLLECT_EVERY == 0:
            gc.collect()
            core.settle(busy_s)
            busy_s = 0.0
        trial = run_trial(schedule, adapter, site)
        busy_s += trial.wall_ms / 1e3
        yield trial


def _fork_job(
    connections: list[Connection], mine: Connection, adapter: Adapter, site: UvicornSite
) -> int:
    child = os.fork()
    if child:
        return child
    try:
        for connection in connections:
            if connection is not mine:
                connection.close()
        # Jobs of one worker begin on different cores, and workers of their own anywhere.
        _work(mine, adapter, site, job=os.getppid() + connections.index(mine))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    # Not sys.exit: that would run the parent's exit handlers a second time.
    os._exit(0)


def _work(connection: Connection, adapter: Adapter, site: UvicornSite, job: int) -> None:
    watchdog = Watchdog(lambda report: _send(connection, {"trouble": report}))
    watchdog.start()
    versions = {"version": adapter.version, "server_version": _server_version(adapter)}
    _send(connection, {"ready": versions})
    request: dict[str, Any] = {}

    def requested() -> Iterator[Schedule]:
        nonlocal request
        with contextlib.suppress(EOFError):
            while True:
                request = json.loads(connection.recv_bytes())
                if "lines" in request:
                    _send(connection, {"lines": source.lines(source_of(adapter))})
                    continue
                yield Schedule.from_dict(request["schedule"])

    try:
        for trial in run_trials(adapter, site, requested(), job):
            answer: dict[str, Any] = {"result": asdict(trial.result(request["index"]))}
            if request["whole"]:
                answer["trial"] = _whole(trial)
            _send(connection, answer)
    except HarnessError as error:
        _send(connection, _trouble(error))


def _server_version(adapter: Adapter) -> str:
    return str(getattr(adapter, "server_version", ""))


def _whole(trial: Trial) -> dict[str, Any]:
    judgement = trial.judgement
    return {
        "happenings": [happening.to_dict() for happening in trial.happenings],
        "evidence": [asdict(entry) for entry in judgement.evidence] if judgement else [],
        "notes": list(judgement.notes) if judgement else [],
        "stacks": trial.stacks,
    }


def _trouble(error: Exception) -> dict[str, Any]:
    if isinstance(error, HarnessError):
        return {"trouble": str(error), "status": error.exit_code}
    return {"trouble": traceback.format_exc()}


def _send(connection: Connection, message: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


def _adapter(name: str) -> Adapter:
    if name == "openhands":
        from harness.clients.openhands import OpenHandsAdapter

        return OpenHandsAdapter()
    if own := own_clients.split(name):
        return own_clients.load(*own)
    from harness.clients.reference import ReferenceAdapter

    return ReferenceAdapter.named(name)


def _warm_up(adapter: Adapter, site: UvicornSite) -> None:
    """First trials import and cache things; every counted one shall find them there."""
    for script in (Script(tool_calls=1, stop_hook_denials=1), Script(outcome="error")):
        for seed in (None, 1):
            schedule = Schedule("warm-up", script=script, interleaving=Interleaving(seed))
            run_trial(schedule, adapter, site)


def _quieten() -> None:
    """A million trials' logs of faults that were meant are of no use to anybody."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
