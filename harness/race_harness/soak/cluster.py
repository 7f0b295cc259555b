"""The bench of a Dask cluster: chunks go wherever there is room, and come back in any order.

Each process of the cluster keeps workers for the clients that it was given. If a process dies,
another one runs its chunks again.
"""

import asyncio
import contextlib
import functools
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from race_harness.campaign.campaign import whole_failure
from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.model.errors import UsageError, WorldBroken
from race_harness.model.extras import extra
from race_harness.model.failure import Failure
from race_harness.model.fingerprint import fingerprint
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search import library
from race_harness.search.draw import BATCH, draw_batch
from race_harness.soak.bench import Chunk, Work
from race_harness.workers.pool import Workers

if TYPE_CHECKING:
    import distributed
    from distributed import Client, Security
    from tornado.ioloop import IOLoop

AHEAD: Final = 2
"""Chunks in flight for each thread of the cluster, so that none waits for us."""

PATIENCE_S: Final = 30
"""Wall seconds to wait for the scheduler, and for the first of its workers."""


@dataclass(frozen=True)
class ClusterTls:
    """Files in PEM by which this machine and the cluster know each other; see docs/how-to/dask.md.

    Raises:
        UsageError: one of them is not there.
    """

    ca: Path
    """The certificate of the authority that signs all others."""
    cert: Path
    key: Path

    def __post_init__(self) -> None:
        for path in (self.ca, self.cert, self.key):
            if not path.is_file():
                raise UsageError(
                    f"no file {path}, which --dask-ca, --dask-cert or --dask-key names"
                )


@dataclass(frozen=True)
class Wanted:
    """A client, in words that mean the same on every machine; see `find_client`."""

    argument: str
    server: str
    world: str
    soak: str
    """Distinguishes the workers of one soak from those of another."""


@dataclass(frozen=True)
class Told:
    """The answer of a process of the cluster."""

    fingerprint: str
    server_version: str
    trials: tuple[tuple[TrialResult, Failure | None], ...] = ()


class DaskBench:
    """Runs chunks on the cluster of the scheduler at an address, such as `tcp://127.0.0.1:8786`.

    `server` is as `find_client` takes it, and `given` a schedule in place of scenarios; `tls` is
    for an address that begins with `tls://`, if Dask's own settings are not enough. Each machine
    of the cluster finds the clients again: it installs a release, and a path must lead to the same
    thing there.

    Raises:
        UsageError: there is no such scheduler, it has no workers, they run another race-harness,
            or Dask is not installed here.
        ClientUnavailable, WorldBroken: as any bench, from any machine.
    """

    def __init__(
        self,
        address: str,
        clients: Sequence[ClientUnderTest],
        server: str,
        given: Schedule | None = None,
        tls: ClusterTls | None = None,
    ) -> None:
        self._given = given
        self._tls = tls
        self._address = address
        soak = uuid.uuid4().hex
        self._wanted = [
            # `latest` may mean another release elsewhere.
            Wanted(
                client.resolved_version if client.argument == "latest" else client.anywhere,
                *(server, client.world, soak),
            )
            for client in clients
        ]
        self._soak = soak
        self._server_versions: list[str] = []
        self._stack = contextlib.ExitStack()
        self._cluster: Client

    def __enter__(self) -> "DaskBench":
        with contextlib.ExitStack() as stack:
            self._cluster = stack.enter_context(_connect(self._address, self._tls))
            stack.callback(self._dismiss)
            with self._in_our_words():
                told = self._cluster.gather(self._cluster.map(get_ready, self._wanted, pure=False))
            self._server_versions = [self._checked(one).server_version for one in told]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stack.__exit__(exc_type, exc, tb)

    def server_version(self, position: int) -> str:
        return self._server_versions[position]

    def run(self, work: Work) -> None:
        from distributed import as_completed

        in_flight: dict[distributed.Future, Chunk] = {}
        ended = as_completed(loop=self._cluster.loop)
        while True:
            with self._in_our_words():
                for chunk in self._taken(work, self._room() - len(in_flight)):
                    wanted = self._wanted[chunk.key.position]
                    future = self._cluster.submit(
                        run_chunk, wanted, chunk, self._given, pure=False
                    )
                    in_flight[future] = chunk
                    ended.add(future)
                if not in_flight:
                    return
                future = next(ended)
                told = self._checked(future.result())
            chunk = in_flight.pop(future)
            for result, failure in told.trials:
                work.hear(chunk, result, failure)

    @staticmethod
    def _taken(work: Work, room: int) -> Iterator[Chunk]:
        for _ in range(room):
            chunk = None if work.over else work.take()
            if chunk is None:
                return
            yield chunk

    def _room(self) -> int:
        """How many chunks may be in flight; it changes, since workers come and go."""
        threads: dict[str, int] = self._cluster.nthreads()
        return max(1, AHEAD * sum(threads.values()))

    def _dismiss(self) -> None:
        # A cluster that went away has no workers to end.
        with contextlib.suppress(Exception):
            self._cluster.run(dismiss, self._soak)

    @contextlib.contextmanager
    def _in_our_words(self) -> Iterator[None]:
        from distributed import KilledWorker

        try:
            yield
        except KilledWorker as error:
            raise WorldBroken(
                f"a chunk ended one process of the cluster after another: {error}"
            ) from None
        # When the scheduler goes away, Dask cancels what is in flight.
        except (OSError, CancelledError) as error:
            raise WorldBroken(
                f"the cluster of {self._address} was lost ({error}); --resume goes on, with it or "
                "without"
            ) from None

    def _checked(self, told: Told) -> Told:
        if told.fingerprint != fingerprint():
            raise UsageError(
                f"a worker of {self._address} runs another race-harness, whose trials are not the "
                "same: install this one everywhere"
            )
        return told


@functools.cache
def _event_loop() -> "tuple[IOLoop, asyncio.AbstractEventLoop]":
    """A loop, Tornado's and asyncio's, that runs in a thread of its own as long as the process.

    Dask would start one, but fails with a bare AssertionError where that takes more than 10 s, as
    it can on a machine that stands still for a moment (distributed/utils.py, `LoopRunner`).
    """
    from tornado.ioloop import IOLoop

    running: Future[tuple[IOLoop, asyncio.AbstractEventLoop]] = Future()

    async def run() -> None:
        running.set_result((IOLoop.current(), asyncio.get_running_loop()))
        await asyncio.Event().wait()

    threading.Thread(target=asyncio.run, args=(run(),), name="Dask's loop", daemon=True).start()
    return running.result()


async def _knock(address: str, security: "Security") -> None:
    """Connect once, and hang up.

    If a client cannot connect, its constructor raises, and nobody can close it: the garbage
    collector does so, on any thread, and on the loop's own leaves a coroutine that nobody awaits.
    """
    from distributed.comm import connect

    arguments = security.get_connection_args("client")
    comm = await connect(address, timeout=PATIENCE_S, **arguments)
    await comm.close()


def _connect(address: str, tls: ClusterTls | None) -> "Client":
    with extra("dask", "--dask"):
        from distributed import Client, Security
    security = Security()
    if tls is not None:
        if not address.startswith("tls://"):
            raise UsageError(f"{address} is without TLS: write tls://, or leave --dask-ca out")
        security = Security(
            require_encryption=True,
            tls_ca_file=str(tls.ca),
            tls_client_cert=str(tls.cert),
            tls_client_key=str(tls.key),
        )
    loop, asyncio_loop = _event_loop()
    try:
        asyncio.run_coroutine_threadsafe(_knock(address, security), asyncio_loop).result()
        cluster = Client(
            address,
            timeout=PATIENCE_S,
            set_as_default=False,
            security=security,
            loop=loop,
        )
    # Without certificates, Dask raises a TypeError for an address with TLS.
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        hint = ""
        if tls is None and address.startswith("tls://"):
            hint = "; TLS needs --dask-ca, --dask-cert and --dask-key, or Dask's own settings"
        raise UsageError(f"no Dask scheduler answers at {address}: {reason}{hint}") from None
    try:
        cluster.wait_for_workers(1, timeout=PATIENCE_S)
    except TimeoutError:
        cluster.close()
        raise UsageError(
            f"the Dask scheduler at {address} has no workers: start some with `dask worker "
            f"{address}`"
        ) from None
    return cluster


# What follows runs on the cluster, in any thread.

_drawing = threading.Lock()
_finding = threading.Lock()
_found: dict[Wanted, ClientUnderTest] = {}
_idle: dict[Wanted, list[Workers]] = {}
_over: set[str] = set()
"""Soaks that have ended; workers that are still busy for them end when they are done."""
_keeping = threading.Lock()
"""Without this lock, workers could be kept for a soak that ends in between."""


def get_ready(wanted: Wanted) -> Told:
    """Find the client and import it."""
    with _working(wanted) as (_, workers):
        return Told(fingerprint(), workers.server_version)


def run_chunk(wanted: Wanted, chunk: Chunk, given: Schedule | None = None) -> Told:
    """Run the trials of a chunk.

    Raises:
        ClientUnavailable, WorldBroken: as `find_client` and `Workers` do.
    """
    with _drawing:
        scenario = library.load(chunk.key.scenario) if given is None else library.given(given)
        drawn = draw_batch(scenario, chunk.seed, chunk.batch)
    schedules = [drawn[number - chunk.batch * BATCH] for number in chunk.numbers]
    trials: list[tuple[TrialResult, Failure | None]] = []
    with _working(wanted) as (client, workers):
        for told, whole in workers.stream(schedules, "new"):
            result = replace(told, index=chunk.numbers[told.index])
            failure = None
            if whole is not None:
                schedule = schedules[told.index]
                failure = whole_failure(client, workers, schedule, result, whole)
            trials.append((result, failure))
        return Told(fingerprint(), workers.server_version, tuple(trials))


def dismiss(soak: str) -> None:
    """End the workers that a soak had in this process."""
    with _keeping:
        _over.add(soak)
        for wanted in [wanted for wanted in _idle if wanted.soak == soak]:
            for workers in _idle.pop(wanted):
                workers.close()
            _found.pop(wanted, None)


@contextlib.contextmanager
def _working(wanted: Wanted) -> Iterator[tuple[ClientUnderTest, Workers]]:
    """Workers for the caller alone: idle ones, or new ones."""
    with _finding:
        if wanted not in _found:
            _found[wanted] = find_client(
                wanted.argument, lambda _line: None, server=wanted.server, world=wanted.world
            )
        client = _found[wanted]
    with contextlib.ExitStack() as stack:
        idle = _idle.setdefault(wanted, [])
        try:
            workers = stack.enter_context(idle.pop())
        except IndexError:
            workers = stack.enter_context(client.workers())
            workers.wait_ready()
        yield client, workers
        # Not after an exception: they would answer the next request with this one's results.
        with _keeping:
            if wanted.soak not in _over:
                stack.pop_all()
                idle.append(workers)
