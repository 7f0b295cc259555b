"""One conversation of the fake server: its state, its events and their order."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from race_harness.network.whose import mark_of_message
from race_harness.server.disk import EMPTY_FILE, NO_SPACE, StorageError
from race_harness.server.fake.context import Context
from race_harness.server.fake.event_factory import EventFactory
from race_harness.server.fake.event_log import PersistedLog
from race_harness.server.fake.locks import StateLock
from race_harness.server.fake.pub_sub import PubSub
from race_harness.server.shown import statistics
from race_harness.server.wire import FINAL, FULL_STATE, Event, describe


@dataclass
class RunState:
    """What a conversation knows about one run."""

    number: int
    told: bool = False
    """Whether the snapshot after it was published."""


class Conversation:
    """State and events, after `LocalConversation` (local_conversation.py), and what `EventService`
    (event_service.py) publishes of it."""

    def __init__(self, context: Context, conversation_id: str, request: Mapping[str, Any]) -> None:
        self.context = context
        self.id = conversation_id
        self.events = EventFactory(context)
        self.log = PersistedLog(search_trips=context.profile.search_trips)
        self.pub_sub = PubSub(context)
        self.lock = StateLock(self._save)
        self.status = "idle"
        """The status in live memory."""
        self.unconfirmed: list[Event] = []
        """Actions that wait to be confirmed, or to be done again."""
        self._statistics: dict[str, RunState] = {}
        """The runs of statistics events, by the ids of the events."""
        self._paid_answers = 0
        self._saved_status, self._saved_answers, self._saved_head = "idle", 0, 0
        """The contents of base_state.json."""
        self._changed = self._unsaved = self._emptied = False
        """Whether the state has fields that are still to be saved; whether the last attempt to
        save them failed; whether that has left base_state.json empty."""
        self.user_messages = 0
        """How many messages the user has sent so far."""
        self._created_at = context.timestamp()
        self.request = request
        self._state = _initial_state(conversation_id, request)
        self.max_iterations: int = self._state["max_iterations"]
        """How many steps the agent may take in one run."""
        self._agent_ready = False

    # Events and status

    async def emit(self, event: Event, run: int | None = None) -> None:
        """Persist and publish an event, in the release's order (local_conversation.py,
        `__init__`).

        Raises:
            StorageError: the disk is full. Up to 1.44 the event is published all the same.
        """
        profile = self.context.profile
        if profile.publish_before_persist:
            # The frame's coroutine and the append run on different threads, so a client can have
            # an event before the store does.
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
            await self._change("last_user_message_id", event["id"], run)

    async def set_status(
        self, status: str, run: int | None = None, assigned: Callable[[], None] | None = None
    ) -> None:
        """Assign the status, then emit it: the assignment makes the event (state.py,
        `__setattr__`), so live memory is ahead of the log, and the log is ahead of the socket.

        `assigned` is called between the two.

        Raises:
            StorageError: the disk is full. It is assigned all the same.
        """
        if status == self.status:
            return
        self.status = status
        self.context.trace.record("server", "status", status=status, run=run)
        if assigned is not None:
            assigned()
        await self._change("execution_status", status, run)

    async def _change(self, key: str, value: str, run: int | None) -> None:
        """Save a field of the state that was assigned, and tell it. What telling raises is logged
        and no more (state.py, `__setattr__`), what saving raises is not."""
        self._changed = True
        if not (self.context.profile.saves_state_late and self.lock.open):
            self._store()
        with suppress(StorageError):
            await self.emit(self.events.state_update(key, value), run)

    def pay(self) -> None:
        """Add the price of an answer of the LLM to the state, which has it at once."""
        self._paid_answers += 1

    def tell_statistics(self, run: RunState) -> None:
        """Emit what an answer of the LLM has cost. A separate thread appends that when it gets the
        state lock: up to 1.32 after the step, which may be the last one of the run
        (event_service.py, `_setup_stats_streaming` and `_emit_event_from_thread`)."""
        event = self.events.state_update("stats", statistics(self._paid_answers))
        self._statistics[event["id"]] = run
        self.context.spawn(self._append_statistics(event, run.number), "statistics")

    async def _append_statistics(self, event: Event, run: int) -> None:
        # What it raises, nobody gets to know.
        with suppress(StorageError):
            async with self.lock:
                if self.context.profile.stamps_statistics_late:
                    self.events.stamp(event)
                await self.emit(event, run)

    async def read_status(self) -> str:
        """Return the status that REST shows."""
        status = await self._status_of_release()
        flushing = self.context.timing.flushes_first and self.pub_sub.busy()
        return "running" if flushing and status in FINAL else status

    async def _status_of_release(self) -> str:
        if self.context.profile.status_from_persisted_state:
            if self._emptied:
                # `_load_persisted_state_sync` (conversation_service.py).
                raise StorageError("ValidationError", "Invalid JSON: EOF while parsing a value")
            return self._saved_status
        if self.context.profile.status_takes_state_lock:
            async with self.lock:
                return self.status
        return self.status

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[PersistedLog]:
        """Give the log to a REST request, which waits as long as the release does."""
        async with AsyncExitStack() as stack:
            if self.context.profile.reads_block_loop:
                await stack.enter_async_context(self.context.event_loop)
            if self.context.profile.reads_take_state_lock:
                await stack.enter_async_context(self.lock)
            yield self.log

    def info(self, status: str) -> dict[str, Any]:
        """Return a `ConversationInfo` (models.py)."""
        return self._live_state(status) | {
            "title": None,
            "metrics": None,
            "created_at": self._created_at,
            "updated_at": self._created_at,
        }

    # Snapshots

    async def snapshot(self) -> Event:
        """Make a full state, which is never persisted. This waits for the state lock, and up to
        1.16.0 the whole server waits with it."""
        async with self.state_read_by_server():
            await self.context.wait(self.context.timing.snapshot_ms)
            return self.events.state_update(FULL_STATE, self._live_state(self.status))

    def _live_state(self, status: str) -> dict[str, Any]:
        return self._state | {
            "execution_status": status,
            "stats": statistics(self._paid_answers),
        }

    async def publish_snapshot(self, run: RunState | None = None) -> None:
        """Publish the snapshot that ends runs, pauses and interrupts (event_service.py,
        `_publish_state_update`).

        It goes to the subscribers without the lag of an event, but on the same event loop, so
        never ahead of what was scheduled before it. If building it blocks that loop, it goes ahead
        of what is scheduled meanwhile. A slow other subscriber delays only the caller.
        """

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
            turn = await self.pub_sub.turn()
            tell()
            await self.pub_sub.broadcast(event, turn)
            await self.pub_sub.wait_for_other()

    # What REST asks for

    async def open(self) -> None:
        """Once it is created, before that is answered. Nobody can have subscribed, so what is
        published here reaches nobody."""
        for number in range(self.context.script.history):
            content = [{"type": "text", "text": f"What was said before, no. {number + 1}."}]
            self._append(self.events.message(content), None)
        if self.context.profile.starts_agent_on_creation:
            async with self.lock:
                self._agent_ready = True
                await self._persist(self.events.system_prompt(), None)

    async def ensure_agent_ready(self) -> None:
        """Start the agent with the first message or run; its system prompt is the first event
        (local_conversation.py, `_ensure_agent_ready`)."""
        if self._agent_ready:
            return
        async with self.lock:
            if not self._agent_ready:
                await self.emit(self.events.system_prompt())
                self._agent_ready = True

    async def add_message(self, content: list[dict[str, Any]]) -> None:
        """Add a message of the user."""
        await self.ensure_agent_ready()
        async with self.lock:
            stuck_too = self.context.profile.stuck_can_go_on
            if self.status == "finished" or (self.status == "stuck" and stuck_too):
                await self.set_status("idle")
            await self.emit(self.events.message(content))
            self.user_messages += 1

    async def change_setting(self) -> None:
        """Change secrets, confirmation policy and the like, each of which waits for the state lock
        in an executor (local_conversation.py, `update_secrets`)."""
        async with self.lock:
            pass

    async def pause(self) -> None:
        """Pause. It takes effect at the next iteration of the run's loop, which checks the
        status."""
        await self.set_paused()
        await self.publish_snapshot()

    async def set_paused(self) -> None:
        """Set the status, unless the run is over."""
        if self.status == "paused":
            return
        async with self.lock:
            if self.status in ("idle", "running"):
                await self.set_status("paused")
                await self.emit(self.events.pause())

    async def reject(self, reason: str) -> None:
        """Reject each pending action. The list of these is read before the lock is acquired
        (local_conversation.py, `reject_pending_actions`)."""
        self.trip()
        pending = self._unmatched()
        async with self.lock:
            if self.status == "waiting_for_confirmation":
                await self.set_status("idle")
            for action in pending:
                await self.emit(self.events.rejection(action, reason))
            self.unconfirmed = [each for each in self.unconfirmed if each not in pending]

    async def _persist(self, event: Event, run: int | None) -> None:
        late_ms = self.context.late_ms("append")
        await self.context.wait(self.context.timing.persist_ms + late_ms)
        self._append(event, run)

    def _append(self, event: Event, run: int | None) -> None:
        """Append an event to the log.

        `LocalFileStore.write` (io/local.py) opens, which empties a file, and then writes; an
        append counts the files that are there (event_store.py, `_sync_from_disk`).
        """
        told = describe(event)
        told.pop("value", None)
        self.log.notice_empty()
        if self.context.disk.full:
            self.log.leave_empty()
            self.context.trace.record("server", "unwritten", **told)
            raise StorageError(*NO_SPACE)
        self.context.note("event", self.id, event)
        self.log.append(event)
        self._changed = self._changed or self.context.profile.head_in_state
        if run is not None:
            told["run"] = run
        statistics_of = self._statistics.get(event["id"])
        if statistics_of is not None and statistics_of.told:
            told["trailing"] = True
        self.context.trace.record("server", "persisted", **told, **_mark(event))

    @asynccontextmanager
    async def state_read_by_server(self) -> AsyncIterator[None]:
        """Hold the state lock, for which the whole server waits up to 1.16.0."""
        async with AsyncExitStack() as stack:
            if self.context.profile.snapshot_blocks_loop:
                await stack.enter_async_context(self.context.event_loop)
            await stack.enter_async_context(self.lock)
            yield

    def _save(self) -> None:
        """Called at the end of the outermost block under the state lock. What cannot be saved is
        tried again at the end of the next one, whoever's that is (state.py, `__exit__`)."""
        if self.context.profile.saves_state_late and (self._changed or not self.context.disk.full):
            self._store()

    def _store(self) -> None:
        """Raises StorageError if the disk is full."""
        trace = self.context.trace
        if self.context.disk.full:
            self._emptied = self.context.profile.empties_before_writing
            self._unsaved = True
            trace.record("server", "unsaved")
            raise StorageError(*NO_SPACE)
        if self._unsaved:
            trace.record("server", "saved")
        self._changed = self._unsaved = self._emptied = False
        before, self._saved_status = self._saved_status, self.status
        self._saved_answers, self._saved_head = self._paid_answers, len(self.log)
        saved = self._saved_status, self._saved_answers, self._saved_head
        self.context.note("saved", self.id, *saved)
        if before != self.status and self.context.profile.status_from_persisted_state:
            trace.record("server", "status-readable", status=self.status)

    def trip(self) -> None:
        """What the agent does first in each step, and whoever rejects: go through the whole log
        for pending actions, from its end (state.py, `get_unmatched_actions`).

        Raises:
            StorageError: one of its files is empty.
        """
        if self.log.empty_noticed and self.context.profile.trips_over_empty_files:
            raise StorageError(*EMPTY_FILE)

    def find_pending(self) -> None:
        """What is pending by the log alone is what the next run begins with."""
        self.unconfirmed = self._unmatched()

    # After a crash of the process

    def recall(self, what: str, *values: Any) -> None:
        """Take as persisted what another process has noted of it, which was to die."""
        match what:
            case "created":
                (self._created_at,) = values
            case "event":
                self.log.append(*values)
            case "saved":
                self._saved_status, self._saved_answers, self._saved_head = values

    def take_up(self, died: "Conversation") -> None:
        """Take over what the dead process persisted of this conversation."""
        self.log = died.log
        self.status = self._saved_status = died._saved_status
        self._paid_answers = self._saved_answers = died._saved_answers
        self._created_at = died._created_at
        self._agent_ready = self.log.has("SystemPromptEvent")
        head = died._saved_head if self.context.profile.head_in_state else len(self.log)
        self._saved_head = head
        self.unconfirmed = self._unmatched(head)

    def _unmatched(self, head: int | None = None) -> list[Event]:
        """Return the pending actions before the head; None: all of them."""
        errors_answer = not self.context.profile.repeats_failed_calls
        return self.log.unmatched(head, errors_answer=errors_answer)

    async def recover(self, run: int) -> None:
        """End a run that died with its process (event_service.py, `start`). Nobody can be
        subscribed yet."""
        if self.status != "running" or not self.context.profile.recovers_runs:
            return

        def ended() -> None:
            trace = self.context.trace
            trace.record("server", "run-ended", run=run, status="error", recovered=True)

        head = self._saved_head
        await self.set_status("error", assigned=ended)
        lost = self._unmatched()
        if lost:
            await self.emit(self.events.failed_tool(lost[0], "A restart occurred meanwhile."))
        self.unconfirmed = self._unmatched(head)


def _mark(event: Event) -> dict[str, Any]:
    if event["kind"] != "MessageEvent":
        return {}
    content = event["llm_message"]["content"]
    return mark_of_message(part.get("text") for part in content)


def _initial_state(conversation_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return `ConversationState` (state.py) without its status and statistics, with the fields
    that every release has."""
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
        "secret_registry": {"secret_sources": {}},
    }
