"""One run of a conversation, from the start of its background task to the snapshot after it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from race_harness.server.disk import EMPTY_FILE, StorageError
from race_harness.server.fake.conversation import Conversation, RunState
from race_harness.server.wire import Event

PENDING_TIMEOUT_S = 30.0
"""How long a run's tail waits for each publication (event_service.py, `_run_and_publish`)."""


class _StepError(Exception):
    """The step fails, as it does when the LLM's provider refuses."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class _InterruptedRunError(Exception):
    """`interrupt()` cancelled what the step was waiting for."""


class Run(RunState):
    """Does what upstream does in `_run_and_publish` (event_service.py) around `run` and `arun`
    (local_conversation.py)."""

    def __init__(
        self, conversation: Conversation, number: int, cleared: Callable[[], None]
    ) -> None:
        """`cleared` is called as soon as another run may be accepted."""
        super().__init__(number)
        self._cleared = cleared
        self._conversation = conversation
        self._context = conversation.context
        self._profile = conversation.context.profile
        self._turn = conversation.context.script.turn(number)
        self._denials_left = self._turn.stop_hook_denials if self._profile.has_stop_hooks else 0
        self._steps_left = conversation.max_iterations
        self._calls = 0
        """Tool calls that the LLM has asked for."""
        self._used = 0
        """How often the agent has used a tool."""
        self._empty_files_before = conversation.log.empty
        self._started = False
        self._ended: str | None = None
        """The status that was recorded as its end; a message may have revived it since."""
        self._open_actions: list[Event] = []
        self._interrupt = asyncio.Event()
        self.over = False
        """Whether the agent has left its loop."""
        self.lost = False
        """Whether it was cancelled while the agent started."""
        self.failed = False
        """Whether a step failed."""

    def interrupt(self) -> None:
        """Cancel what the agent is waiting for, now or the next time."""
        self._interrupt.set()

    async def drive(self) -> None:
        """The background task: the agent's loop, then the tail.

        Raises:
            StorageError: the disk is full, and the state that the snapshot is of cannot be saved.
        """
        try:
            await self._run()
        except StorageError as error:
            self.failed = True
            self._leave()
            await self._mark(error)
        await self._tail()

    async def _run(self) -> None:
        """`run` and `arun`: only what comes after the status `running` has a handler."""
        if self._profile.starts_in_thread:
            # REST still answers with the old status.
            await self._start()
        async with self._on_its_thread():
            if not self._profile.starts_in_thread:
                await self._start()
            if not self.lost:
                await self._begin()
                try:
                    await self._loop()
                except (_StepError, StorageError) as error:
                    self.failed = True
                    await self._fail(error)
                except _InterruptedRunError:
                    await self._give_in()
            self._leave()

    def _leave(self) -> None:
        """The agent's loop is left."""
        if not self._started:
            self._tell_started()
        status = self._conversation.status
        if self._ended is None or (status == "paused" and status != self._ended):
            self._end()  # The loop found nothing to do, or a pause.
        self.over = True

    def _tell_started(self) -> None:
        self._started = True
        self._context.trace.record("server", "run-started", run=self.number)

    async def _start(self) -> None:
        """Start the agent. If upstream awaits that (`arun`), an interrupt cancels it. Nothing
        catches the cancellation, so there is neither `paused` nor an event."""
        interruptible = self._profile.runs_on_loop and self._profile.starts_in_thread
        start_ms = self._context.timing.start_ms
        if interruptible:
            with suppress(TimeoutError):
                async with asyncio.timeout(start_ms / 1000):
                    await self._interrupt.wait()
                    self.lost = True
                    return
        else:
            await self._context.wait(start_ms)
        await self._conversation.ensure_agent_ready()

    @asynccontextmanager
    async def _on_its_thread(self) -> AsyncIterator[None]:
        """Run the loop's code in its place: on the event loop, which it keeps busy between its
        awaits (`arun`), or in a worker thread (`run`)."""
        async with AsyncExitStack() as stack:
            if self._profile.runs_on_loop:
                await stack.enter_async_context(self._context.event_loop)
            yield

    async def _begin(self) -> None:
        conversation = self._conversation
        async with conversation.lock:
            self._tell_started()
            starts_from = {"idle", "paused", "error"}
            if self._profile.stuck_can_go_on:
                starts_from.add("stuck")
            # A finished conversation without a new message does not become `running`: its loop
            # ends at once, and a client gets nothing but the tail.
            if conversation.status in starts_from:
                await conversation.set_status("running", self.number)
            if self._context.script.strange == "kind":
                await conversation.emit(conversation.events.strange(), self.number)

    async def _loop(self) -> None:
        # Between iterations the lock is free, and goes to whoever has waited longest.
        while await self._iteration():
            pass

    async def _iteration(self) -> bool:
        """Do one turn of upstream's `while` under the state lock; False ends the loop."""
        conversation = self._conversation
        async with conversation.lock:
            if conversation.status in ("paused", "stuck"):
                return False
            if conversation.status == "finished":
                # Stop hooks are asked only here, so everyone could see `finished` in between.
                return await self._denied_by_stop_hook()
            outcome = self._turn.outcome if self._out_of_tool_calls() else None
            if outcome == "stuck":
                # The detector looks before the LLM is asked (`_check_stuck_or_nudge`).
                await self._finish_with("stuck")
                return True
            if conversation.status == "waiting_for_confirmation":
                await conversation.set_status("running", self.number)
            messages = conversation.user_messages
            await self._step(outcome)
            self._steps_left -= 1
            if conversation.user_messages != messages and self._profile.rescans_for_messages:
                await self._go_on()
            if conversation.status == "waiting_for_confirmation":
                return False
            if self._steps_left > 0:
                return True
            await self._stop_at_limit()
            return False

    async def _pause_by_another(self) -> None:
        # Whoever that is gets the answer 500 if it cannot be written.
        with suppress(StorageError):
            await self._conversation.pause()

    async def _step(self, outcome: str | None) -> None:
        """Do what the agent does in one turn of the loop (agent.py, `astep`)."""
        conversation = self._conversation
        conversation.trip()
        if conversation.unconfirmed:
            # Another run confirms; the agent does pending actions before it asks the LLM.
            actions, conversation.unconfirmed = conversation.unconfirmed, []
            await self._observe(actions)
            return
        if outcome == "paused":
            # Another client pauses. It takes the lock when it can, and the step goes on.
            self._context.spawn(self._pause_by_another(), "pause")
        await self._think()
        if outcome == "error":
            raise _StepError("LLMError", "The LLM refused.")
        if self._turn.statistics:
            conversation.pay()
            if self._profile.tells_statistics:
                conversation.tell_statistics(self)
        await self._act(outcome)

    async def _go_on(self) -> None:
        """Go on after a step during which a message arrived: the run does not end, and actions
        that wait to be confirmed are rejected (`reject_pending_actions`). If the run may take no
        more steps, the next run reads the message."""
        conversation = self._conversation
        after = "running" if self._steps_left > 0 else "idle"
        if conversation.status == "waiting_for_confirmation":
            await conversation.set_status("idle", self.number)
            for action in conversation.unconfirmed:
                why = "Superseded by a new user message"
                await conversation.emit(conversation.events.rejection(action, why), self.number)
            conversation.unconfirmed = []
            await conversation.set_status(after, self.number)
        elif conversation.status == "finished":
            await conversation.set_status(after, self.number)

    async def _stop_at_limit(self) -> None:
        """End a run that has reached its step limit. Each run counts its steps from one
        (local_conversation.py, `run` and `arun`)."""
        conversation, profile = self._conversation, self._profile
        kept = {"idle", "finished"} if profile.keeps_finish_at_step_limit else {"idle"}
        if not profile.tells_step_limit or conversation.status in kept:
            return
        await self._finish_with("error")
        detail = f"Agent reached maximum iterations limit ({conversation.max_iterations})."
        error = conversation.events.conversation_error("MaxIterationsReached", detail)
        await conversation.emit(error, self.number)

    async def _denied_by_stop_hook(self) -> bool:
        if self._denials_left == 0:
            return False
        self._denials_left -= 1
        self._context.trace.record("server", "stop-hook-denied", run=self.number)
        source = "environment" if self._profile.tracks_last_user_message else "user"
        text = "[Stop hook feedback] Not yet."
        feedback = self._conversation.events.message([{"type": "text", "text": text}], source)
        await self._conversation.emit(feedback, self.number)
        await self._conversation.set_status("running", self.number)
        return True

    async def _think(self) -> None:
        async with AsyncExitStack() as stack:
            if self._profile.thinks_without_state_lock:
                await stack.enter_async_context(self._conversation.lock.lent())
            pieces = self._turn.deltas if self._profile.streams_deltas else 0
            for _ in range(pieces):
                await self._wait(self._context.timing.think_ms / (pieces + 1))
                self._conversation.pub_sub.stream(self._conversation.events.delta("Go on. "))
            await self._wait(self._context.timing.think_ms / (pieces + 1))

    async def _mask(self) -> None:
        """Mask secrets. This takes no time, but a turn of the loop, in which others get the
        lock."""
        async with self._conversation.lock.lent(), self._context.event_loop.lent():
            await asyncio.sleep(0)
        await self._wait(0)

    async def _act(self, outcome: str | None) -> None:
        """Do what the LLM's answer asks for: some tool calls, or the end (agent.py, `astep`).

        The status is assigned after the last event, with no await in between.
        """
        conversation, events = self._conversation, self._conversation.events
        if outcome == "finished" and self._turn.says == "message":
            if self._profile.finishes_before_answer:
                await self._context.wait(self._context.timing.status_ms)
                await self._finish_with(outcome)
            if self._profile.masks_answers:
                await self._mask()
            await conversation.emit(events.answer("Done."), self.number)
            if self._profile.finishes_before_answer:
                return
        elif outcome == "finished":
            finish = await self._call("finish")
            await self._observe([finish])
        elif outcome == "waiting_for_confirmation":
            conversation.unconfirmed = [await self._call("think")]
        else:
            left = self._turn.tool_calls - self._calls
            calls = min(self._turn.calls_each, left) if outcome is None else 1
            actions = [await self._call("think") for _ in range(calls)]
            await self._observe(actions)
            self._calls += calls
        if outcome in ("finished", "waiting_for_confirmation"):
            await self._context.wait(self._context.timing.status_ms)
            await self._finish_with(outcome)

    async def _call(self, tool: str) -> Event:
        action = self._conversation.events.action(tool)
        await self._conversation.emit(action, self.number)
        return action

    async def _observe(self, actions: list[Event]) -> None:
        """Run the tools of some actions, then emit the result of each, in the order of the calls
        (agent.py, `_execute_actions`)."""
        conversation, events = self._conversation, self._conversation.events
        self._open_actions = actions
        await self._wait(self._context.timing.tool_ms)
        self._open_actions = []
        for place, action in enumerate(actions):
            fails = action["tool_name"] != "finish" and self._used < self._turn.failing_calls
            self._used += 1
            if fails and not self._profile.survives_failed_tools:
                conversation.unconfirmed = actions[place:]
                raise _StepError("ValueError", "The tool refused.")
            result = (
                events.failed_tool(action, "The tool refused.")
                if fails
                else events.observation(action)
            )
            await conversation.emit(result, self.number)
            if fails and self._profile.repeats_failed_calls:
                conversation.unconfirmed.append(action)

    async def _fail(self, failure: _StepError | StorageError) -> None:
        """Emit the error's status first, then its reason. Up to 1.22 the handler does not hold the
        lock, which the failing step has left (local_conversation.py, `run`). If the disk is full,
        the handler fails as well: up to 1.22.0 before it emits the status."""
        conversation = self._conversation
        if isinstance(failure, StorageError):
            conversation.find_pending()
        async with AsyncExitStack() as stack:
            if self._profile.runs_on_loop:
                await stack.enter_async_context(conversation.lock)
            await self._finish_with("error")
            if conversation.log.empty_noticed > self._empty_files_before:
                self._look_for_errors()
            if self._profile.tells_errors:
                error = conversation.events.conversation_error(failure.code, failure.detail)
                await conversation.emit(error, self.number)

    def _look_for_errors(self) -> None:
        """Read what the run has appended, as `_agent_already_surfaced_error` does from its end."""
        if self._profile.reads_for_errors:
            raise StorageError(*EMPTY_FILE)

    async def _mark(self, failure: StorageError) -> None:
        """What is left to do for a run that failed outside of its handler, or in it, from 1.25
        (event_service.py, `_run_and_publish`)."""
        conversation = self._conversation
        if not self._profile.marks_failed_runs:
            return
        if self._profile.tells_unhandled_errors:
            event = conversation.events.conversation_error(failure.code, failure.detail)
            with suppress(StorageError):
                async with conversation.lock:
                    await conversation.emit(event)
        with suppress(StorageError):
            async with conversation.lock:
                await conversation.set_status("error")

    async def _give_in(self) -> None:
        """Do what `arun` does when it catches `CancelledError`."""
        conversation = self._conversation
        async with conversation.lock:
            conversation.trip()
            for action in self._open_actions:
                lost = conversation.events.failed_tool(action, "The call was interrupted.")
                await conversation.emit(lost, self.number)
            await self._finish_with("paused")
            await conversation.emit(conversation.events.interrupt(), self.number)

    async def _tail(self) -> None:
        """Wait for publications, then end the task, then publish the snapshot: so `finished` can
        be read before its frames are out, `POST /run` is refused until the task ends, and the
        snapshot comes after the run's own events."""
        conversation = self._conversation
        if self._profile.answers_when_run_ends:
            # The event loop learns of the end after the publications that were scheduled before
            # it, since all of them come by `call_soon_threadsafe`.
            await conversation.pub_sub.wait_for_frames()
        if self._profile.waits_for_pending:
            await conversation.pub_sub.wait_for_pending(PENDING_TIMEOUT_S)
        # The task ends on the event loop. A request that keeps that waiting for the state lock
        # still finds the task when it gets the lock (event_service.py, `run`).
        await self._context.loop_turn()
        self.clear()
        # If a request waits for the run, a failure goes straight to its handler.
        if not (self.failed and self._profile.answers_when_run_ends):
            await conversation.publish_snapshot(self)

    def clear(self) -> None:
        """Allow the next run."""
        self._cleared()
        self._context.trace.record("server", "run-cleared", run=self.number)

    def _out_of_tool_calls(self) -> bool:
        return self._calls >= self._turn.tool_calls

    async def _finish_with(self, status: str) -> None:
        """Assign a status that ends the run, unless a stop hook will take it back."""
        last = status != "finished" or self._denials_left == 0
        assigned = self._end if last else None
        await self._conversation.set_status(status, self.number, assigned)

    def _end(self) -> None:
        """Record the end. A message that arrives between `finished` and the next iteration revives
        the run, which then ends once more: the last record counts."""
        self._ended = status = self._conversation.status
        self._context.trace.record("server", "run-ended", run=self.number, status=status)

    async def _wait(self, milliseconds: float) -> None:
        """Wait for the LLM or a tool. On the event loop these are the only awaits, so only now
        does the loop serve others, and only now does an interrupt arrive."""
        if not self._profile.runs_on_loop:
            await self._context.wait(milliseconds)
            return
        if milliseconds:
            # A wait without a delay takes fewer turns of the loop than a publication, so that it
            # lets no frame through.
            async with self._context.event_loop.lent():
                with suppress(TimeoutError):
                    async with asyncio.timeout(milliseconds / 1000):
                        await self._interrupt.wait()
        if self._interrupt.is_set():
            raise _InterruptedRunError
