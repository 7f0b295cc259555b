"""What all parts of one server share: the schedule, the trace, time, ids and the event loop."""

import asyncio
import copy
import random
from collections import Counter, defaultdict
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.server.disk import Disk
from race_harness.server.fake.locks import EventLoop
from race_harness.server.handover import Handover
from race_harness.server.profile import Profile
from race_harness.server.wall_clock import OwnClock, WallClock


class Context:
    """Deterministic: ids come from the schedule's entropy, times from the trace's clock."""

    def __init__(
        self, schedule: Schedule, trace: Trace, profile: Profile, epoch: datetime
    ) -> None:
        self.script = schedule.script
        self.timing = schedule.server
        self.trace = trace
        self.profile = profile
        self.event_loop = EventLoop()
        """Held by whatever keeps the real server's single event loop busy. Meanwhile the server
        receives, answers and sends nothing: see `loop_turn`."""
        self._epoch = epoch
        self.clock = OwnClock(self.timing, trace)
        self.wall_clock = WallClock(self.timing, trace, lambda: self.clock.now_ns() // 1000)
        self.disk = Disk(self.timing, trace)
        self._entropy = schedule.entropy
        self._random = random.Random(schedule.entropy)
        self._late: defaultdict[tuple[str, int], float] = defaultdict(float)
        for late in self.timing.late:
            self._late[late.what, late.nth] += late.for_ms
        self._acts: Counter[str] = Counter()
        self._runs = 0
        self._requests = 0
        self._tasks: dict[asyncio.Task[None], None] = {}  # In order of their start.
        self._failures: list[BaseException] = []
        self._handover: Handover | None = None

    def of_next_process(self) -> "Context":
        """Return the context of the process that replaces this one: no task is running, and all
        counters continue."""
        context = copy.copy(self)
        context.event_loop, context._tasks = EventLoop(), {}
        return context

    def keep(self, handover: Handover) -> None:
        """Go on counting where a process before this one has stopped."""
        entries = [*handover.entries("act", "run", "asked")]
        for what, *values in entries:
            self._acts.update(values if what == "act" else ())
            self._runs += what == "run"
            self._requests += what == "asked"
        if entries:
            # Never the ids that were given before.
            self._random = random.Random(f"{self._entropy} {len(entries)}")
        self._handover = handover

    def note(self, kind: str, *values: Any) -> None:
        """For a process that takes this one's place, where there may be one."""
        if self._handover is not None:
            self._handover.note(kind, *values)

    @property
    def runs(self) -> int:
        """How many runs the server has accepted."""
        return self._runs

    async def wait(self, milliseconds: float) -> None:
        """Let time pass; zero does not even yield."""
        if milliseconds:
            await asyncio.sleep(milliseconds / 1000)

    def late_ms(self, what: Literal["append", "publication"]) -> float:
        """Return how much longer than others the next append or publication takes."""
        self._acts[what] += 1
        self.note("act", what)
        return self._late.get((what, self._acts[what]), 0.0)

    def rest_late_ms(self, what: Literal["request", "answer"], number: int) -> float:
        """Return how much longer than others a request waits until it is served, or its answer
        until it is sent."""
        return self._late.get((what, number), 0.0)

    async def loop_turn(self) -> None:
        """Wait until the real server's event loop would run something that is ready."""
        await self.event_loop.turn()

    async def loop_look(self) -> None:
        """Wait until the real server's event loop would notice what has arrived at a socket."""
        await self.event_loop.arrive()

    def new_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def timestamp(self) -> str:
        """Return a naive ISO timestamp with microseconds. Clients sort by it."""
        at = self._epoch + timedelta(microseconds=self.wall_clock.stamp_us())
        return at.isoformat(timespec="microseconds")

    def next_run(self) -> int:
        self._runs += 1
        self.note("run")
        return self._runs

    def next_request(self) -> int:
        self._requests += 1
        return self._requests

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a background task. If it is still running, `aclose` ends it."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def note_failure(self, failure: BaseException) -> None:
        """Keep a failure of the fake itself, which `aclose` will raise."""
        self._failures.append(failure)
        if self._handover is not None:
            self._handover.failed(failure)

    async def aclose(self) -> None:
        """Cancel and await every background task; raise the first failure of the server."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failures:
            raise self._failures[0]

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.note_failure(failure)
