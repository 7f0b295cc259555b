"""The watchdog: a world that stands still is ended, and the report says where it stands."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

PRELUDE = """
import _thread, json, sys, threading, time
sys.path.insert(0, {folder!r})
from alone import Alone
from race_harness.sim.watchdog import Watchdog

def report(text):
    print(text, flush=True)

def real_lock(make=_thread.allocate_lock):
    return make()

Watchdog(report, patience_s={patience}, spin_s={spin}).start()
"""


def run(script, patience=0.5, spin=60):
    """Run a script beside a watchdog in a process of its own; its exit status and output."""
    prelude = PRELUDE.format(folder=str(Path(__file__).parent), patience=patience, spin=spin)
    done = subprocess.run(
        [sys.executable, "-c", prelude + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_real_lock_held_at_a_scheduling_point_is_named(tmp_path):
    """The line that waits for it, the thread, and in the stacks the one who holds it."""
    module = tmp_path / "culprit.py"
    module.write_text(
        "import _thread, time\n"
        "lock = _thread.allocate_lock()\n"
        "def hold():\n"
        "    with lock:\n"
        "        time.sleep(5)\n"
        "def want():\n"
        "    time.sleep(1)\n"
        "    lock.acquire()  # stands still\n"
    )
    status, report = run(f"""
        sys.path.insert(0, {str(tmp_path)!r})
        import culprit

        def program():
            threading.Thread(target=culprit.hold, name="holder").start()
            wanting = threading.Thread(target=culprit.want, name="wanting")
            wanting.start()
            wanting.join()

        Alone().run(program)
        print("went on")
    """)
    assert status == 70
    assert "went on" not in report
    first, *stacks = report.splitlines()
    assert "a real lock is held at a scheduling point" in first
    assert "thread 2 'wanting' is stuck in want" in first
    assert f"{module}:8: lock.acquire()  # stands still" in first
    assert "-- 1 holder (waits: sleep)" in stacks
    assert any(f'"{module}", line 5, in hold' in line for line in stacks)
    assert any(line.startswith("-- 0 main (waits: ") for line in stacks)


@pytest.mark.parametrize(
    "loop",
    ["while True: pass", "while True:\n    try: time.sleep(1)\n    except BaseException: pass"],
    ids=["endless loop", "refuses to be killed"],
)
def test_a_thread_that_never_gives_the_baton_back_is_named(loop):
    status, report = run(f"""
def never_ends():
{textwrap.indent(loop, "    ")}

def program():
    threading.Thread(target=never_ends, name="stubborn", daemon=True).start()
    time.sleep(5)

Alone().run(program)
print("went on")
""")
    assert status == 70
    assert "'stubborn' is stuck in" in report
    assert "in never_ends" in report


def test_a_real_wait_of_the_main_thread_is_named():
    status, report = run("""
        def waits_in_main():
            lock = real_lock()
            lock.acquire()
            lock.acquire()

        Alone().run(waits_in_main)
    """)
    assert status == 70
    assert "thread 0 'main' is stuck in waits_in_main" in report


def test_a_long_healthy_trial_is_not_reported():
    """Three times its patience in one trial, with a scheduling step now and then."""
    status, output = run(
        """
        def program():
            ends = real_clock() + 1.5
            while real_clock() < ends:
                for _ in range(100):
                    time.sleep(3600)

        real_clock = time.monotonic
        Alone(limit_s=1e12, max_steps=10**9).run(program)
        print("went on")
        """,
        patience=0.5,
    )
    assert (status, output) == (0, "went on\n")


@pytest.mark.slow
def test_trials_one_after_the_other_are_not_taken_for_one_that_stands():
    """Each makes the same number of steps."""
    status, output = run(
        """
        ends = time.monotonic() + 1.5
        trials = 0
        while time.monotonic() < ends:
            Alone().run(lambda: time.sleep(1))
            trials += 1
        print("went on", trials > 10)
        """,
        patience=0.5,
    )
    assert (status, output) == (0, "went on True\n")


@pytest.mark.slow
def test_a_process_between_trials_may_wait():
    status, output = run(
        """
        Alone().run(lambda: time.sleep(1))
        time.sleep(1.5)
        Alone().run(lambda: time.sleep(1))
        print("went on")
        """,
        patience=0.5,
    )
    assert (status, output) == (0, "went on\n")


@pytest.mark.slow
def test_one_that_was_stopped_watches_no_more():
    """As before a fork; its thread is gone, and nothing is let through that has its number."""
    status, output = run(
        """
        from race_harness.sim import guard

        while not guard._exempt:
            pass  # The one of the prelude, which is patient, is to be there first.
        watchdog = Watchdog(report, patience_s=0.2)
        watchdog.start()
        watchdog.stop()
        print(len(guard._exempt))
        watchdog.start()
        watchdog.stop()

        def program():
            ends = clocks[0]() + 0.8
            while clocks[0]() < ends:
                pass

        clocks = [time.monotonic]  # no name that is patched
        Alone().run(program)
        print("went on")
        """,
        patience=30,
    )
    assert (status, output) == (0, "1\nwent on\n")


def test_a_loop_is_named_long_before_a_lock_would_be():
    began = time.monotonic()
    status, report = run("Alone().run(lambda: [None for _ in iter(int, 1)])", 40, spin=0.5)
    assert status == 70
    assert "a loop never ends; thread 0 'main' is stuck in" in report
    assert time.monotonic() - began < 20


def test_waiting_for_something_real_is_no_loop(tmp_path):
    """It takes no CPU time, and is over before patience is."""
    status, report = run(
        """
        def program():
            lock = real_lock()
            lock.acquire()
            lock.acquire(timeout=2)

        Alone().run(program)
        print("went on")
        """,
        patience=40,
        spin=0.5,
    )
    assert (status, report.strip()) == (0, "went on")
