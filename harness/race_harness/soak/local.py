"""The bench of this machine: it keeps workers for each client, and all jobs share one chunk."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from race_harness.campaign.campaign import whole_failure
from race_harness.campaign.resolve import ClientUnderTest
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search.draw import BATCH, draw_batch
from race_harness.soak.bench import Chunk, Work
from race_harness.workers.pool import Workers

_Wanted = tuple[str, int, int]
"""Scenario, seed and batch."""


class LocalBench:
    """Runs chunks on workers that it starts.

    Chunks for the same client follow one another without a pause; while one runs, the batch of the
    next is drawn.

    Raises:
        WorldBroken, ClientUnavailable: see `Workers`.
    """

    def __init__(
        self,
        clients: Sequence[ClientUnderTest],
        scenarios: Mapping[str, Scenario],
        jobs: int,
    ) -> None:
        self._clients = clients
        self._drawing = _Drawing(scenarios)
        self._stack = ExitStack()
        self._jobs = jobs
        self._workers: list[Workers] = []
        self._following: Chunk | None = None

    def __enter__(self) -> "LocalBench":
        with ExitStack() as stack:
            stack.enter_context(self._drawing)
            # All workers import their clients at the same time.
            self._workers = [
                stack.enter_context(client.workers(self._jobs)) for client in self._clients
            ]
            for workers in self._workers:
                workers.wait_ready()
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
        return self._workers[position].server_version

    def run(self, work: Work) -> None:
        while (chunk := self._following or work.take()) is not None:
            self._following = None
            self._run_from(chunk, work)

    def _run_from(self, chunk: Chunk, work: Work) -> None:
        """Run the chunk, and those that follow for the same client."""
        position = chunk.key.position
        client, workers = self._clients[position], self._workers[position]
        running: dict[int, tuple[Chunk, int, Schedule]] = {}

        def schedules() -> Iterator[Schedule]:
            for sent, trial in enumerate(self._trials(chunk, work)):
                running[sent] = trial
                yield trial[2]

        for told, whole in workers.stream(schedules(), "new"):
            its_chunk, number, schedule = running.pop(told.index)
            result = replace(told, index=number)
            failure = None
            if whole is not None:
                failure = whole_failure(client, workers, schedule, result, whole)
            work.hear(its_chunk, result, failure, schedule)

    def _trials(self, chunk: Chunk, work: Work) -> Iterator[tuple[Chunk, int, Schedule]]:
        following: Chunk | None = chunk
        while following is not None:
            if following.key.position != chunk.key.position:
                # Other workers run it, when these are done.
                self._following = following
                return
            batch = self._drawing.batch(following, work.ahead())
            for number in following.numbers:
                if work.over:
                    return
                yield following, number, batch[number - following.batch * BATCH]
            following = work.take()


class _Drawing:
    """Draws batches ahead of their use, on a thread of its own."""

    def __init__(self, scenarios: Mapping[str, Scenario]) -> None:
        self._scenarios = scenarios
        # One thread: see draw_batch.
        self._thread = ThreadPoolExecutor(1, "drawing")
        self._drawn: dict[_Wanted, Future[list[Schedule]]] = {}

    def __enter__(self) -> "_Drawing":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def batch(self, chunk: Chunk, ahead: tuple[str, int] | None) -> list[Schedule]:
        """The batch of a chunk; meanwhile the next one is drawn."""
        now = chunk.key.scenario, chunk.seed, chunk.batch
        drawn = {now: self._drawn.get(now) or self._begin(now)}
        if ahead is not None:
            later = ahead[0], chunk.seed, ahead[1]
            drawn[later] = self._drawn.get(later) or drawn.get(later) or self._begin(later)
        # Nothing else is kept. The clients' chunks of one batch follow one another.
        self._drawn = drawn
        return drawn[now].result()

    def _begin(self, wanted: _Wanted) -> Future[list[Schedule]]:
        scenario, seed, batch = wanted
        return self._thread.submit(draw_batch, self._scenarios[scenario], seed, batch)
