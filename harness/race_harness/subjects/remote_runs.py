"""Watches `run()` of each `RemoteConversation` in a test, and what its agent server persists.

The published classes stay as they are, except for wrappers that call the original and record what
it does, in the happenings of `server.real.observer`. The server must run in the test's process.
"""

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

from race_harness.model.errors import UsageError
from race_harness.model.evidence import Evidence
from race_harness.model.outcome import CallOutcome
from race_harness.model.trace import Happening, Trace
from race_harness.oracle.of_test import returned_early
from race_harness.server.real.wrapping import wrap
from race_harness.server.wire import FINAL, FULL_STATE

NO_CALL: Final = (
    "--invariant: the test has called no run() of a RemoteConversation that waits for its end"
)
NO_SERVER: Final = (
    "--invariant: the agent server is not in the test's process, where alone it can be watched"
)


@dataclass
class _Served:
    """A conversation on its server."""

    accepted: int = 0
    """How many runs the server has accepted."""
    begun: int = 0
    ended: str | None = None
    """The status in which the newest run ended; None: it has not begun, or is going on."""
    told: bool = False
    """Whether the snapshot after it was published."""

    @property
    def run(self) -> int | None:
        """The run to which new events belong."""
        return self.begun if self.begun and not self.told else None


@dataclass
class RemoteRuns:
    """The conversations of one repetition. Inside `look()`, lines are not counted."""

    trace: Trace
    look: Callable[[], AbstractContextManager[None]]
    _told: list[tuple[object, Happening]] = field(default_factory=list)
    """Happenings, each with its conversation's id, or its event log or publisher."""
    _calls: defaultdict[str, list[CallOutcome]] = field(default_factory=lambda: defaultdict(list))
    _called: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _shown: dict[str, Any] = field(default_factory=dict)
    """`state.events` of the conversations whose `run()` was called."""
    _counted: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _seen: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _served: dict[str, _Served] = field(default_factory=dict)
    _owners: dict[int, tuple[object, str]] = field(default_factory=dict)
    """Event logs and publishers, with their conversations' ids, by their addresses."""

    def look_for_new(self) -> None:
        """Record which events have become visible since the last time. If there are none, it costs
        next to nothing."""
        for of, events in self._shown.items():
            if len(events._cached_events) == self._counted[of]:
                continue
            # Its iterator takes a lock, but copying a list does not.
            there = list(events._cached_events)
            self._counted[of] = len(there)
            for event in there:
                if event.id not in self._seen[of]:
                    self._seen[of].add(event.id)
                    self._tell(of, "client", "visible", event=event.id)

    def early(self) -> Iterator[Evidence]:
        """Yield what was still missing when calls returned."""
        for conversation, calls in self._calls.items():
            happenings = [
                happening for of, happening in self._told if self._owner(of) == conversation
            ]
            yield from returned_early(happenings, calls)

    def unwatched(self) -> str | None:
        """Return why nothing can be said, if so."""
        if not self._calls:
            return NO_CALL
        return None if self._calls.keys() <= self._served.keys() else NO_SERVER

    def _tell(self, of: object, lane: str, what: str, **detail: Any) -> None:
        self._told.append((of, self.trace.record(lane, what, **detail)))

    def _owner(self, of: object) -> object:
        """Return the id of the conversation, if it is known."""
        if isinstance(of, str):
            return of
        _, owner = self._owners.get(id(of), (None, None))
        return owner

    def served(self, conversation: object) -> _Served | None:
        return self._served.get(str(conversation))

    # The client

    def run(self, original: Any, remote: Any, *args: Any, **options: Any) -> None:
        of = str(remote.id)
        self._called[of] += 1
        number = self._called[of]
        blocking = _blocking(original, remote, args, options)
        with self.look():
            self._shown[of] = remote.state.events
            self.look_for_new()
        self._tell(of, "client", "run-called", call=number)
        try:
            original(remote, *args, **options)
        except BaseException as error:
            self._tell(of, "client", "run-raised", call=number, error=type(error).__name__)
            raise
        self._tell(of, "client", "run-returned", call=number)
        if blocking:
            visible = tuple(event.id for event in list(self._shown[of]._cached_events))
            self._calls[of].append(CallOutcome(number, "returned", visible=visible))

    # The server

    def started(self, service: Any) -> None:
        of = str(service.stored.id)
        self._served.setdefault(of, _Served())
        for owned in (service._conversation.state._events, service._pub_sub):
            # A reference is kept, so that nothing else gets its address.
            self._owners[id(owned)] = (owned, of)

    def accepted(self, of: str) -> None:
        served = self._served[of]
        served.accepted += 1
        self._tell(of, "server", "run-accepted", run=served.accepted)

    def refused(self, of: str) -> None:
        self._tell(of, "server", "run-refused", status=409)

    def begun(self, of: str) -> None:
        served = self._served[of]
        if served.accepted == served.begun:
            self.accepted(of)
        served.begun += 1
        served.ended, served.told = None, False
        self._tell(of, "server", "run-started", run=served.begun)

    def over(self, of: str, status: str) -> None:
        served = self._served[of]
        if served.ended is None or (status == "paused" and status != served.ended):
            self._end(of, status)

    def _end(self, of: str, status: str) -> None:
        served = self._served[of]
        served.ended = status
        self._tell(of, "server", "run-ended", run=served.begun, status=status)

    def status(self, of: str, status: str) -> None:
        """A status is about to be assigned, so nobody can have read it yet."""
        served = self._served[of]
        # A pause comes from others, not from the run.
        run = served.run if status != "paused" else None
        self._tell(of, "server", "status", status=status, run=run)
        if status == "running":
            # A stop hook has taken `finished` back.
            served.ended = None
        elif run is not None and status in FINAL:
            self._end(of, status)

    def persisted(self, log: Any, event: Any) -> None:
        told = {"event": event.id, "kind": type(event).__name__}
        for name in ("tool_name", "key"):
            if getattr(event, name, None) is not None:
                told[name] = getattr(event, name)
        self._owners.setdefault(id(log), (log, ""))
        served = self._served.get(self._owners[id(log)][1])
        if served is not None and served.run and getattr(event, "source", None) != "user":
            told["run"] = served.run
        self._tell(log, "server", "persisted", **told)

    def published(self, pub_sub: Any, event: Any) -> None:
        served = self._served.get(str(self._owner(pub_sub)))
        if served is None or served.ended is None or served.told:
            return
        if getattr(event, "key", None) == FULL_STATE:
            served.told = True
            status = str(event.value.get("execution_status"))
            self._tell(pub_sub, "server", "snapshot", status=status, run=served.begun)


def _blocking(original: Any, remote: Any, args: Any, options: Mapping[str, Any]) -> bool:
    try:
        given = inspect.signature(original).bind(remote, *args, **options).arguments
    except TypeError:
        return False  # The call will raise.
    return bool(given.get("blocking", True))


_watch: RemoteRuns | None = None


def watch(trace: Trace, look: Callable[[], AbstractContextManager[None]]) -> RemoteRuns:
    """Begin to watch: from here on, what happens in this process belongs to one repetition."""
    global _watch
    _watch = RemoteRuns(trace, look)
    return _watch


@functools.cache
def install() -> None:
    """Install the wrappers, once in each process.

    Raises:
        UsageError: the client or the server is not installed.
    """
    try:
        from openhands.agent_server.event_service import EventService
        from openhands.agent_server.pub_sub import PubSub
        from openhands.sdk.conversation.event_store import EventLog
        from openhands.sdk.conversation.impl.local_conversation import LocalConversation
        from openhands.sdk.conversation.impl.remote_conversation import RemoteConversation
        from openhands.sdk.conversation.state import ConversationState
    except ImportError as error:
        raise UsageError(
            "--invariant is about RemoteConversation and its agent server, which are not "
            f"installed beside the tests ({error})"
        ) from None
    for owner, name, wrapper in (
        (RemoteConversation, "run", _call),
        (EventService, "start", _start),
        (EventService, "run", _request_run),
        (LocalConversation, "run", _run),
        (LocalConversation, "arun", _arun),  # from 1.23
        (ConversationState, "__setattr__", _assign),
        (EventLog, "append", _append),
        (PubSub, "__call__", _publish),
    ):
        wrap(owner, name, wrapper)


def _call(original: Any, remote: Any, *args: Any, **options: Any) -> None:
    if _watch is None:
        original(remote, *args, **options)
    else:
        _watch.run(original, remote, *args, **options)


async def _start(original: Any, service: Any, *args: Any, **options: Any) -> None:
    await original(service, *args, **options)
    if _watch is not None:
        _watch.started(service)


async def _request_run(original: Any, service: Any, *args: Any, **options: Any) -> None:
    of, before = str(service.stored.id), service._run_task
    served = None if _watch is None else _watch.served(of)
    if _watch is None or served is None:
        await original(service, *args, **options)
        return
    accepted = served.accepted
    try:
        await original(service, *args, **options)
    except ValueError:
        # For example because a run is going on.
        _watch.refused(of)
        raise
    if service._run_task not in (None, before) and served.accepted == accepted:
        _watch.accepted(of)


def _status_of(conversation: Any) -> str:
    return str(conversation.state.execution_status.value)


def _run(original: Any, conversation: Any, *args: Any, **options: Any) -> None:
    of = str(conversation.id)
    if _watch is None or _watch.served(of) is None:
        original(conversation, *args, **options)
        return
    _watch.begun(of)
    try:
        original(conversation, *args, **options)
    finally:
        _watch.over(of, _status_of(conversation))


async def _arun(original: Any, conversation: Any, *args: Any, **options: Any) -> None:
    of = str(conversation.id)
    if _watch is None or _watch.served(of) is None:
        await original(conversation, *args, **options)
        return
    _watch.begun(of)
    try:
        await original(conversation, *args, **options)
    finally:
        _watch.over(of, _status_of(conversation))


def _assign(original: Any, state: Any, name: str, value: Any) -> None:
    if (
        _watch is not None
        and name == "execution_status"
        and state.__dict__.get(name) not in (None, value)
        and _watch.served(state.id) is not None
    ):
        _watch.status(str(state.id), str(value.value))
    original(state, name, value)


def _append(original: Any, log: Any, event: Any) -> Any:
    result = original(log, event)
    if _watch is not None:
        _watch.persisted(log, event)
    return result


async def _publish(original: Any, pub_sub: Any, event: Any) -> None:
    if _watch is not None:
        _watch.published(pub_sub, event)
    await original(pub_sub, event)
