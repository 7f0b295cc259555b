"""After a trial everything is as before it, however the trial ended."""

import _socket
import asyncio
import concurrent.futures
import concurrent.futures.thread
import contextlib
import gc
import json
import os
import queue
import random
import select
import selectors
import socket
import subprocess
import sys
import threading
import time
import types
from dataclasses import replace

import httpx
import pytest
from alone import Alone

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import Fault, Interleaving, Moment, Network, Schedule, Script
from race_harness.network.site import UvicornSite
from race_harness.sim import kernel as kernels
from race_harness.sim import patches
from race_harness.workers.trial import run_trial


class Reaching(ReferenceAdapter):
    """Breaks its world, by way of a thread of its own."""

    def connect(self, url, on_event):
        threading.Thread(target=self._reach).start()
        return super().connect(url, on_event)

    def _reach(self):
        with contextlib.suppress(WorldBroken):
            _socket.socket()


class Waiting(ReferenceAdapter):
    """Its `run()` outlasts the trial: like the bug "endless", and quicker."""

    def connect(self, url, on_event):
        made = super().connect(url, on_event)
        made.run = lambda **_options: threading.Event().wait()
        threading.Timer(3600, print).start()
        return made


class Leaving(ReferenceAdapter):
    """Leaves behind what it can: threads, timers, a running executor, a running loop."""

    def connect(self, url, on_event):
        threading.Timer(3600, print).start()
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        pool = concurrent.futures.ThreadPoolExecutor(2)
        pool.submit(time.sleep, 3600)
        threading.Thread(
            target=lambda: asyncio.run(asyncio.to_thread(time.sleep, 3600)), daemon=True
        ).start()
        random.seed(1)
        random.random()
        return super().connect(url, on_event)


BENIGN = Schedule("test")
CUT = replace(BENIGN, network=Network(faults=(Fault("reset", Moment("frame-sent", nth=4)),)))
ENDS = {
    "ok": (ReferenceAdapter(), BENIGN),
    "switching": (ReferenceAdapter(), replace(BENIGN, interleaving=Interleaving(3))),
    "raised": (ReferenceAdapter("nervous"), BENIGN),
    "failed run": (ReferenceAdapter(), replace(BENIGN, script=Script(outcome="error"))),
    "time limit": (Waiting(), BENIGN),
    "deadlock": (ReferenceAdapter("deadlock"), BENIGN),
    "leftovers": (Leaving(), BENIGN),
    "broken world": (Reaching(), BENIGN),
}
every_end = pytest.mark.parametrize(("adapter", "schedule"), ENDS.values(), ids=list(ENDS))


@pytest.fixture(scope="module")
def whole_site():
    """Also warm: a first trial imports and caches things for good."""
    made = UvicornSite()
    for adapter, schedule in (ENDS["ok"], ENDS["leftovers"]):
        run_trial(schedule, adapter, made)
    return made


def run(adapter, schedule, whole_site):
    try:
        return run_trial(schedule, adapter, whole_site)
    except WorldBroken:
        assert isinstance(adapter, Reaching)
        return None


def test_the_ends_are_what_they_are_called(whole_site):
    found = {name: run(*end, whole_site) for name, end in ENDS.items()}
    assert found.pop("broken world") is None
    verdicts = {name: trial.judgement.verdicts for name, trial in found.items()}
    hung = {name for name, given in verdicts.items() if given == ("hang",)}
    assert hung == {"time limit", "deadlock"}
    assert verdicts["raised"] == ("spurious-error",)
    assert verdicts["ok"] == verdicts["leftovers"] == ("ok",)
    assert found["failed run"].outcome.calls[0].ended == "raised"


# -- attributes


def patched():
    """Owner and name of every attribute that a trial replaces."""
    table = patches.table(Alone().kernel)
    return [(owner, name) for owner, name, _ in table]


def touched_owners():
    """The modules and classes that a trial may touch, whatever it replaces in them."""
    owners = {
        id(owner): owner
        for owner in (
            threading,
            threading.Thread,
            queue,
            time,
            os,
            random,
            random.Random,
            select,
            selectors,
            asyncio,
            asyncio.events,
            asyncio.runners,
            asyncio.base_events,
            concurrent.futures.thread,
            concurrent.futures.ThreadPoolExecutor,
            httpx._transports.default,
            socket,
            sys.modules["logging"],
        )
    }
    owners |= {
        id(module): module
        for name, module in sys.modules.items()
        if name.startswith(("httpcore._sync", "websockets", "uvicorn", "anyio"))
        and isinstance(module, types.ModuleType)
    }
    return list(owners.values())


def attributes():
    """(owner, name) to object: of every attribute of these, and of every copy that is replaced.

    Other attributes of modules that hold a copy are their own: Hypothesis, for one, keeps time.
    """
    found = {
        (getattr(owner, "__name__", repr(owner)), name): value
        for owner in touched_owners()
        for name, value in list(vars(owner).items())
    }
    for owner, name in patched():
        # A function's defaults are no entry of its own dictionary.
        own = vars(owner)[name] if name in vars(owner) else getattr(owner, name)
        found[getattr(owner, "__name__", repr(owner)), name] = own
    return found


@every_end
def test_every_attribute_is_the_same_object_again(adapter, schedule, whole_site):
    before = attributes()
    run(adapter, schedule, whole_site)
    after = attributes()
    assert after.keys() == before.keys()
    changed = [key for key in before if before[key] is not after[key]]
    assert changed == []


def test_the_comparison_would_see_a_patch():
    before = attributes()
    seen = []
    Alone().run(lambda: seen.append(attributes()))
    changed = {key for key in before if before[key] is not seen[0].get(key)}
    expected = {
        ("threading", "_counter"),
        ("random", "seed"),
        ("asyncio.runners", "_cancel_all_tasks"),
        ("httpx._transports.default", "create_ssl_context"),
    }
    assert expected <= changed


def test_every_row_of_the_table_is_put_back():
    table = patches.table(Alone().kernel)
    before = [getattr(owner, name) for owner, name, _ in table]
    own = [name in vars(owner) for owner, name, _ in table]
    restore = patches.install(table)
    inside = [getattr(owner, name) for owner, name, _ in table]
    restore()
    after = [getattr(owner, name) for owner, name, _ in table]
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert [name in vars(owner) for owner, name, _ in table] == own
    unchanged = [
        (owner, name)
        for (owner, name, _), one, other in zip(table, before, inside, strict=True)
        if one is other
    ]
    assert unchanged == []


# -- process-wide state


def state():
    return {
        "random": random.getstate(),
        "threads": dict(threading._active),
        "starting": dict(threading._limbo),
        "enumerated": threading.enumerate(),
        "collecting": gc.isenabled(),
        "trial": kernels.active,
        "audited environment": dict(os.environ),
        "excepthook": threading.excepthook,
        "asyncgen hooks": sys.get_asyncgen_hooks(),
        "running loop": asyncio._get_running_loop(),
    }


@every_end
def test_the_state_of_the_process_is_as_before(adapter, schedule, whole_site):
    before, frozen = state(), gc.get_freeze_count()
    run(adapter, schedule, whole_site)
    assert state() == before
    # What was frozen before may have been dropped since; nothing may have come to it.
    assert gc.get_freeze_count() <= frozen


@pytest.mark.parametrize("collecting", [True, False])
def test_garbage_collection_is_left_as_it_was(collecting, whole_site):
    try:
        (gc.enable if collecting else gc.disable)()
        for adapter, schedule in ENDS.values():
            run(adapter, schedule, whole_site)
            assert gc.isenabled() == collecting
    finally:
        gc.enable()


def test_nothing_is_collected_inside_a_trial(site):
    assert site.visit(lambda url: gc.isenabled()).value is False


# -- threads and files of the operating system


def task_ids():
    return {int(name) for name in os.listdir("/proc/self/task")}


def tasks():
    return len(task_ids())


def settled_tasks(expected):
    """An OS thread is gone a moment after Python is done with it."""
    patience = time.monotonic() + 10
    while tasks() > expected and time.monotonic() < patience:
        time.sleep(0.001)
    return tasks()


def open_files():
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # The descriptor that listed the folder.
            continue
    return found


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")


@needs_proc
@pytest.mark.slow
def test_twenty_trials_leave_no_thread_and_no_file(whole_site):
    threads, files = settled_tasks(1), open_files()
    ends = list(ENDS.values())
    for number in range(20):
        run(*ends[number % len(ends)], whole_site)
    hung = run(ReferenceAdapter("endless"), BENIGN, whole_site)
    assert hung.judgement.verdicts == ("hang",)
    assert settled_tasks(threads) == threads
    assert open_files() == files


@needs_proc
def test_the_count_would_see_a_thread_and_a_file():
    threads, files = task_ids(), open_files()
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    reading, writing = os.pipe()
    try:
        # Threads of earlier tests may come to their end meanwhile.
        assert task_ids() - threads == {thread.native_id}
        assert len(open_files()) == len(files) + 2
    finally:
        os.close(reading)
        os.close(writing)
        go.set()
        thread.join()


@needs_proc
def test_threads_that_start_threads_while_they_are_killed_leave_none():
    before = tasks()

    def program():
        def stay():
            try:
                time.sleep(3600)
            finally:
                threading.Thread(target=time.sleep, args=(3600,)).start()

        for _ in range(5):
            threading.Thread(target=stay, daemon=True).start()
        time.sleep(1)

    for _ in range(3):
        Alone().run(program)
    assert settled_tasks(before) == before


def test_trials_do_not_pile_up_in_memory(whole_site):
    """After a collection, as many objects of ours are alive as before."""

    def alive():
        gc.collect()
        kinds = (
            *("Kernel", "Strand", "Descriptors", "Endpoint", "SimSelector", "Connection"),
            *("ReferenceClient", "AgentServer"),
        )
        return [sum(type(thing).__name__ == kind for thing in gc.get_objects()) for kind in kinds]

    run(*ENDS["ok"], whole_site)
    before = alive()
    for end in ENDS.values():
        run(*end, whole_site)
    # The last trial's server stays in the application's state.
    run(*ENDS["ok"], whole_site)
    assert alive() == before


# -- one trial and the next


SCHEDULES = [
    BENIGN,
    CUT,
    replace(BENIGN, interleaving=Interleaving(3)),
    replace(BENIGN, script=Script(tool_calls=2), interleaving=Interleaving(8)),
]

FRESH = """
import json, os, sys
from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import Schedule
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial

for schedule in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        site = UvicornSite()
        digest = run_trial(Schedule.from_dict(schedule), ReferenceAdapter(), site).digest
        print(digest, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def digests_when_first():
    """Of each schedule, run as the first trial of a process of its own."""
    schedules = json.dumps([schedule.to_dict() for schedule in SCHEDULES])
    done = subprocess.run(
        [sys.executable, "-c", FRESH, schedules], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("before", [["ok"], ["time limit"], ["deadlock", "leftovers"], list(ENDS)])
def test_a_trial_is_the_same_whatever_ran_before(before, whole_site, digests_when_first):
    for name in before:
        run(*ENDS[name], whole_site)
    digests = [run_trial(one, ReferenceAdapter(), whole_site).digest for one in SCHEDULES]
    assert digests == digests_when_first
    assert len(set(digests)) == len(SCHEDULES)


def test_a_timer_of_one_trial_does_not_reach_the_next():
    rang = []

    def set_an_alarm():
        threading.Timer(5, rang.append, ["alarm"]).start()
        time.sleep(1)

    Alone().run(set_an_alarm)
    Alone().run(lambda: time.sleep(3600))
    assert rang == []


def test_within_one_trial_it_rings():
    rang = []

    def set_an_alarm():
        threading.Timer(5, rang.append, ["alarm"]).start()
        time.sleep(10)

    Alone().run(set_an_alarm)
    assert rang == ["alarm"]
