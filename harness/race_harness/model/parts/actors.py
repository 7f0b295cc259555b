"""Who uses the conversation: the caller, others, and those who look on."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from race_harness.model.parts.field_types import STRICT, Milliseconds, Seconds
from race_harness.model.parts.moment import Moment


@dataclass(frozen=True)
class Act:
    """Something that the caller does meanwhile, on another thread."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    what: Literal["run", "send-message", "pause", "interrupt", "close"]
    at: Moment = field(default_factory=lambda: Moment("run-started"))


@dataclass(frozen=True)
class Caller:
    """The program that uses the client."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    pause_ms: Milliseconds = 100.0
    """From the creation of the conversation until the message is sent. Up to 1.9 the constructor
    did not wait until the socket was subscribed, and missed earlier events."""
    runs: Annotated[int, Field(ge=1, le=100)] = 1
    """How often it sends a message and calls `run()`."""
    max_iterations: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """How many steps the agent may take in one run, as given when the conversation is created.
    None: not given, which means 500."""
    between_ms: Milliseconds = 0.0
    """From the return of `run()` until the next message is sent."""
    blocking: bool = True
    """False: `run(blocking=False)`, which only starts a run (from 1.7, as is `timeout_s`)."""
    timeout_s: Seconds | None = None
    """The argument of `run(timeout=...)`; None: not given."""
    acts: tuple[Act, ...] = ()
    callback_ms: Milliseconds = 0.0
    """How long the user's callback takes for each event that `callback_on` selects."""
    callback_raises: bool = False
    """Whether the callback then raises for these events."""
    callback_on: Literal["finish", "all"] = "finish"
    reads_own_message: bool = False
    """Whether it looks for its message in `state.events` after `send_message()` has returned."""
    looks_again_s: Seconds = 0.0
    """How long at most it waits after `run()` for the finish observation to become visible, like a
    test that was repaired in place of the client."""
    settle_s: Seconds = 10.0
    """How long it waits after the last `run()` before the late judgements and `close()`."""


@dataclass(frozen=True)
class OtherAct:
    """A request that somebody else makes in the conversation.

    Whoever knows a conversation's id may do so: a second tab of the GUI, a colleague's terminal, a
    webhook that answers a message elsewhere. The request has its own connection, with benign
    latency, outside the schedule's network and proxy.

    run               `POST /run`; from 1.7 the answer is 409 while a run is going on
    message           `POST /events`
    message-and-run   the same with `run: true` (event_router.py, `SendMessageRequest`), as the GUI
                      sends it; the agent runs unless it already does (from 1.22.1)
    pause             `POST /pause`
    confirm, reject   the GUI's two buttons for an action that waits to be confirmed
                      (`POST /events/respond_to_confirmation`); confirming begins a run
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    what: Literal["run", "message", "message-and-run", "pause", "confirm", "reject"]
    at: Moment = field(default_factory=lambda: Moment("run-started", after_ms=50.0))

    @property
    def may_run(self) -> bool:
        """Whether it may begin a run."""
        return self.what in ("run", "message-and-run", "confirm")


@dataclass(frozen=True)
class Watcher:
    """A further client of the same release that looks on: it connects to the conversation by its
    id, as a colleague's program or a second tab does, and shows what it receives.

    It has its own connections, with benign latency, as others do. The oracle judges what it shows
    at the end as it judges what the client shows.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    at: Moment = field(default_factory=lambda: Moment("run-started"))
    """When it connects."""
