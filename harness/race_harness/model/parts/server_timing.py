"""How long the server takes, and what happens to its process."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from race_harness.model.parts.field_types import STRICT, Count, Milliseconds, Nth
from race_harness.model.parts.moment import Moment


@dataclass(frozen=True)
class ProcessEvent:
    """Something that happens to the server's process as a whole, at a moment.

    freeze  none of its threads runs for a while, but its clock goes on. The operating system still
            takes bytes for its sockets, and connections up to its backlog. A paused container
            (cgroups, `cgroup.freeze`), a virtual machine without CPU and SIGSTOP do this. Its
            `clock` may stand as well
    crash   it dies without a word, as by the kernel's out-of-memory killer or with its container.
            The operating system closes its sockets, and nobody listens until something starts it
            again (systemd, `Restart=always`; Kubernetes, `restartPolicy`). Then it has what it had
            on its disk, and takes up conversations from there (conversation_service.py,
            `__aenter__`)
    clock-step  the wall clock of its machine is set, and events are stamped by it from then on, so
            that a later one may have an earlier timestamp. Timers do not notice. An NTP client
            does that when the offset is large (RFC 5905, STEPT; chrony, `makestep`), as does a
            virtual machine that is resumed, and whoever calls settimeofday(2)
    disk-full  nothing can be written to the disk of its machine until somebody has freed space:
            write(2) fails with ENOSPC, while files can still be opened, made, emptied and read.
            So it is where something else goes on writing, and takes what is freed at once
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    what: Literal["freeze", "crash", "clock-step", "disk-full"]
    at: Moment = field(default_factory=Moment)
    for_ms: Milliseconds = 0.0
    """For `freeze`, how long it lasts; for `crash`, the time until the server starts again; for
    `disk-full`, the time until space is freed."""
    clock: Literal["goes-on", "stands"] = "goes-on"
    """For `freeze` only. `stands`: the whole machine stands still, as a virtual machine does while
    it is paused or written to a snapshot (QEMU, `stop`, `savevm`; Linux, `KVM_KVMCLOCK_CTRL`). Its
    clocks stand too, and stay behind until somebody sets them, so no timer of the server is late
    by its own clock. Bytes and new connections wait outside its network card."""
    by_ms: Annotated[float, Field(ge=-86_400_000, le=86_400_000)] = 0.0
    """For `clock-step` only: how far the clock is set forward; below zero, back."""

    def __post_init__(self) -> None:
        if self.by_ms if self.what != "clock-step" else self.for_ms:
            other = "by_ms" if self.by_ms else "for_ms"
            raise ValueError(f"a process event {self.what!r} has no {other!r}")
        if self.clock == "stands" and self.what != "freeze":
            raise ValueError(f"the clock does not stand still in a process event {self.what!r}")


@dataclass(frozen=True)
class Late:
    """One act of the server that takes longer than others of its kind.

    append       an event's file is written slowly (event_store.py, `append`)
    publication  the event loop is late to send a frame, and so all frames after it
                 (async_utils.py, `AsyncCallbackWrapper`)
    request      the event loop is late to handle a request that it has received
    answer       the event loop is late to pick up what a worker thread did for a request
                 (event_service.py, `send_message`)
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    what: Literal["append", "publication", "request", "answer"] = "append"
    nth: Nth = 1
    """Which act, counted from one since the trial began; an answer has its request's number."""
    for_ms: Milliseconds = 0.0


@dataclass(frozen=True)
class ServerTiming:
    """How long each act of the server takes, and what it lets others overtake."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    answer_run_ms: Milliseconds = 0.0
    """From the creation of the run's background task until the answer to `POST /run` is written;
    up to 1.6, from the end of the run."""
    start_ms: Milliseconds = 0.4
    """From the creation of the run's background task until the status is `running`."""
    think_ms: Milliseconds = 200.0
    """How long each step waits for the LLM."""
    tool_ms: Milliseconds = 1.0
    """From an action to its observation."""
    persist_ms: Milliseconds = 0.5
    """How long one append to the event log takes."""
    status_ms: Milliseconds = 0.0
    """From the last event of a run until its final status is assigned: a busy machine."""
    publish_ms: Milliseconds = 0.5
    """From scheduling a publication until its frame is written. First in, first out."""
    other_subscriber_ms: Milliseconds = 0.0
    """How much longer each publication takes for another subscriber, such as a webhook. The
    tail of a run waits for it; the frames of others do not."""
    snapshot_ms: Milliseconds = 1.0
    """How long it takes to build a full-state frame once the state lock is held."""
    late: tuple[Late, ...] = ()
    """Single acts that take longer."""
    clock_ms: Milliseconds = 0.0
    """Resolution of the clock that stamps events; 0: no two events get the same stamp."""
    status_overtakes: Count = 0
    """How many frames that were scheduled earlier the frame of a final status overtakes. Each
    publication is its own coroutine; one that waits for a full socket buffer lets later ones pass
    (up to 1.22.0 webhooks share the socket too)."""
    flushes_first: bool = False
    """Counterfactual: REST shows a final status only after every earlier frame was sent."""
    other_subscriber_first: bool = False
    """Whether the other subscriber came before the client and takes its frames one by one, like a
    socket whose buffer is full. Up to 1.22.0 each of the client's frames waits for it
    (pub_sub.py:70 of 1.10.0, `__call__`, awaits one subscriber after another); from 1.22.1 all are
    served at once (pub_sub.py:98), and only the tail of a run waits."""
    process: tuple[ProcessEvent, ...] = ()
