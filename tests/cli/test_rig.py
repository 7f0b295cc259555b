"""The tests' own `race`: within this process it is what it is in one of its own."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_rig import Race, call

from race_harness.cli.console import errors, output


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (["scenarios"], "70"),
        (["show", "--help"], "90"),
        ([], "200"),
        (["run", "reference", "--hurry"], "200"),
    ],
    ids=["a table", "help", "no arguments", "bad usage"],
)
def test_within_this_process_it_says_the_same(
    race: Race, race_process: Race, arguments: list[str], columns: str
) -> None:
    here, there = (run(*arguments, COLUMNS=columns) for run in (race, race_process))
    assert (here.returncode, here.stdout, here.stderr) == (
        there.returncode,
        there.stdout,
        there.stderr,
    )


def around() -> tuple[object, ...]:
    consoles = [(console.width, console.file, dict(vars(console))) for console in (output, errors)]
    return dict(os.environ), Path.cwd(), sys.argv, sys.stdout, sys.stderr, consoles


def test_afterwards_all_is_as_before(race: Race) -> None:
    before = around()
    assert race("scenarios", COLUMNS="70", RACE_HOME="/elsewhere").returncode == 0
    assert race("jog").returncode == 2
    assert around() == before


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Lets something else be what `race` does, and gives its exit status."""

    def use(does: Callable[[], object]) -> int:
        monkeypatch.setattr("cli_rig.main", does)
        return call(tmp_path).returncode

    yield use
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("does", "status"),
    [
        (lambda: None, 0),
        (sys.exit, 0),
        (lambda: sys.exit(3), 3),
        (lambda: sys.exit("trouble"), 1),
        (interrupt, -signal.SIGINT),
    ],
    ids=["returns", "exits", "with a number", "with a text", "interrupted"],
)
def test_the_exit_status_is_that_of_a_process(
    command: Callable[..., int], does: Callable[[], object], status: int
) -> None:
    assert command(does) == status


def test_a_thread_that_it_leaves_behind_is_told(command: Callable[..., int]) -> None:
    enough = threading.Event()
    thread = threading.Thread(target=enough.wait, name="forgotten", daemon=True)
    with pytest.raises(AssertionError, match="forgotten"):
        command(thread.start)
    enough.set()
    thread.join()


def test_a_process_that_it_leaves_behind_is_told(command: Callable[..., int]) -> None:
    started: list[subprocess.Popen[bytes]] = []
    try:
        with pytest.raises(AssertionError, match=r"'processes': \[\d+\]"):
            command(lambda: started.append(subprocess.Popen(["sleep", "60"])))
    finally:
        for process in started:
            process.kill()
            process.wait()
    command(lambda: subprocess.run(["true"], check=True))


def test_a_signal_handler_that_it_leaves_behind_is_told(command: Callable[..., int]) -> None:
    with pytest.raises(AssertionError, match="SIGUSR1"):
        command(lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN))
