"""Ctrl-C and SIGTERM at any moment: a status, no traceback, and nothing left behind."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cli_rig import RACE

RECORDED = ("--record", "record.db")
FOR_EVER = ("run", "reference", "--reps", "1000000", *RECORDED)

COMMANDS = {
    "run": FOR_EVER,
    "compare": ("compare", "reference", "reference:eager", "--reps", "150", *RECORDED),
    "hunt": ("hunt", "reference:eager", "--scenario", "clean", "--no-confirm", *RECORDED),
    "soak": ("soak", "reference", "--scenario", "clean", "--for", "1m", *RECORDED),
    "real": ("run", "reference", "--world", "real", "--reps", "50", *RECORDED),
    "test": ("test", "test_own.py", "--reps", "500", *RECORDED),
    "scenarios": ("scenarios",),
}

OWN = """
import threading

def test_it():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
"""


class Called:
    """`race` in a process of its own, with a folder of its own for temporary ones."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        (folder / "test_own.py").write_text(OWN)
        (folder / "pytest.ini").write_text("[pytest]\n")
        self.process = subprocess.Popen(
            [*RACE, *arguments],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_it_minds(self) -> None:
        """Before, Python itself has not begun yet, and nobody could promise anything."""
        bit = 1 << (signal.SIGTERM - 1)
        status = Path(f"/proc/{self.process.pid}/status")
        while self.process.poll() is None:
            caught = status.read_text().partition("SigCgt:")[2].split()[:1]
            if caught and int(caught[0], 16) & bit:
                return
            time.sleep(0.001)

    def wait_for_a_trial(self) -> None:
        record = self.folder / "record.db"
        while not (record.exists() and self.ask("SELECT 1 FROM trials LIMIT 1")):
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        address = f"{(self.folder / 'record.db').as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as connection:
                return connection.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []  # It has no tables yet.

    def processes(self) -> Iterator[str]:
        """All that it has started, of whatever descent."""
        mark = f"TMPDIR={self.temporary}".encode()
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in environment.read_bytes() and self.is_alive(environment.parent):
                    yield (environment.parent / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue

    @staticmethod
    def is_alive(process: Path) -> bool:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"

    def end(self, number: int) -> str:
        """Send the signal; check that nothing is left; gives what it said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        # By the signal itself in what Python does at its end; shells call both 128 + number.
        assert self.process.returncode in (128 + number, -number, 0, 1), err
        assert "Traceback" not in err
        assert "ignored" not in err
        assert list(self.processes()) == []
        assert list(self.temporary.iterdir()) == []
        assert not self.ask("SELECT * FROM campaigns WHERE ending IS NULL")
        return out + err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_million_repetitions_begin_at_once_and_end_when_told(
    number: int, tmp_path: Path
) -> None:
    called = Called(tmp_path, *FOR_EVER)
    called.wait_for_a_trial()
    called.end(number)
    assert called.process.returncode == 128 + number
    assert called.ask("SELECT ending FROM campaigns") == [("interrupted",)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_at_any_moment(command: str, seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"{command} {seed}")
    called = Called(tmp_path, *COMMANDS[command])
    called.wait_until_it_minds()
    time.sleep(chance.choice([0.2, 2.0, 6.0]) * chance.random())
    called.end(chance.choice([signal.SIGINT, signal.SIGTERM]))


@pytest.mark.slow
def test_what_a_killed_command_left_is_swept_by_the_next(tmp_path: Path) -> None:
    killed = Called(tmp_path, *FOR_EVER)
    killed.wait_for_a_trial()
    killed.process.kill()
    killed.process.communicate()
    (left,) = killed.temporary.iterdir()
    subprocess.run(
        [*RACE, "run", "reference", "--reps", "1"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(killed.temporary)},
        check=True,
        capture_output=True,
    )
    assert not left.exists()
