"""Hooks in the real server's code: they report to the observer, and add the LLM and the delays.

The published classes stay as they are, except for wrappers around some of their methods, which a
process installs once. Wrappers around the server's own acts call the original; they only let time
pass if the schedule says that an act takes time, and tell the trial's observer. Wrappers around
the LLM, and around code that would start processes, replace it.
"""

import asyncio
import contextlib
import errno
import functools
import inspect
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from race_harness.network import whose
from race_harness.server import shown
from race_harness.server.real import agent
from race_harness.server.real.observer import AgentRun, Observer, run_of_task
from race_harness.server.real.wrapping import wrap
from race_harness.server.wire import FULL_STATE

OnToken = Callable[[Any], Any]

_observer: Observer | None = None


def observe(observer: Observer) -> None:
    """Make this the observer of the process's server: from now on it serves that trial."""
    global _observer
    _observer = observer


def current() -> Observer:
    if _observer is None:
        raise RuntimeError("no trial is under way")
    return _observer


@functools.cache
def install() -> None:
    """Install the wrappers, once in each process. The names exist in every release since 1.0,
    unless a comment says otherwise."""
    from openhands.agent_server.event_service import EventService
    from openhands.agent_server.pub_sub import PubSub
    from openhands.sdk.agent.agent import Agent
    from openhands.sdk.conversation.event_store import EventLog
    from openhands.sdk.conversation.impl.local_conversation import LocalConversation
    from openhands.sdk.conversation.state import ConversationState
    from openhands.sdk.conversation.stuck_detector import StuckDetector
    from openhands.sdk.event import ConversationStateUpdateEvent
    from openhands.sdk.llm import LLM
    from openhands.sdk.tool.builtins.finish import FinishExecutor
    from openhands.sdk.tool.builtins.think import ThinkExecutor
    from openhands.sdk.utils.async_utils import AsyncCallbackWrapper

    for owner, name, wrapper in (
        (EventService, "start", _start),
        (EventService, "run", _request_run),
        (EventService, "__setattr__", _clear_run),
        (EventService, "_publish_state_update", _publish_state),
        (EventService, "_emit_event_from_thread", _emit_statistics),  # from 1.3
        (LocalConversation, "run", _run),
        (LocalConversation, "arun", _arun),  # from 1.23
        (LocalConversation, "_ensure_agent_ready", _start_agent),  # from 1.10
        (ConversationState, "__setattr__", _assign_status),
        (ConversationState, "_save_base_state", _save),
        (EventLog, "append", _append),
        (AsyncCallbackWrapper, "__call__", _schedule_publication),
        (PubSub, "__call__", _publish),
        (PubSub, "subscribe", _subscribe),
        (LLM, "completion", _complete),
        (LLM, "acompletion", _acomplete),  # from 1.22
        (StuckDetector, "is_stuck", _is_stuck),
        (Agent, "_requires_user_confirmation", _confirms),
        (Agent, "_arequires_user_confirmation", _aconfirms),  # from 1.57
        (Agent, "_execute_actions", _use_tools),
        (Agent, "_aexecute_actions", _ause_tools),  # from 1.22
        (ThinkExecutor, "__call__", functools.partial(_use_tool, fallible=True)),
        (FinishExecutor, "__call__", functools.partial(_use_tool, fallible=False)),
    ):
        wrap(owner, name, wrapper)
    lease = sys.modules.get("openhands.agent_server.conversation_lease")  # from 1.19.1
    if lease is not None:
        wrap(lease.ConversationLease, "_owner_is_dead", _owner_is_dead)  # from 1.22
    # In newer servers. It starts git, which a conversation without file changes does not need.
    _replace(EventService, "_ensure_workspace_is_git_repo", staticmethod(lambda _path: None))
    _wrap_class_method(ConversationStateUpdateEvent, "from_conversation_state", _snapshot)


def _replace(owner: type, name: str, stand_in: object) -> None:
    if hasattr(owner, name):
        setattr(owner, name, stand_in)


def _wrap_class_method(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    original = vars(owner)[name].__func__

    def called(cls: type, *args: Any, **options: Any) -> Any:
        return wrapper(original, cls, *args, **options)

    setattr(owner, name, classmethod(called))


def _sleep(milliseconds: float) -> None:
    """Keep a thread busy, which may be that of the event loop."""
    if milliseconds:
        time.sleep(milliseconds / 1000)


def _owner_is_dead(original: Any, lease: Any, payload: Any) -> bool:
    """In the simulation all owners of leases are in one process, so a restart decides."""
    return current().restarted or bool(original(lease, payload))


# The service of a conversation


async def _start(original: Any, service: Any) -> None:
    """Mark the start of a conversation: its first snapshot is not recorded, since nobody can be
    subscribed yet."""
    pub_sub = service._pub_sub
    pub_sub.__dict__["race_starting"] = True
    await original(service)
    pub_sub.__dict__["race_starting"] = False


async def _request_run(original: Any, service: Any, *args: Any, **options: Any) -> None:
    observer = current()
    run = observer.next_run()
    loop = asyncio.get_running_loop()
    run.pause = lambda: asyncio.run_coroutine_threadsafe(_pause(service), loop)
    if observer.profile.answers_when_run_ends:
        await _run_to_end(original, service, run)
        return
    before, before_run = service._run_task, run_of_task.get()
    # The task that the server creates inherits it.
    token = run_of_task.set(run)
    try:
        await original(service, *args, **options)
    finally:
        run_of_task.reset(token)
    if service._run_task is not None and service._run_task is not before:
        # A run that begins in the tail of another is for a message that only others send.
        observer.accepted(run, other=whose.asks.get() or before_run is not None)


async def _run_to_end(original: Any, service: Any, run: AgentRun) -> None:
    """Run while the request waits (up to 1.6): the request lasts as long as the run."""
    current().accepted(run, other=whose.asks.get())
    token = run_of_task.set(run)
    try:
        await original(service)
    except Exception:
        await _hear_of_end(service, run)
        raise
    finally:
        run_of_task.reset(token)


async def _hear_of_end(service: Any, run: AgentRun) -> None:
    """Record the run's end when the event loop learns of it, which is after the publications that
    were scheduled before; whatever makes them late makes this late too."""
    before = service._pub_sub.__dict__.get("race_newest")
    if before is not None and not before.done():
        await asyncio.wait({before})
    current().cleared(run)


async def _publish_state(original: Any, service: Any, *args: Any, **options: Any) -> None:
    run = run_of_task.get()
    if run is not None and current().profile.answers_when_run_ends:
        await _hear_of_end(service, run)
    await original(service, *args, **options)


async def _pause(service: Any) -> None:
    run_of_task.set(None)
    await service.pause()


def _clear_run(original: Any, service: Any, name: str, value: Any) -> None:
    if name == "_run_task" and value is None and service.__dict__.get("_run_task") is not None:
        current().cleared(run_of_task.get())
    original(service, name, value)


def _emit_statistics(original: Any, service: Any, event: Any) -> None:
    current().statistics(event)
    original(service, event)


# The agent's loop


def _run(original: Any, conversation: Any) -> None:
    """Run the agent's loop: up to 1.22 in a worker thread, which gets no context."""
    run = run_of_task.get() or current().newest_run()
    token = run_of_task.set(run)
    try:
        if not hasattr(conversation, "_ensure_agent_ready"):  # up to 1.9
            _sleep(current().timing.start_ms)
        _give_stop_hooks(conversation, run)
        original(conversation)
    finally:
        current().over(run, _status_of(conversation))
        run_of_task.reset(token)


async def _arun(original: Any, conversation: Any) -> None:
    """Run the agent's loop on the event loop."""
    run = run_of_task.get() or current().newest_run()
    token = run_of_task.set(run)
    try:
        _give_stop_hooks(conversation, run)
        await original(conversation)
    finally:
        current().over(run, _status_of(conversation))
        run_of_task.reset(token)


def _start_agent(original: Any, conversation: Any) -> None:
    """Start the agent at the beginning of a run: in a worker thread, in 1.23 and 1.24 on the event
    loop."""
    run = run_of_task.get()
    if run is not None and run.starts:
        run.starts = False
        _sleep(current().timing.start_ms)
    original(conversation)


def _status_of(conversation: Any) -> str:
    return str(conversation._state.execution_status.value)


def _give_stop_hooks(conversation: Any, run: AgentRun) -> None:
    if run.denials_left:
        trace = current().trace

        def denied() -> None:
            trace.record("server", "stop-hook-denied", run=run.number)

        conversation._hook_processor = agent.StopHooks(run, denied)
    elif isinstance(conversation.__dict__.get("_hook_processor"), agent.StopHooks):
        conversation._hook_processor = None  # It belongs to the run before.


# State and log


def _assign_status(original: Any, state: Any, name: str, value: Any) -> None:
    if name == "execution_status" and state.__dict__.get(name) not in (None, value):
        status = str(value.value)
        if run_of_task.get() is not None and status in ("finished", "waiting_for_confirmation"):
            _sleep(current().timing.status_ms)
        current().status(status)
    original(state, name, value)


def _save(original: Any, state: Any, *args: Any, **options: Any) -> None:
    with _telling_of_full_disk(current().unsaved):
        original(state, *args, **options)
    current().saved(str(state.execution_status.value))


@contextlib.contextmanager
def _telling_of_full_disk(tell: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            tell()
        raise


def _append(original: Any, log: Any, event: Any) -> Any:
    _sleep(current().timing.persist_ms + current().late_ms("append"))
    with _telling_of_full_disk(functools.partial(current().unwritten, event)):
        result = original(log, event)
    current().persisted(event)
    return result


def _snapshot(original: Any, cls: Any, state: Any, *args: Any, **options: Any) -> Any:
    if current().listened:
        # Earlier snapshots belong to the conversation's creation.
        _sleep(current().timing.snapshot_ms)
    return original(cls, state, *args, **options)


# Publications


def _schedule_publication(original: Any, wrapper: Any, event: Any) -> None:
    if _nobody_listens(wrapper.async_callback):
        original(wrapper, event)
        return
    current().publication(event)
    lag_ms = current().timing.publish_ms + current().late_ms("publication")
    due = wrapper.async_callback.__dict__.setdefault("race_due", {})
    due[event.id] = time.monotonic() + lag_ms / 1000
    original(wrapper, event)


def _nobody_listens(pub_sub: Any) -> bool:
    """Whether the agent starts with its conversation, of which nobody knows yet: a busy event loop
    would also be late to let anybody subscribe."""
    starting = bool(pub_sub.__dict__.get("race_starting"))
    return starting and current().profile.starts_agent_on_creation


async def _publish(original: Any, pub_sub: Any, event: Any) -> None:
    """Publish first in, first out, like coroutines on one event loop, although each takes time."""
    if pub_sub.__dict__.get("race_starting"):
        await original(pub_sub, event)
        return
    timing = current().timing
    full = getattr(event, "key", None) == FULL_STATE
    before = pub_sub.__dict__.get("race_newest")
    done = asyncio.get_running_loop().create_future()
    pub_sub.__dict__["race_newest"] = done
    try:
        due = pub_sub.__dict__.get("race_due", {}).pop(event.id, 0.0)
        late = due - time.monotonic()
        if late > 0:
            await asyncio.sleep(late)
        if before is not None and not before.done():
            await asyncio.wait({before})
        first = timing.other_subscriber_first and current().profile.serves_in_turn
        if first:
            _let_in_first(pub_sub)
        elif full:
            current().snapshot(str(event.value.get("execution_status")))
        await original(pub_sub, event)
    finally:
        done.set_result(None)
    if timing.other_subscriber_ms and not first:
        # The publication waits for another subscriber, for which ours does not wait.
        await asyncio.sleep(timing.other_subscriber_ms / 1000)


class _OtherSubscriber:
    """A subscriber that takes some time for each frame, while those after it wait."""

    async def __call__(self, event: Any) -> None:
        await asyncio.sleep(current().timing.other_subscriber_ms / 1000)
        if getattr(event, "key", None) == FULL_STATE:
            current().snapshot(str(event.value.get("execution_status")))

    async def close(self) -> None:
        """The server calls this on each subscriber."""


def _let_in_first(pub_sub: Any) -> None:
    """Put another subscriber in front of all."""
    there = pub_sub._subscribers
    if not any(isinstance(one, _OtherSubscriber) for one in there.values()):
        pub_sub._subscribers = {uuid.UUID(int=0): _OtherSubscriber(), **there}


def _subscribe(original: Any, pub_sub: Any, subscriber: Any) -> Any:
    result = original(pub_sub, subscriber)
    websocket = getattr(subscriber, "websocket", None)
    if websocket is not None and websocket.client is not None:
        current().subscribed(websocket.client.port)
    return result


# The LLM and the tools


def _complete(
    original: Any, llm: Any, *args: Any, on_token: OnToken | None = None, **options: Any
) -> Any:
    run = run_of_task.get()
    if run is None:
        return agent.title()
    # Up to 1.7.1 a run may begin while the status already is `running`; then nothing assigns it.
    current().started(run)
    _pause_meanwhile(run)
    for wait_ms, chunk in agent.thoughts(run, current().timing.think_ms):
        _sleep(wait_ms)
        if chunk is not None and on_token is not None:
            on_token(chunk)
    return _answer(run, llm)


async def _acomplete(
    original: Any, llm: Any, *args: Any, on_token: OnToken | None = None, **options: Any
) -> Any:
    run = run_of_task.get()
    if run is None:
        return agent.title()
    _pause_meanwhile(run)
    for wait_ms, chunk in agent.thoughts(run, current().timing.think_ms):
        await asyncio.sleep(wait_ms / 1000)
        if chunk is not None and on_token is not None:
            told = on_token(chunk)
            if inspect.isawaitable(told):
                await told
    return _answer(run, llm)


def _answer(run: AgentRun, llm: Any) -> Any:
    answer = agent.answer(run)
    if run.turn.statistics:
        # This is what `Telemetry.on_response` does.
        llm.metrics.add_cost(shown.COST)
        llm.metrics.add_token_usage(
            prompt_tokens=shown.PROMPT_TOKENS,
            completion_tokens=shown.COMPLETION_TOKENS,
            cache_read_tokens=0,
            cache_write_tokens=0,
            context_window=0,
            response_id=f"response_{run.number}_{run.answers}",
        )
        telemetry = getattr(llm, "telemetry", None)  # 1.0 has none, nor the callback before 1.3
        tell = getattr(telemetry, "_stats_update_callback", None)
        if tell is not None:
            tell()
    return answer


def _pause_meanwhile(run: AgentRun) -> None:
    """Let another client pause the conversation. It takes the state lock when it can."""
    if run.outcome() == "paused" and run.pause is not None:
        run.pause()


def _is_stuck(original: Any, detector: Any) -> bool:
    run = run_of_task.get()
    return run is not None and run.outcome() == "stuck"


def _confirms(original: Any, me: Any, state: Any, *args: Any, **options: Any) -> bool:
    return _scripted_confirmation(state) or bool(original(me, state, *args, **options))


async def _aconfirms(
    original: Any, me: Any, conversation: Any, state: Any, *args: Any, **options: Any
) -> bool:
    if _scripted_confirmation(state):
        return True
    return bool(await original(me, conversation, state, *args, **options))


def _scripted_confirmation(state: Any) -> bool:
    run = run_of_task.get()
    if run is None or run.step_outcome != "waiting_for_confirmation":
        return False
    state.execution_status = type(state.execution_status).WAITING_FOR_CONFIRMATION
    return True


def _use_tools(original: Any, me: Any, *args: Any, **options: Any) -> None:
    (run_of_task.get() or current().newest_run()).waits = True
    original(me, *args, **options)


async def _ause_tools(original: Any, me: Any, *args: Any, **options: Any) -> None:
    (run_of_task.get() or current().newest_run()).waits = True
    await original(me, *args, **options)


def _use_tool(original: Any, executor: Any, *args: Any, fallible: bool, **options: Any) -> Any:
    # Tools that run in parallel have threads without a context.
    run = run_of_task.get() or current().newest_run()
    agent.use_tool(run, current().timing.tool_ms, fallible=fallible)
    observation = original(executor, *args, **options)
    return agent.enlarged(observation, current().event_kb) if fallible else observation
