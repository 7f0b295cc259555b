"""Child processes: refused, or allowed, and then they take no virtual time."""

import asyncio
import os
import select
import selectors
import subprocess
import sys
import threading
import time

import pytest
from alone import Alone

from race_harness.model.errors import WorldBroken
from race_harness.sim import children as module

SLOW = "import sys, time; time.sleep(0.2); print(sys.stdin.read().upper(), end='')"
"""Answers a while after all was said."""


def family(program, **options):
    """What the program returns, the virtual seconds that it took, and whether it was stopped."""
    alone = Alone(child_processes=True, **options)
    result = alone.run(program)
    return result, alone.now_s, alone.kernel.stop_reason


def run():
    done = subprocess.run(
        [sys.executable, "-c", SLOW], input="hello", capture_output=True, text=True, check=True
    )
    return done.stdout


def run_in_time():
    done = subprocess.run(
        [sys.executable, "-c", SLOW],
        input="hello",
        capture_output=True,
        text=True,
        check=True,
        timeout=0.1,
    )
    return done.stdout


def wait_in_time():
    """Which asks again and again, and sleeps in between."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"]) as process:
        return process.wait(timeout=0.1)


async def in_asyncio():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SLOW),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(0.1):
        said, _ = await process.communicate(b"hello")
    return said.decode(), process.returncode


def beside_a_thread():
    """Which goes on: only what would take virtual time waits for the child."""
    ticks = []

    def tick():
        for _ in range(3):
            ticks.append(round(time.monotonic() % 1, 3))
            time.sleep(0.25)

    thread = threading.Thread(target=tick)
    thread.start()
    said = run()
    thread.join()
    return said, len(ticks)


@pytest.mark.parametrize(
    ("program", "result", "seconds"),
    [
        (run, "HELLO", 0),
        (run_in_time, "HELLO", 0),
        (wait_in_time, 0, 0.1),
        (lambda: asyncio.run(in_asyncio()), ("HELLO", 0), 0),
        (beside_a_thread, ("HELLO", 3), 0.75),
    ],
    ids=["run", "in time", "wait in time", "asyncio", "beside a thread"],
)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_child_takes_no_virtual_time(program, result, seconds, seed):
    found, took_s, stopped = family(program, seed=seed)
    assert (found, stopped) == (result, None)
    assert took_s == pytest.approx(seconds, abs=0.1 if program is wait_in_time else 0.01)


def test_time_passes_beside_a_child_that_says_nothing_for_long(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    began = time.monotonic()

    def program():
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        for _ in range(5):
            time.sleep(100)
        return process.pid

    pid, took_s, _ = family(program)
    assert took_s == 500
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_where_nothing_else_can_happen_a_child_may_be_silent_for_longer(monkeypatch):
    """Else the trial would be called a deadlock."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    assert family(run) == ("HELLO", 0, None)


def test_a_deadlock_without_any_child_is_still_one():
    def program():
        subprocess.run(["true"], check=True)
        threading.Event().wait()

    assert "deadlock" in family(program)[2]


def test_a_trial_leaves_no_descriptor_of_a_child():
    family(run)
    before = sorted(os.listdir("/proc/self/fd"))
    for program in (run, wait_in_time, lambda: asyncio.run(in_asyncio())):
        family(program)
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("start", [run, lambda: asyncio.run(in_asyncio()), os.fork])
def test_without_leave_starting_a_process_is_refused_by_name(start):
    alone = Alone()
    with pytest.raises(WorldBroken, match="starting a process"):
        alone.run(start)


@pytest.mark.parametrize(
    "start", [os.fork, lambda: os.execv(sys.executable, [sys.executable, "-c", ""])]
)
def test_with_leave_a_fork_is_refused_still(start):
    with pytest.raises(WorldBroken, match="starting a process"):
        family(start)


def test_with_leave_a_shell_may_be_asked():
    assert family(lambda: os.system("exit 3"))[0] == 3 << 8


def test_a_descriptor_that_is_none_is_told_so():
    def program():
        poller = select.poll()
        poller.register(999)
        return poller.poll(1_000)

    assert family(program)[0] == [(999, select.POLLNVAL)]


def test_a_pipe_that_has_hung_up_is_told():
    def program():
        listener = subprocess.Popen(["true"], stdin=subprocess.PIPE)
        listener.wait()
        with selectors.DefaultSelector() as selector:
            selector.register(listener.stdin, selectors.EVENT_READ)
            found = selector.select(10)
        listener.stdin.close()
        return len(found)

    assert family(program) == (1, 0, None)


def test_a_descriptor_of_the_operating_system_is_refused_by_name_without_leave():
    with pytest.raises(WorldBroken, match="waiting for the real descriptor 0"):
        Alone().run(lambda: select.select([0], [], [], 1))


def test_the_pipes_of_a_trial_are_its_own():
    def program():
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)
        os.set_blocking(reading, True)
        thread = threading.Thread(target=lambda: (time.sleep(1), os.write(writing, b"now")))
        thread.start()
        said = os.read(reading, 10)
        os.close(writing)
        ended = os.read(reading, 10)
        os.close(reading)
        return said, ended, reading > 1_000, os.get_blocking(0) in (True, False)

    alone = Alone()
    assert alone.run(program) == (b"now", b"", True, True)
    assert alone.now_s == 1
