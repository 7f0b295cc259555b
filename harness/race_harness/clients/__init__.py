"""The interface of the clients under test: `Adapter` and `Client`."""

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

    Methods block as the client's own do, and an error that they raise is a failure of the client.
    NotImplementedError means that the client has no such thing: `pause` or `interrupt`, for which
    few schedules ask, or an option of `run`. A trial that asks for it is void.
    """

    def send_message(self, text: str) -> None: ...

    def run(self, *, blocking: bool = True, timeout_s: float | None = None) -> None:
        """Start a run and wait for its end, with the client's own defaults.

        If not `blocking`, it only starts the run. `timeout_s` is in virtual seconds.
        """

    def pause(self) -> None:
        """Ask the server to pause the run."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Ask the server to interrupt what the agent is doing."""
        raise NotImplementedError

    def count(self) -> int:
        """Return the number of events in `state.events`. It must not block, nor be a scheduling
        point."""
        return len(self.visible())

    def visible(self) -> list[str]:
        """Return the ids in `state.events`, in their order. It must not block, nor be a scheduling
        point, so it takes no lock."""

    def state(self) -> Mapping[str, Callable[[], Any]]:
        """Return a reader for each field of the state that the conversation shows. Readers may
        block and raise as the client does; values are JSON. This method is optional.

        The oracle compares the fields that the server records too. For the agent server these are
        `execution_status`, `cost` in US dollars, `prompt_tokens`, `completion_tokens`,
        `confirmation_policy`, `activated_knowledge_skills` and `title`.
        """
        return {}

    def close(self) -> None: ...


def source_of(adapter: "Adapter") -> tuple[str, ...]:
    """Return the modules of the adapter's client, if it names any."""
    return getattr(adapter, "source", ())


def dialect_of(adapter: "Adapter") -> Dialect:
    """Return the adapter's dialect, or one that fits any server if it has none."""
    return getattr(adapter, "dialect", None) or Dialect()


def may_start_processes(adapter: "Adapter") -> bool:
    """Whether the adapter says that its client and server may start processes."""
    return bool(getattr(adapter, "child_processes", False))


def host_of(adapter: "Adapter") -> socket.socket | None:
    """Return the socket on which a trial in real time asks for its server, if that is not forked
    from the client's process; see `realtime.server_host`."""
    return getattr(adapter, "host", None)


def attached(adapter: "Adapter", url: str, conversation: str, on_event: OnEvent) -> Client:
    """Connect a further client to a conversation.

    Raises:
        NotImplementedError: the adapter cannot attach clients.
        Exception: whatever the client raises.
    """
    attach = getattr(adapter, "attach", None)
    if attach is None:
        raise NotImplementedError(f"{type(adapter).__name__} has no attach()")
    client: Client = attach(url, conversation, on_event)
    return client


class Adapter(Protocol):
    """How to use one kind of client, and the server to which it talks.

    A process makes an adapter once, because importing a client is slow. Reports show its
    `server_version`, if it has one. With `child_processes = True`, its client and its server may
    start processes, which then take no virtual time; otherwise this is refused.
    """

    version: str
    """The client's version; in the form of PEP 440 if the client has releases."""
    source: tuple[str, ...]
    """The client's modules or packages: a schedule may refer to their lines. Optional."""
    dialect: Dialect
    """Explains the traffic with the server: which requests are polls, which frames are about which
    events. Optional."""

    def connect(self, url: str, on_event: OnEvent) -> Client:
        """Create a conversation; `on_event` is its public callback.

        If the schedule sets it, there is a third argument, `max_iterations`: how many steps the
        agent may take in one run. If the adapter does not take it, such a trial is void.
        """

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        """Connect to an existing conversation by its id. Optional: without it, a trial with
        watchers is void."""
        raise NotImplementedError

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        """Return the server of one trial, in the state of a server that has just started.

        This is called before the trial's time begins: nothing may run or be random yet. The server
        may follow as much of the schedule as it likes; network and caller follow it anyway.
        """
