"""The commands as people and scripts call them: within this process, or in one of their own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch

from rich.console import Console

from race_harness.campaign.resolve import ClientUnderTest
from race_harness.cli import main
from race_harness.cli.console import errors, output
from race_harness.model.combination import SIM_FAKE, Combination
from race_harness.workers.pool import Workers

Race = Callable[..., subprocess.CompletedProcess[str]]

RACE = [sys.executable, "-m", "race_harness.cli"]


def call_process(
    folder: Path, *arguments: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`race` in a process of its own, which takes a second to import everything."""
    return subprocess.run(
        [*RACE, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def call(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`race` within this process, where it finds what it would find in one of its own."""
    words = ["race", *map(str, arguments)]
    out, err = pipe("strict"), pipe("backslashreplace")
    with (
        nothing_left_behind(),
        contextlib.chdir(folder),
        patch.dict(os.environ, {"COLUMNS": "200", **environment}),
        patch.object(sys, "argv", words),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        as_new(output),
        as_new(errors),
    ):
        status = exit_status()
    return subprocess.CompletedProcess(words, status, said(out), said(err))


def pipe(on_bad_text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=on_bad_text)


def said(out: io.TextIOWrapper) -> str:
    out.seek(0)
    return out.read()


def as_new(console: Console) -> AbstractContextManager[Any]:
    """The console as it would be if it were made now: its width is that of the environment."""
    return patch.dict(vars(console), vars(type(console)(stderr=console.stderr)))


def exit_status() -> int:
    """What comes of `race`; an error that it does not know is left to the test."""
    try:
        main()
    except SystemExit as exited:
        if isinstance(exited.code, str):
            print(exited.code, file=sys.stderr)
            return 1
        return exited.code or 0
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    return 0


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    """A process takes everything along when it ends; a command within this one has to end and
    put back by itself what it has started and changed."""
    threads, running = threading.enumerate(), children(os.getpid())
    handlers = dict(signal_handlers())
    yield
    left = {
        "threads": [thread for thread in threading.enumerate() if thread not in threads],
        "processes": sorted(children(os.getpid()) - running - LENT),
        "handlers of": [
            number for number, handler in signal_handlers() if handlers[number] != handler
        ],
    }
    assert not any(left.values()), f"race left behind {left}"


def children(pid: int) -> set[int]:
    """The processes that a process has started and that it has not yet waited for."""
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def signal_handlers() -> Iterator[tuple[int, Any]]:
    for number in signal.valid_signals():
        yield number, signal.getsignal(number)


def error_of(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line that an error is."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("race: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


# workers that are lent

LENT: set[int] = set()
"""Their processes."""

START = ClientUnderTest.workers


class Pools:
    """Workers that are lent to one command after another, to spare each the second they need to
    start.

    Not for `race soak`: a job tells it of a failure only if it has told of no such failure before,
    and remembers that for as long as it lives. Other commands do not notice that they share.

    `shared` gives those that other tests have, too.
    """

    def __init__(self, shared: Callable[[str], Workers]) -> None:
        self._shared = shared
        self._stack = ExitStack()
        self._started: dict[tuple[Path, str, Combination], Workers] = {}

    def __enter__(self) -> "Pools":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stack.__exit__(exc_type, exc, tb)

    def lending(self) -> AbstractContextManager[Any]:
        """For as long as this lasts, commands within this process are lent their workers."""
        return patch.object(ClientUnderTest, "workers", lambda client, jobs=1: self._lend(client))

    def _lend(self, client: ClientUnderTest) -> AbstractContextManager[Workers]:
        key = client.python, client.adapter, client.combination
        if key not in self._started:
            before = children(os.getpid())
            self._started[key] = self._ready(client)
            LENT.update(children(os.getpid()) - before)
        return nullcontext(self._started[key])

    def _ready(self, client: ClientUnderTest) -> Workers:
        if client.python == Path(sys.executable) and client.combination == SIM_FAKE:
            workers = self._shared(client.adapter)
        else:
            # Two jobs, so that answers come in another order than requests.
            workers = self._stack.enter_context(START(client, 2))
            workers.wait_ready()
        # They say so once: a command that waits for it again would wait forever.
        workers.wait_ready = lambda: None  # type: ignore[method-assign]
        return workers
