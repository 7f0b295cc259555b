"""The clients under test, behind one small interface."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

OnEvent = Callable[["SeenEvent"], None]


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event as it reaches the user's callback."""

    id: str
    kind: str
    tool_name: str | None = None


class Client(Protocol):
    """One conversation of the client under test, as a program uses it."""

    def send_message(self, text: str) -> None: ...

    def run(self, *, blocking: bool = True, timeout_s: float | None = None) -> None:
        """Start a run and wait for its end, with the client's own defaults.

        Not `blocking`, it only starts one. `timeout_s` is in seconds, of virtual time.
        """

    def pause(self) -> None:
        """Ask the server to pause the run."""

    def interrupt(self) -> None:
        """Ask the server to interrupt what the agent is doing."""

    def count(self) -> int:
        """How many events `state.events` holds. Never blocks and is no scheduling point."""

    def visible(self) -> list[str]:
        """Ids in `state.events`, in its order. Never blocks and is no scheduling point."""

    def close(self) -> None: ...


class Adapter(Protocol):
    """How to use one kind of client. Made once a process: importing a client is slow."""

    version: str
    """The client's version, PEP 440."""
    server_version: str
    """The release whose server it is tested against."""
    source: tuple[str, ...]
    """Modules, or packages of them, that are the client's: a schedule may refer to their lines."""

    def connect(self, url: str, on_event: OnEvent) -> Client:
        """Create a conversation; `on_event` is its public callback."""
