"""The controlling side of the workers: starts them, sends them trials, receives results."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypeVar

from race_harness.model.combination import SIM_FAKE, Combination
from race_harness.model.errors import ClientUnavailable, UsageError, WorldBroken
from race_harness.model.schedule import Schedule
from race_harness.model.source_line import SourceLine
from race_harness.model.trace import LOG_VARIABLE
from race_harness.model.verdict import TrialResult
from race_harness.upkeep import interrupts
from race_harness.upkeep.temporary import TemporaryFolder
from race_harness.workers import bootstrap, selection
from race_harness.workers.protocol import (
    ListLines,
    Ready,
    Request,
    RunTrial,
    SourceLines,
    TrialDone,
    Trouble,
    Whole,
    WholeTrial,
    answer_of,
    encode,
)

CORES: Final = len(os.sched_getaffinity(0))

OUTSTANDING = 4
"""Requests that a job has at most, so that it never waits for us."""

Message = TypeVar("Message", Ready, TrialDone, SourceLines)


def jobs_in(world: str, jobs: int | None = None) -> int:
    """How many trials run at once, by default more in real time, where they mostly wait."""
    return jobs or (4 * CORES if world == "real" else CORES)


class Workers:
    """The worker processes of one client.

    Args:
        python: interpreter of the client's environment.
        adapter: name of the adapter, as `workers.worker` takes it.
        jobs: how many trials run at once, each in a process of its own.
        combination: the world in which they run, and its server; a real one must be in the
            environment.
        mend: called where the client cannot be imported: repairs the environment if it can, and
            returns whether it did; then the workers start once more.
        server_python: interpreter of the real server's environment, if that is a different one.

    Raises:
        ClientUnavailable: there is no such client in the file that was named, or no real server
            in the environment.
        UsageError: the file that RACE_DIGEST_LOG names cannot be written; the user has no such
            test.
        WorldBroken: a worker could not be started or import the client, lost control of a trial,
            or died.
    """

    def __init__(
        self,
        python: Path | str,
        adapter: str,
        jobs: int,
        combination: Combination = SIM_FAKE,
        mend: Callable[[], bool] | None = None,
        server_python: Path | None = None,
    ) -> None:
        self._of_tests = adapter.startswith(selection.PREFIX)
        self._environment = environment_of_tests() if self._of_tests else _environment()
        self._command = (
            # -P keeps the folder of the script out of the module search path.
            *(str(python), "-P", str(Path(bootstrap.__file__))),
            *(adapter, combination.world, combination.served_by, str(server_python or "")),
        )
        self._jobs = jobs
        self._mend = mend
        self.version = self.server_version = ""
        self.tests: tuple[str, ...] = ()
        self._owed: dict[Connection, int] = {}
        """How many answers to come nobody waits for."""
        self._begin()

    def _begin(self) -> None:
        self._connections: list[Connection] = []
        # An interrupt in here leaves no process behind.
        with contextlib.ExitStack() as stack:
            with interrupts.held():
                stack.callback(self._hang_up)
                self._log = stack.enter_context(tempfile.TemporaryFile("w+b"))
                # This removes what killed workers leave, too.
                self._scratch = TemporaryFolder()
                stack.callback(self._scratch.close)
                pairs = [socket.socketpair() for _ in range(self._jobs)]
                self._connections += [Connection(our.detach()) for our, _ in pairs]
                with contextlib.ExitStack() as lent:
                    theirs = [lent.enter_context(their).fileno() for _, their in pairs]
                    self._process = self._started(theirs)
                # Nor does an interrupt before the caller enters the context.
                self._kill = weakref.finalize(self, _kill_group, self._process)
                stack.callback(self._kill)
            self._rest = stack.pop_all()

    def _started(self, descriptors: list[int]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*self._command, *map(str, descriptors)],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env={**self._environment, "TMPDIR": str(self._scratch.path)},
                # A group of its own, so that all jobs can be ended at once.
                start_new_session=True,
            )
        except OSError as error:
            reason = error.strerror or error
            raise WorldBroken(f"cannot start {self._command[0]}: {reason}") from None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        with interrupts.held():
            if exc_type is not None:
                self._kill()
            self.close()

    def close(self) -> None:
        """Let the workers end: they do once nobody can send them requests any more."""
        with interrupts.held(), self._rest:
            self._hang_up()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
                self._kill.detach()

    def _hang_up(self) -> None:
        for connection in self._connections:
            connection.close()

    def wait_ready(self) -> None:
        """Wait until every job has imported the client."""
        try:
            self._wait_ready()
        except (ClientUnavailable, WorldBroken):
            if self._mend is None or not self._mend():
                raise
            self._mend = None
            self._kill()
            self.close()
            self._begin()
            self._wait_ready()

    def _wait_ready(self) -> None:
        for connection in self._connections:
            ready = self._receive(connection, Ready)
            self.version, self.server_version = ready.version, ready.server_version
            self.tests = ready.tests

    def run(
        self,
        schedules: Iterable[Schedule],
        on_result: Callable[[TrialResult], None] | None = None,
        on_failure: Callable[[TrialResult, WholeTrial], None] | None = None,
        *,
        strict: bool = False,
    ) -> list[TrialResult]:
        """Run a trial of each schedule; results in the order of the schedules.

        `on_result` gets each result as it comes, in any order; `on_failure` gets each failure as a
        whole trial, since a second run may not fail. `strict`: everything but `ok` is a failure.
        """
        results: dict[int, TrialResult] = {}
        whole: Whole = None if on_failure is None else "not-ok" if strict else "failed"
        for result, trial in self.stream(schedules, whole):
            results[result.index] = result
            if on_result is not None:
                on_result(result)
            if on_failure is not None and trial is not None:
                on_failure(result, trial)
        return [results[index] for index in sorted(results)]

    def stream(
        self, schedules: Iterable[Schedule], whole: Whole = None
    ) -> Iterator[tuple[TrialResult, WholeTrial | None]]:
        """Run a trial of each schedule and yield the results as they come, in any order, each with
        the whole trial where `whole` asks for it.

        It takes schedules when it has room for them and keeps none, so there may be any number.
        Exhaust it before giving the workers anything else.
        """
        for done in self._stream(schedules, whole):
            yield done.result, done.trial

    def _stream(self, schedules: Iterable[Schedule], whole: Whole) -> Iterator[TrialDone]:
        requests = (RunTrial(index, each, whole) for index, each in enumerate(schedules))
        return self.serve(lambda: next(requests, None))

    def serve(
        self, asked: Callable[[], RunTrial | None], ahead: int = OUTSTANDING
    ) -> Iterator[TrialDone]:
        """Take requests from `asked` whenever there is room, and yield the answers as they come.

        `asked` may depend on earlier answers; None: nothing for now. The iteration ends when no
        request is left or under way. A job has `ahead` requests at most. If the iteration is given
        up before that, whoever uses the workers next waits for what is under way.

        Raises:
            WorldBroken: a trial raised it; its `trial` is the request.
        """
        busy = {connection: deque[RunTrial]() for connection in self._connections}
        try:
            while True:
                self._fill(busy, asked, ahead)
                waiting = [connection for connection, requests in busy.items() if requests]
                if not waiting:
                    return
                for ready in wait(waiting):
                    assert isinstance(ready, Connection)
                    try:
                        done = self._receive(ready, TrialDone)
                    except WorldBroken as error:
                        error.trial = busy[ready][0]
                        raise
                    busy[ready].popleft()
                    yield done
        finally:
            for connection, requests in busy.items():
                self._owed[connection] = self._owed.get(connection, 0) + len(requests)

    def _fill(
        self,
        busy: dict[Connection, deque[RunTrial]],
        asked: Callable[[], RunTrial | None],
        ahead: int,
    ) -> None:
        # Evenly: no job gets its second request before each has its first.
        for count in range(ahead):
            for connection, requests in busy.items():
                if len(requests) > count:
                    continue
                request = asked()
                if request is None:
                    return
                self._send(connection, request)
                requests.append(request)

    def run_wholes(
        self, schedules: Iterable[Schedule], on_result: Callable[[TrialResult], None] | None = None
    ) -> list[tuple[TrialResult, WholeTrial]]:
        """As `run`, with each trial whole; for tests, with the lines that their threads ran."""
        wholes = self._wholes(schedules, "lines", on_result)
        return [(result, trial) for result, trial, _ in wholes]

    def run_with_bodies(
        self, schedules: Iterable[Schedule], on_result: Callable[[TrialResult], None] | None = None
    ) -> list[tuple[TrialResult, WholeTrial, dict[str, Any]]]:
        """As `run_wholes`, and the shapes of all bodies that the server sent, as
        `conformance.shapes.Bodies` has them."""
        return self._wholes(schedules, "bodies", on_result)

    def _wholes(
        self,
        schedules: Iterable[Schedule],
        whole: Whole,
        on_result: Callable[[TrialResult], None] | None,
    ) -> list[tuple[TrialResult, WholeTrial, dict[str, Any]]]:
        wholes: dict[int, tuple[TrialResult, WholeTrial, dict[str, Any]]] = {}
        for done in self._stream(schedules, whole):
            assert done.trial is not None
            wholes[done.result.index] = done.result, done.trial, done.bodies or {}
            if on_result is not None:
                on_result(done.result)
        return [wholes[index] for index in sorted(wholes)]

    def run_whole(
        self, schedule: Schedule, whole: Literal["all", "lines"] = "all"
    ) -> tuple[TrialResult, WholeTrial]:
        """Run one trial and get all of it: happenings, evidence, notes and stacks; for a test also
        the lines that its threads ran, if `whole` is `lines`."""
        connection = self._connections[0]
        self._send(connection, RunTrial(0, schedule, whole))
        done = self._receive(connection, TrialDone)
        assert done.trial is not None
        return done.result, done.trial

    def source_lines(self) -> list[tuple[str, str]]:
        """Every line of the client's source that a schedule may refer to: function and text."""
        connection = self._connections[0]
        self._send(connection, ListLines())
        return [*self._receive(connection, SourceLines).lines]

    def source_places(self) -> list[SourceLine]:
        """The same lines, in that order, each with where it is."""
        connection = self._connections[0]
        self._send(connection, ListLines(placed=True))
        return [*self._receive(connection, SourceLines).places]

    def _send(self, connection: Connection, request: Request) -> None:
        while self._owed.get(connection):
            self._owed[connection] -= 1
            self._receive(connection, TrialDone)
        try:
            connection.send_bytes(encode(request))
        except OSError:
            raise self._trouble() from None

    def _receive(self, connection: Connection, expected: type[Message]) -> Message:
        try:
            answer = answer_of(connection.recv_bytes())
        except (EOFError, OSError):
            raise self._trouble() from None
        if isinstance(answer, Trouble):
            says = answer.says.strip()
            if answer.exit_code == ClientUnavailable.exit_code:
                raise ClientUnavailable(says)
            if answer.exit_code == UsageError.exit_code and self._of_tests:
                raise UsageError(says)
            raise WorldBroken(says)
        assert isinstance(answer, expected)
        return answer

    def _trouble(self) -> WorldBroken:
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip()
        return WorldBroken("a worker died" + (f":\n{said[-4000:]}" if said else " without a word"))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment_of_tests() -> dict[str, str]:
    """The environment variables of a worker that runs the user's own tests."""
    environment = _environment()
    # As pytest would have it here, except that sets shall always have one order.
    environment["PYTHONHASHSEED"] = "0"
    # An SDK under test may import litellm, which would ask the network at its import.
    environment.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    if (paths := os.environ.get("PYTHONPATH")) is not None:
        environment["PYTHONPATH"] = paths
    return environment


def _environment() -> dict[str, str]:
    """The worker's environment: ours, without what would change how trials run."""
    dropped = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "pythonpath", "pythonhome")
    environment = {key: value for key, value in os.environ.items() if key.lower() not in dropped}
    environment["PYTHONUTF8"] = "1"
    if LOG_VARIABLE in environment:
        # With a real server a trial has a working directory of its own.
        environment[LOG_VARIABLE] = str(_writable(Path(environment[LOG_VARIABLE]).absolute()))
    return environment


def _writable(log: Path) -> Path:
    try:
        with log.open("a"):
            return log
    except OSError as error:
        reason = error.strerror or error
        way_out = f"name another file in {LOG_VARIABLE}, or unset it"
        raise UsageError(f"cannot write {log}: {reason}; {way_out}") from None
