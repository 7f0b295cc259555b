"""The server behind the app: its conversations, and the runs that each of them accepts."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.network import whose
from race_harness.server.disk import NO_SPACE, StorageError
from race_harness.server.fake.context import Context
from race_harness.server.fake.conversation import Conversation
from race_harness.server.fake.run import Run
from race_harness.server.handover import Handover
from race_harness.server.process import tell_restarted
from race_harness.server.profile import Profile
from race_harness.server.rest_faults import RestFaults

EPOCH = datetime(2026, 1, 1)
LEASE_NS = 45_000_000_000
LEASE_RENEWED_NS = 15_000_000_000
"""How long a lease lasts, and how often it is renewed (conversation_lease.py,
event_service.py)."""


class AlreadyRunningError(Exception):
    """The conversation runs, or a run's tail has not cleared its task yet."""


class FailedRunError(Exception):
    """The run for which a request waited ended in an error."""


class AgentServer:
    """Everything behind the app; each trial makes a new one.

    `epoch` is the naive date and time at which the trace's clock is zero.
    """

    def __init__(
        self,
        schedule: Schedule,
        trace: Trace,
        profile: Profile,
        *,
        session_api_keys: frozenset[str] = frozenset(),
        epoch: datetime = EPOCH,
    ) -> None:
        self.context = Context(schedule, trace, profile, epoch)
        self.trace = trace
        self.profile = profile
        self.rest_faults = RestFaults(schedule.rest, trace)
        self.session_api_keys = session_api_keys
        self.conversations: dict[str, EventService] = {}

    def create(self, request: Mapping[str, Any]) -> tuple["EventService", bool]:
        """Return the conversation of `POST /api/conversations`, and whether it is new.

        Raises:
            StorageError: the disk is full.
        """
        conversation_id = request.get("conversation_id") or self.context.new_id()
        known = self.conversations.get(conversation_id)
        if known is not None:
            return known, False
        if self.context.disk.full:
            raise StorageError(*NO_SPACE)
        conversation = EventService(self.context, conversation_id, request)
        self.conversations[conversation_id] = conversation
        conversation.note_creation()
        return conversation, True

    def keep(self, handover: Handover) -> None:
        """Know what processes before this one had persisted, as if this were the last of them."""
        kinds = ("created", "leased", "event", "saved", "gone")
        for what, conversation_id, *values in handover.entries(*kinds):
            if what == "gone":
                del self.conversations[conversation_id]
            elif what == "created":
                request, *values = values
                conversation = EventService(self.context, conversation_id, request)
                self.conversations[conversation_id] = conversation
                conversation.recall(what, *values)
            else:
                self.conversations[conversation_id].recall(what, *values)
        self.context.keep(handover)
        self.rest_faults.keep(handover)

    def forget(self, conversation_id: str) -> None:
        """For this process, and those after it."""
        self.conversations.pop(conversation_id, None)
        self.context.note("gone", conversation_id)

    async def restart(self) -> None:
        """Start again as another process, with what this one persisted (conversation_service.py,
        `__aenter__`)."""
        died, self.conversations = self.conversations, {}
        self.context = self.context.of_next_process()
        status = None
        for conversation_id, before in died.items():
            if before.is_leased() or not self.profile.keeps_conversations:
                self.forget(conversation_id)
                continue
            conversation = EventService(self.context, conversation_id, before.request)
            conversation.take_up(before)
            await conversation.recover(self.context.runs)
            conversation.note_lease()
            self.conversations[conversation_id] = conversation
            status = conversation.status
        tell_restarted(self.trace, status)

    async def aclose(self) -> None:
        """Cancel every background task and await it.

        Raises:
            Exception: an earlier failure of a background task or a handler, which is always a bug
                in the fake.
        """
        await self.context.aclose()


class EventService(Conversation):
    """A conversation and its current run (event_service.py, `EventService`)."""

    def __init__(self, context: Context, conversation_id: str, request: Mapping[str, Any]) -> None:
        super().__init__(context, conversation_id, request)
        self._run: Run | None = None
        self._run_task: asyncio.Task[None] | None = None
        self._run_check = asyncio.Lock()
        self._stranded = False
        """Whether a message with `run: true` came while a run was on that may not read it any
        more."""
        self._stops = 0
        """How often somebody has asked for a pause or an interrupt, from 1.25 on."""
        self._leased_ns = context.clock.now_ns()
        """When its lease began, by the server's own clock."""

    def note_creation(self) -> None:
        self.context.note("created", self.id, self.request, self._created_at)
        self.note_lease()

    def note_lease(self) -> None:
        self.context.note("leased", self.id, self._leased_ns)

    def recall(self, what: str, *values: Any) -> None:
        if what == "leased":
            (self._leased_ns,) = values
        else:
            super().recall(what, *values)

    def is_leased(self) -> bool:
        """Whether its lease, last renewed while the server lived, has not run out yet."""
        if not self.context.profile.lease_outlives_server:
            return False
        died = next(h for h in reversed(self.context.trace.happenings) if h.what == "crashed")
        clock = self.context.clock
        renewals = (clock.at_ns(died.at_ns) - self._leased_ns) // LEASE_RENEWED_NS
        renewed_ns = self._leased_ns + renewals * LEASE_RENEWED_NS
        # The lease's end is written down by the wall clock.
        wall = self.context.wall_clock
        stepped_ns = 1000 * (wall.ahead_us() - wall.ahead_us(clock.instant_ns(renewed_ns)))
        return clock.now_ns() + stepped_ns < renewed_ns + LEASE_NS

    async def send_message(self, content: list[dict[str, Any]], *, run: bool) -> None:
        """Add a message; with `run`, also start a run unless there is one (as from 1.22.1 on). If
        that one is in its tail, another follows (`_rerun`)."""
        stops = self._stops
        await self.add_message(content)
        if not run or stops != self._stops:
            return
        try:
            await self.start_run(stops)
        except AlreadyRunningError:
            self._stranded = self.context.profile.reruns_for_messages

    async def confirm(self) -> None:
        """Run, unless there is a run already (event_service.py, `respond_to_confirmation`).

        Raises:
            FailedRunError: up to 1.6, where it waits for the end, if the run fails.
        """
        if self.context.profile.answers_when_run_ends:
            await self.run_to_end()
        else:
            with suppress(AlreadyRunningError):
                await self.start_run()

    async def reject(self, reason: str) -> None:
        if self.context.profile.rejects_by_pausing:
            await self.pause()
        else:
            await super().reject(reason)

    async def pause(self) -> None:
        self._stop()
        await super().pause()

    def _stop(self) -> None:
        if self.context.profile.stops_prevent_reruns:
            self._stops += 1
            self._stranded = False

    async def start_run(self, stops: int | None = None) -> None:
        """Check and start the background task (event_service.py, `run`), unless somebody has
        stopped the conversation since the counter was at `stops`.

        Raises:
            AlreadyRunningError: there is a task already, or the status is `running`.
        """
        async with self._run_check:
            if self.context.profile.task_checked_first and self._run is not None:
                raise AlreadyRunningError
            async with self.state_read_by_server():
                running = self.status == "running"
            if running or self._run is not None:
                raise AlreadyRunningError
            if stops not in (None, self._stops):
                return
            self._run = run = Run(self, self.context.next_run(), self._clear_run)
            self.context.trace.record("server", "run-accepted", run=run.number, **whose.mark())
            self._run_task = self.context.spawn(self._drive(run), "run")
            if not self.context.profile.starts_in_thread:
                # The event loop begins the task before it answers, and is busy then.
                await asyncio.sleep(0)

    async def _drive(self, run: Run) -> None:
        with suppress(StorageError):
            await run.drive()
            await self._rerun()

    async def _rerun(self) -> None:
        """Run once more for a message that came in the tail of a run (event_service.py,
        `_run_and_publish`). The client never sends such a message, so this is somebody else's
        run."""
        if not self._stranded:
            return
        self._stranded = False
        stops = self._stops
        async with self.lock:
            status = self.status
        if status == "idle" and stops == self._stops:
            whose.asks.set(True)
            try:
                await self.start_run()
            except AlreadyRunningError:
                self._stranded = self.context.profile.stops_prevent_reruns

    async def run_to_end(self) -> None:
        """Run in a worker thread, even if another run is going on, and wait for the end
        (event_service.py, `run`, up to 1.6).

        Raises:
            FailedRunError: the run ended in an error.
        """
        run = Run(self, self.context.next_run(), self._clear_run)
        self.context.trace.record("server", "run-accepted", run=run.number, **whose.mark())
        await asyncio.wait({self.context.spawn(run.drive(), "run")})
        if run.failed:
            raise FailedRunError

    async def interrupt(self) -> None:
        """Cancel what the run is waiting for, and wait for its end for 5 s at most
        (event_service.py, `interrupt`); without a run, or in the tail of one, pause."""
        self._stop()
        run, task = self._run, self._run_task
        if run is None or run.over:
            await self.set_paused()
        else:
            run.interrupt()
        if run is not None and task is not None:
            await asyncio.wait({task}, timeout=5.0)
            if not task.done() and not self.context.profile.interrupt_spares_tail:
                task.cancel()
                await asyncio.wait({task})
                run.clear()
            if run.lost and task.done():
                # The handler awaits the run, and is cancelled with it.
                raise asyncio.CancelledError
        await self.publish_snapshot()

    async def close(self) -> None:
        """Close a deleted conversation: its sockets stay open but get nothing any more
        (event_service.py, `close`)."""
        self.pub_sub.clear()
        if self._run_task is not None:
            self._run_task.cancel()
            await asyncio.wait({self._run_task})

    def _clear_run(self) -> None:
        """Allow the next run."""
        self._run = None
