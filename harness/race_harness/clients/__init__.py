"""The clients under test, behind one small interface."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.network.dialect import Dialect
from race_harness.server import Server

OnEvent = Callable[["SeenEvent"], None]


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event as it reaches the user's callback."""

    id: str
    kind: str
    tool_name: str | None = None


class Client(Protocol):
    """One conversation of the client under test, as a program uses it.

    Methods block as those of the client do, and what they raise is the client's own failure.
    NotImplementedError says that there is no such thing: `pause` and `interrupt`, which few
    schedules ask for, or `run` with that option. A trial that asks for it is void.
    """

    def send_message(self, text: str) -> None: ...

    def run(self, *, blocking: bool = True, timeout_s: float | None = None) -> None:
        """Start a run and wait for its end, with the client's own defaults.

        Not `blocking`, it only starts one. `timeout_s` is in seconds, of virtual time.
        """

    def pause(self) -> None:
        """Ask the server to pause the run."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Ask the server to interrupt what the agent is doing."""
        raise NotImplementedError

    def count(self) -> int:
        """How many events `state.events` holds. Never blocks and is no scheduling point."""
        return len(self.visible())

    def visible(self) -> list[str]:
        """Ids in `state.events`, in its order. Never blocks and is no scheduling point, so takes
        no lock."""

    def state(self) -> Mapping[str, Callable[[], Any]]:
        """What the conversation shows of itself: a reader for each field, which may block and
        raise as the client does; values are JSON. May be left out.

        Of the fields, those that the server tells, too, are compared: of the agent server
        `execution_status`, `cost` in US dollars, `prompt_tokens`, `completion_tokens`,
        `confirmation_policy`, `activated_knowledge_skills` and `title`.
        """
        return {}

    def close(self) -> None: ...


def source_of(adapter: "Adapter") -> tuple[str, ...]:
    """The modules of its client, if it names any."""
    return getattr(adapter, "source", ())


def dialect_of(adapter: "Adapter") -> Dialect:
    """The words of its server; those of any, if it has none of its own."""
    return getattr(adapter, "dialect", None) or Dialect()


def may_start_processes(adapter: "Adapter") -> bool:
    """Whether it says so."""
    return bool(getattr(adapter, "child_processes", False))


def host_of(adapter: "Adapter") -> socket.socket | None:
    """Where a trial over real sockets asks for its server, if that is not forked from the client's
    process; as `realtime.server_host` takes it."""
    return getattr(adapter, "host", None)


def attached(adapter: "Adapter", url: str, conversation: str, on_event: OnEvent) -> Client:
    """A further client in a conversation.

    Raises:
        NotImplementedError: the adapter has none.
        Exception: whatever the client raises.
    """
    attach = getattr(adapter, "attach", None)
    if attach is None:
        raise NotImplementedError(f"{type(adapter).__name__} has no attach()")
    client: Client = attach(url, conversation, on_event)
    return client


class Adapter(Protocol):
    """How to use one kind of client, and the server that it speaks with.

    Made once a process: importing a client is slow. A `server_version`, if it has one, is told in
    reports. With `child_processes = True` its client and its server may start processes, which
    then take no virtual time; else they are refused.
    """

    version: str
    """The client's version; PEP 440 where it has releases."""
    source: tuple[str, ...]
    """Modules, or packages of them, that are the client's: a schedule may refer to their lines.
    May be left out."""
    dialect: Dialect
    """The words for what goes over the connections to its server: which requests are polls, which
    frames are about which events. May be left out."""

    def connect(self, url: str, on_event: OnEvent) -> Client:
        """Create a conversation; `on_event` is its public callback.

        Where the schedule says so, there is a third argument, `max_iterations`: how many steps the
        agent may take in one run. Without it, such a trial is void.
        """

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        """Connect to a conversation that there is, by its id. May be left out: then a trial that
        has watchers is void."""
        raise NotImplementedError

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        """The server of one trial, in the state in which it has just been started.

        Called before the trial's time begins: nothing may run or be random yet. What the server
        reads of the schedule is its own affair; the network and the caller follow it anyway.
        """
