"""A conversation and the server that holds them: state, events and the order of their acts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from harness.schedule import Schedule
from harness.server.context import Context
from harness.server.event_log import EventLog
from harness.server.locks import StateLock
from harness.server.profile import Profile
from harness.server.pub_sub import PubSub, describe
from harness.server.rest_faults import RestFaults
from harness.server.run import Run
from harness.server.wire import FINAL, FULL_STATE, Event, EventFactory
from harness.trace import Trace

EPOCH = datetime(2026, 1, 1)


class AlreadyRunningError(Exception):
    """The conversation runs, or a run's tail has not cleared its task yet."""


class RunFailedError(Exception):
    """The run that was waited for ended in an error."""


class AgentServer:
    """Everything behind the app, made anew for each trial.

    `epoch` is the naive date and time at which the trace's clock says zero.
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
        self.conversations: dict[str, Conversation] = {}

    def create(self, request: Mapping[str, Any]) -> tuple["Conversation", bool]:
        """The conversation of `POST /api/conversations`, and whether it is new."""
        conversation_id = request.get("conversation_id") or self.context.new_id()
        known = self.conversations.get(conversation_id)
        if known is not None:
            return known, False
        conversation = Conversation(self.context, conversation_id, request)
        self.conversations[conversation_id] = conversation
        return conversation, True

    async def aclose(self) -> None:
        """Cancel every background task and await it.

        Raises:
            Exception: what a background task or a handler failed with before, which is always a
                mistake of the fake.
        """
        await self.context.aclose()


class Conversation:
    """`EventService` (event_service.py) around `LocalConversation` (local_conversation.py)."""

    def __init__(self, context: Context, conversation_id: str, request: Mapping[str, Any]) -> None:
        self.context = context
        self.id = conversation_id
        self.events = EventFactory(context)
        self.log = EventLog()
        self.pub_sub = PubSub(context)
        self.lock = StateLock(self._save)
        self.status = "idle"
        """In live memory."""
        self.unconfirmed: list[Event] = []
        """Actions that wait to be confirmed, or to be done again."""
        self._statistics: dict[str, Run] = {}
        """Whose they are, by the id of their event."""
        self._saved_status = "idle"
        """In base_state.json."""
        self.user_messages = 0
        """How many the user has sent so far."""
        self._created_at = context.timestamp()
        self._state = _initial_state(conversation_id, request)
        self._agent_ready = False
        self._run: Run | None = None
        self._run_task: asyncio.Task[None] | None = None
        self._run_check = asyncio.Lock()

    # Events and status

    async def emit(self, event: Event, run: int | None = None) -> None:
        """Persist and publish, in the order of the release (local_conversation.py,
        `__init__`)."""
        profile = self.context.profile
        if profile.publish_before_persist:
            # The frame's coroutine and the append are on different threads, so a client can
            # hold an event that the store does not have yet.
            self.pub_sub.schedule(event)
            await self._persist(event, run)
        else:
            await self._persist(event, run)
            self.pub_sub.schedule(event)
        if (
            profile.tracks_last_user_message
            and event["kind"] == "MessageEvent"
            and event["source"] == "user"
        ):
            await self.emit(self.events.state_update("last_user_message_id", event["id"]), run)

    async def set_status(
        self, status: str, run: int | None = None, assigned: Callable[[], None] | None = None
    ) -> None:
        """Assign, then tell: the event comes from the assignment (state.py, `__setattr__`), so
        live memory is ahead of the log, and the log of the socket.

        `assigned` is called between the two.
        """
        if status == self.status:
            return
        self.status = status
        self.context.trace.record("server", "status", status=status, run=run)
        if assigned is not None:
            assigned()
        await self.emit(self.events.state_update("execution_status", status), run)

    def tell_statistics(self, run: Run) -> None:
        """What an answer of the LLM has cost. A thread of its own appends that when it gets the
        state lock: up to 1.32 after the step, which may be the last one of the run
        (event_service.py, `_setup_stats_streaming` and `_emit_event_from_thread`)."""
        event = self.events.state_update("stats", {"usage_to_metrics": {}})
        self._statistics[event["id"]] = run
        self.context.spawn(self._append_statistics(event, run.number), "statistics")

    async def _append_statistics(self, event: Event, run: int) -> None:
        async with self.lock:
            if self.context.profile.stamps_statistics_late:
                self.events.stamp(event)
            await self.emit(event, run)

    async def read_status(self) -> str:
        """What REST says."""
        status = await self._status_of_release()
        flushing = self.context.timing.flushes_first and self.pub_sub.busy()
        return "running" if flushing and status in FINAL else status

    async def _status_of_release(self) -> str:
        if self.context.profile.status_from_persisted_state:
            return self._saved_status
        if self.context.profile.status_takes_state_lock:
            async with self.lock:
                return self.status
        return self.status

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[EventLog]:
        """The log as REST reads it."""
        async with AsyncExitStack() as stack:
            if self.context.profile.reads_block_loop:
                await stack.enter_async_context(self.context.event_loop)
            if self.context.profile.reads_take_state_lock:
                await stack.enter_async_context(self.lock)
            yield self.log

    def info(self, status: str) -> dict[str, Any]:
        """`ConversationInfo` (models.py)."""
        return self._state | {
            "execution_status": status,
            "title": None,
            "metrics": None,
            "created_at": self._created_at,
            "updated_at": self._created_at,
        }

    # Snapshots

    async def snapshot(self) -> Event:
        """A full state, which is never persisted. Building it waits for the state lock, and up
        to 1.16.0 the whole server waits with it."""
        async with self._state_read_by_server():
            await self.context.wait(self.context.timing.snapshot_ms)
            return self.events.state_update(
                FULL_STATE, self._state | {"execution_status": self.status}
            )

    async def publish_snapshot(self, run: Run | None = None) -> None:
        """What ends runs, pauses and interrupts (event_service.py, `_publish_state_update`).
        It goes to the subscribers without the lag of an event, yet on the same event loop, so
        never ahead of what was scheduled before it; where building it blocks that loop, ahead of
        what is scheduled meanwhile. A slow other subscriber makes only whoever waits for it wait
        longer."""

        def tell() -> None:
            number = None
            if run is not None:
                number, run.told = run.number, True
            status = event["value"]["execution_status"]
            self.context.trace.record("server", "snapshot", status=status, run=number)

        ahead = self.pub_sub.unsent()
        event = await self.snapshot()
        if self.context.profile.snapshot_blocks_loop:
            await self.pub_sub.publish_after(ahead, event, tell)
        else:
            await self.pub_sub.wait_for_frames()
            tell()
            await self.pub_sub.broadcast(event)
            await self.context.wait(self.context.timing.other_subscriber_ms)

    # What REST asks for

    async def open(self) -> None:
        """Once it is created, before that is answered. Nobody can have subscribed, so what is
        published here reaches nobody."""
        if self.context.profile.starts_agent_on_creation:
            async with self.lock:
                self._agent_ready = True
                await self._persist(self.events.system_prompt(), None)

    async def ensure_agent_ready(self) -> None:
        """The first message or run starts the agent, whose system prompt is then the first
        event (local_conversation.py, `_ensure_agent_ready`)."""
        if self._agent_ready:
            return
        async with self.lock:
            if not self._agent_ready:
                self._agent_ready = True
                await self.emit(self.events.system_prompt())

    async def send_message(self, content: list[dict[str, Any]], *, run: bool) -> None:
        """`run` starts a run too, unless there is one (as from 1.22.1 on)."""
        await self.ensure_agent_ready()
        async with self.lock:
            stuck_too = self.context.profile.stuck_can_go_on
            if self.status == "finished" or (self.status == "stuck" and stuck_too):
                await self.set_status("idle")
            self.user_messages += 1
            await self.emit(self.events.message(content))
        if run:
            with suppress(AlreadyRunningError):
                await self.start_run()

    async def start_run(self) -> None:
        """Check and start the background task (event_service.py, `run`).

        Raises:
            AlreadyRunningError: a task is there, or the status is `running`.
        """
        async with self._run_check:
            if self.context.profile.task_checked_first and self._run is not None:
                raise AlreadyRunningError
            async with self._state_read_by_server():
                running = self.status == "running"
            if running or self._run is not None:
                raise AlreadyRunningError
            self._run = Run(self, self.context.next_run())
            self.context.trace.record("server", "run-accepted", run=self._run.number)
            self._run_task = self.context.spawn(self._run.drive(), "run")
            if not self.context.profile.starts_in_thread:
                # The event loop gets round to the task before it answers, and is busy then.
                await asyncio.sleep(0)

    async def run_to_end(self) -> None:
        """Run in a worker thread, whatever else is going on, and wait for it (event_service.py,
        `run`, up to 1.6).

        Raises:
            RunFailedError: it ended in an error.
        """
        run = Run(self, self.context.next_run())
        self.context.trace.record("server", "run-accepted", run=run.number)
        await asyncio.wait({self.context.spawn(run.drive(), "run")})
        if run.failed:
            raise RunFailedError

    def clear_run(self) -> None:
        """From here on, another run is accepted."""
        self._run = None

    async def change_setting(self) -> None:
        """Secrets, confirmation policy and the like: each waits for the state lock, in an
        executor (local_conversation.py, `update_secrets`)."""
        async with self.lock:
            pass

    async def pause(self) -> None:
        """Takes effect at the next iteration of the run's loop, which examines the status."""
        await self._pause()
        await self.publish_snapshot()

    async def interrupt(self) -> None:
        """Cancel the run's wait and wait for its end, 5 s at most (event_service.py,
        `interrupt`); without a run or in the tail of one, pause."""
        run, task = self._run, self._run_task
        if run is None or run.over:
            await self._pause()
        else:
            run.interrupt()
        if run is not None and task is not None:
            await asyncio.wait({task}, timeout=5.0)
            if not task.done() and not self.context.profile.interrupt_spares_tail:
                task.cancel()
                await asyncio.wait({task})
                run.clear()
            if run.lost and task.done():
                # The handler, which has awaited the run, is cancelled with it.
                raise asyncio.CancelledError
        await self.publish_snapshot()

    async def close(self) -> None:
        """Upon deletion: sockets stay open and get nothing any more (event_service.py,
        `close`)."""
        self.pub_sub.clear()
        if self._run_task is not None:
            self._run_task.cancel()
            await asyncio.wait({self._run_task})

    async def _pause(self) -> None:
        if self.status == "paused":
            return
        async with self.lock:
            if self.status in ("idle", "running"):
                await self.set_status("paused")
                await self.emit(self.events.pause())

    async def _persist(self, event: Event, run: int | None) -> None:
        late_ms = self.context.late_ms("append")
        await self.context.wait(self.context.timing.persist_ms + late_ms)
        self.log.append(event)
        told = describe(event)
        told.pop("value", None)
        if run is not None:
            told["run"] = run
        statistics_of = self._statistics.get(event["id"])
        if statistics_of is not None and statistics_of.told:
            told["trailing"] = True
        self.context.trace.record("server", "persisted", **told)

    @asynccontextmanager
    async def _state_read_by_server(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if self.context.profile.snapshot_blocks_loop:
                await stack.enter_async_context(self.context.event_loop)
            await stack.enter_async_context(self.lock)
            yield

    def _save(self) -> None:
        """The outermost block under the state lock is left."""
        if self._saved_status == self.status:
            return
        self._saved_status = self.status
        if self.context.profile.status_from_persisted_state:
            self.context.trace.record("server", "status-readable", status=self.status)


def _initial_state(conversation_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """`ConversationState` (state.py) without its status, in the fields of every release."""
    workspace = {"kind": "LocalWorkspace", "working_dir": "workspace/project"}
    return {
        "id": conversation_id,
        "agent": request.get("agent"),
        "workspace": request.get("workspace") or workspace,
        "persistence_dir": f"workspace/conversations/{conversation_id}",
        "max_iterations": request.get("max_iterations") or 500,
        "stuck_detection": request.get("stuck_detection", True),
        "confirmation_policy": {"kind": "NeverConfirm"},
        "activated_knowledge_skills": [],
        "blocked_actions": {},
        "blocked_messages": {},
        "stats": {"usage_to_metrics": {}},
        "secret_registry": {"secret_sources": {}},
    }
