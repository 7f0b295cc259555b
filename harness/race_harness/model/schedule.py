"""A schedule: everything that can vary in a trial, as one frozen value.

Every field has a benign default, so the fields that differ from it *are* the explanation of a
failure. Fields whose names end in `_ms` are virtual milliseconds, in `_s` virtual seconds.
Moments are named by meaning ("when run() is called"), never by a step number, so that a
schedule means the same on another release of the client.
"""

import json
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from race_harness.model.errors import UsageError
from race_harness.model.paths import at, dotted, walk
from race_harness.model.plain_text import unbroken

SCHEMA: Final = 2

_MOST_TOLD: Final = 300
"""The most characters of somebody else's text that an error quotes."""

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Milliseconds = Annotated[float, Field(ge=0, le=3_600_000)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Count = Annotated[int, Field(ge=0, le=1_000)]
Nth = Annotated[int, Field(ge=1, le=10_000)]
Kilobytes = Annotated[int, Field(ge=0, le=10_000)]


@dataclass(frozen=True)
class Turn:
    """What the agent does in one run: tool calls, then an end."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    tool_calls: Count = 0
    """Tool calls before the end; each gives an action and an observation."""
    calls_each: Annotated[int, Field(ge=1, le=20)] = 1
    """Tool calls in one answer of the LLM. All their actions come before the observations."""
    failing_calls: Count = 0
    """How many of the first tool calls give an `AgentErrorEvent` instead of an observation. Up to
    1.11 the agent then calls the tool again; up to 1.6 the first one ends the run in an error."""
    outcome: Literal["finished", "error", "stuck", "paused", "waiting_for_confirmation"] = (
        "finished"
    )
    """How the run ends. `paused`: another client pauses the conversation.
    `waiting_for_confirmation`: an action waits until the next `run()` confirms it."""
    says: Literal["finish-tool", "message"] = "finish-tool"
    """How a run that finishes ends: by a tool call, or by an answer without one."""
    deltas: Count = 0
    """Pieces in which each answer of the LLM is streamed while it comes (from 1.18.1). They go to
    the sockets and never to the log."""
    statistics: bool = False
    """Whether each answer of the LLM has a price. A state update with the price then follows it,
    which a separate thread appends when it gets the lock (from 1.3 to 1.9, and from 1.19.1)."""
    stop_hook_denials: Count = 0
    """How often a stop hook takes `finished` back to `running` before it lets the run end (from
    1.8; before, the trial is void)."""


STRANGE: Final = "OfANewerServerEvent"
"""A kind of event that no client knows."""


@dataclass(frozen=True)
class Script(Turn):
    """What the agent does: its own fields describe the first run, `later` the others. Runs beyond
    those are benign."""

    later: tuple[Turn, ...] = ()
    event_kb: Kilobytes = 0
    """How much longer each tool call's observation is, in units of 1,000 characters. A file
    editor's contains the file before and after (openhands-tools, file_editor/definition.py), a
    browser's a screenshot."""
    state_kb: Kilobytes = 0
    """How much longer the agent's instructions are, in units of 1,000 characters. They are in
    every full state, every poll and the first event, as a user's skills and repository notes are
    (context/agent_context.py)."""
    history: Annotated[int, Field(ge=0, le=10_000)] = 0
    """How many messages the log holds before anybody connects, as in a conversation that is
    continued. Pages have 100 events (event_router.py:78 of 1.58.2)."""
    strange: Literal["nothing", "kind", "field"] = "nothing"
    """What a newer server sends that this client does not know. `kind`: an event early in each
    run, as `InterruptEvent` was before 1.23 and `StreamingDeltaEvent` before 1.18.1. `field`: one
    more field in each observation. Models of events forbid unknown fields (event/base.py,
    `Event`)."""

    def turn(self, run: int) -> Turn:
        """Return the turn of the `run`th run that the server accepts, counted from one."""
        if run == 1:
            return self
        return self.later[run - 2] if run - 2 < len(self.later) else Turn()


@dataclass(frozen=True)
class Link:
    """One kind of TCP connection between client and server, the same both ways."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    latency_ms: Milliseconds = 0.5
    """One way."""
    jitter_ms: Milliseconds = 0.0
    """The most by which a chunk is late beyond the latency; TCP still never reorders."""
    kbit_s: Annotated[float, Field(ge=1, le=100_000_000)] | None = None
    """The bandwidth of each direction, which is limited on a shared or distant network. None: no
    limit."""
    buffer_kb: Annotated[int, Field(ge=4, le=100_000)] = 2_750
    """How much may be sent but unread, in units of 1,000 bytes, before the sender has to wait: a
    send buffer and a receive buffer, by default as large as Linux lets them grow on loopback
    (tcp(7), tcp_wmem and tcp_rmem)."""


LinkKind = Literal["socket", "rest", "raw"]
"""What a connection is for, as its client's first bytes show: a WebSocket, other HTTP requests, or
something else."""


@dataclass(frozen=True)
class ConnectionLink(Link):
    """The link of a single connection, such as the socket after a reconnect."""

    kind: LinkKind = "socket"
    nth: Nth = 2
    """Which connection of its kind, counted from one in the order of their first bytes."""


@dataclass(frozen=True)
class Moment:
    """The `nth` time that something happens, since the trial began or `run()` was called."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    what: Literal[
        "run-called",
        "run-returned",
        "run-requested",
        "run-accepted",
        "run-answered",
        "run-started",
        "run-ended",
        "run-cleared",
        "persisted",
        "frame-sent",
        "frame-delivered",
        "snapshot-sent",
        "subscribed",
        "polled",
        "connection-opened",
        "request-sent",
        "request-received",
        "request-answered",
        "frame-up",
        "frame-down",
    ] = "run-called"
    """The last six are moments of the wire, which exist for any server:

    connection-opened  the client is about to send a connection's first bytes, which show its kind
    request-sent       the client has sent the head of an HTTP request, or of a WebSocket handshake
    request-received   that head has reached the server
    request-answered   the server has sent the last byte of the answer
    frame-up           the client has sent a whole message over a WebSocket
    frame-down         the server has sent one
    """
    nth: Nth = 1
    after_ms: Milliseconds = 0.0
    since: Literal["start", "run-called"] = "start"
    """Where counting begins. `run-called`: the first call of `run()`. From there on, every release
    counts events alike, while earlier events differ. In your own test, both mean its call."""
    request: Annotated[str, Field(min_length=3, max_length=200)] | None = None
    """For moments of requests: only those with this method and path, such as `POST /votes`; `*`
    matches anything."""
    link: LinkKind | None = None
    """For `connection-opened`: only connections of this kind."""
    socket: Nth | None = None
    """For `frame-up` and `frame-down`: only those of this WebSocket, counted as for its link."""

    @property
    def of_wire(self) -> bool:
        """Whether it happens on a connection, whatever the server is."""
        return self.what in _WIRE

    def __post_init__(self) -> None:
        for name, kind in (("request", "request-"), ("link", "connection-"), ("socket", "frame-")):
            fits = self.of_wire and self.what.startswith(kind)
            if getattr(self, name) is not None and not fits:
                raise ValueError(f"a moment {self.what!r} has no {name!r}")
        if self.request is not None and not all(self.request.partition(" ")):
            raise ValueError(f"{self.request!r} is no method and path, such as 'GET /*'")


_WIRE: Final = (
    *("connection-opened", "request-sent", "request-received", "request-answered"),
    *("frame-up", "frame-down"),
)


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


@dataclass(frozen=True)
class Fault:
    """One thing that the network does to a connection, or to connections that are still to come.

    reset      both ends see a TCP reset (RFC 9293, section 3.5.2)
    close      the server sends a WebSocket close frame (RFC 6455, section 5.5.1); on a connection
               that is no WebSocket, both ends see the end of the stream
    stall      nothing is delivered for a while; then TCP delivers all of it
    half-open  nothing is delivered any more, and neither end learns of it
    refuse     for a while, new connections are reset once their first bytes have shown their kind,
               as by a proxy that cannot reach its server
    reject     the next connection is closed with `code` as soon as it is subscribed
    interject  the client gets a frame that is neither the server's nor JSON: a gateway that speaks
               WebSocket itself may send its own text (RFC 6455, section 5.6, requires only that
               text is UTF-8)

    `stall` and `half-open` may affect only one direction (`way`): packets may take different
    routes there and back, and a firewall may drop those of one direction. TCP resends what is lost
    until it arrives (RFC 9293, section 3.8.1), so nothing is ever missing in the middle of a
    stream.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    action: Literal["reset", "close", "stall", "half-open", "refuse", "reject", "interject"]
    at: Moment = field(default_factory=Moment)
    link: LinkKind = "socket"
    nth: Nth | None = None
    """Which connection of that kind, counted from one in the order of connecting. None: the newest
    one that is open; for `refuse`, any."""
    path: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Only connections whose first request has this path, such as `/sockets/*`; `*` matches
    anything."""
    code: Annotated[int, Field(ge=1000, le=4999)] = 1001
    """For `close` and `reject` only."""
    for_ms: Milliseconds = 0.0
    """For `stall` and `refuse` only."""
    there: bool = False
    """Strike the very connection on which the moment happens, instead of one that `link`, `nth`
    and `path` name. For moments of the wire, but not for `refuse` and `reject`."""
    way: Literal["both", "up", "down"] = "both"
    """For `stall` and `half-open` only: `up` leads to the server, `down` to the client."""

    def __post_init__(self) -> None:
        if self.way != "both" and self.action not in ("stall", "half-open"):
            raise ValueError(f"{self.action!r} has no way of its own, only 'both'")
        if self.there and not self.at.of_wire:
            raise ValueError(f"a moment {self.at.what!r} is on no connection to be struck there")
        if self.action == "interject" and self.link != "socket":
            raise ValueError("only a socket has frames to interject one between")
        if self.there and self.action in ("refuse", "reject"):
            raise ValueError(f"{self.action!r} is about connections to come, not about one there")


@dataclass(frozen=True)
class Gateway:
    """A reverse proxy or load balancer in front of the server, with its own limits.

    It sees connections and requests, but not what the server does with them.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    answer_s: Seconds | None = None
    """How long a request may wait for its answer. Then the gateway answers 504 itself and hangs up
    on both sides, while the server carries on with the request (RFC 9110, section 15.6.5; nginx,
    `proxy_read_timeout`, 60 s by default)."""
    idle_s: Seconds | None = None
    """How long a connection may carry no byte in either direction. Then the gateway hangs up on
    it, unless it waits for an answer; on a WebSocket, without a close frame (the same setting of
    nginx, and `keepalive_timeout`; idle timeouts of load balancers, often 60 s). Whatever the
    client sends at that time is lost (RFC 9112, section 9.3.1)."""
    connections: Nth | None = None
    """How many connections may be open at once (nginx, `limit_conn`). The number may be small,
    since other users' connections take up the rest of the limit."""
    beyond: Literal["503", "reset"] = "503"
    """What a connection beyond that number gets once its first bytes have shown its kind: an
    answer (RFC 9110, section 15.6.4; nginx, `limit_conn_status`), or a reset, as from a gateway
    that has no room left for any (nginx, `worker_connections`)."""
    since: Literal["start", "run-called"] = "run-called"
    """When the limits begin: with the trial, or with the first call of `run()`. A gateway may be
    reconfigured, or others may fill it."""


@dataclass(frozen=True)
class Network:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    rest: Link = field(default_factory=Link)
    """Also for `raw` connections."""
    socket: Link = field(default_factory=Link)
    connections: tuple[ConnectionLink, ...] = ()
    faults: tuple[Fault, ...] = ()
    gateway: Gateway = field(default_factory=Gateway)


Route = Literal[
    "conversation", "events", "create", "send-message", "run", "pause", "interrupt", "any"
]


@dataclass(frozen=True)
class RestFault:
    """What a proxy between client and server does to some requests of one route.

    delay     the answer takes `delay_ms` longer
    status    the client gets `status` instead (RFC 9110, section 15)
    timeout   no answer ever comes; the connection stays open
    truncate  the connection ends in the middle of the answer's body
    empty     counterfactual: a page of events that holds none and says that it is the last
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    action: Literal["delay", "status", "timeout", "truncate", "empty"]
    route: Route = "conversation"
    """`conversation`: the polls of the status. `events`: the pages of the event log."""
    nth: Nth = 1
    times: Nth = 1
    """How many consecutive requests of the route it affects, from the `nth` on."""
    since: Literal["start", "run-called"] = "run-called"
    """Where counting begins: with the trial, or with the first call of `run()`."""
    delay_ms: Milliseconds = 0.0
    status: Annotated[int, Field(ge=400, le=599)] = 503
    acted: bool = True
    """Whether the server got the request and acted on it, so that only its answer suffers."""


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


@dataclass(frozen=True)
class LineStall:
    """Holds up the thread that reaches a line of the client's source for a while.

    The line is named by its function's qualified name and its text, so that it is the same on
    every release that has it; on other releases nothing happens.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    function: Annotated[str, Field(min_length=1, max_length=200)]
    line: Annotated[str, Field(min_length=1, max_length=400)]
    nth: Nth = 1
    for_ms: Milliseconds = 0.0


@dataclass(frozen=True)
class Interleaving:
    """Which thread goes on when several could."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """None: a thread runs until it blocks. A number: `strategy` switches threads at scheduling
    points, and this is its seed."""
    strategy: Literal["random-walk", "pct", "pos"] = "random-walk"
    depth: Annotated[int, Field(ge=1, le=20)] = 3
    """For `pct` only: how many ordering constraints the race needs."""
    at_lines: bool = False
    """Whether every line of the client's source is a scheduling point too."""
    stalls: tuple[LineStall, ...] = ()
    step_us: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    """Virtual microseconds that each scheduling point, and each reading of a clock, takes: work
    takes time on any machine, and whatever is due by then comes first. In your own test at least
    1."""


@dataclass(frozen=True)
class Schedule:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    scenario: str
    entropy: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The seed of ids, WebSocket masks and jitter; it never decides an order by itself."""
    script: Script = field(default_factory=Script)
    server: ServerTiming = field(default_factory=ServerTiming)
    network: Network = field(default_factory=Network)
    rest: tuple[RestFault, ...] = ()
    caller: Caller = field(default_factory=Caller)
    interleaving: Interleaving = field(default_factory=Interleaving)
    counterfactual: bool = False
    """Allows what no released server does: `flushes_first`, and the REST fault `empty`."""
    schema: Literal[2] = SCHEMA
    others: tuple[OtherAct, ...] = ()
    """What others do in the conversation at the same time."""
    watchers: tuple[Watcher, ...] = ()
    """Further clients, which look on."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with every field spelled out."""
        return asdict(self)

    def to_short_dict(self) -> dict[str, Any]:
        """Return the JSON form of only what is not benign, without the scenario's name."""
        short: dict[str, Any] = _ADAPTER.dump_python(self, mode="json", exclude_defaults=True)
        del short["scenario"]
        return short

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    @property
    def test(self) -> str | None:
        """The name of the user's own test that the trial runs, as pytest writes it; None: it runs
        a scenario, whose name has no colons."""
        return test_named(self.scenario)

    def departures(self) -> tuple[str, ...]:
        """Return the fields that make the server do what no released server does."""
        found = ["server.flushes_first"] if self.server.flushes_first else []
        found += [
            f"rest[{index}], an empty page"
            for index, fault in enumerate(self.rest)
            if fault.action == "empty"
        ]
        return tuple(found)

    def __post_init__(self) -> None:
        if self.departures() and not self.counterfactual:
            raise ValueError(
                f"{', '.join(self.departures())}: no released server does that; set "
                "counterfactual to try it all the same"
            )

    @staticmethod
    def from_dict(data: object) -> "Schedule":
        """Check and read the JSON form.

        Raises:
            UsageError: an unknown field, a wrong type, a value out of range, another schema.
        """
        try:
            # By way of JSON, where a list may stand for a tuple; all else stays strict.
            return _ADAPTER.validate_json(json.dumps(data))
        except ValidationError as error:
            raise UsageError(f"schedule {first_complaint(error, 'schedule')}") from None

    def non_default_fields(self) -> dict[str, Any]:
        """Map the dotted path of each field that is not benign to its value (scenario and entropy
        aside)."""
        benign = Schedule(self.scenario, self.entropy)
        return {
            dotted(place.path): place.value
            # Each fault, act or stall is one entry.
            for place in walk(self, into_elements=False)
            if isinstance(place.path[-1], int)
            or (
                not (is_dataclass(place.value) or isinstance(place.value, tuple))
                and place.value != at(benign, place.path)
            )
        }


def test_named(scenario: str) -> str | None:
    """Return a scenario's name if it is that of a test; only those have colons."""
    return scenario if "::" in scenario else None


def first_complaint(error: ValidationError, whole: str) -> str:
    """Return the first error in a JSON value: its path (or the whole's name) and the reason."""
    first = error.errors(include_url=False)[0]
    # The name of an unknown field may be as long as the file.
    path, says = dotted(first["loc"]) or whole, unbroken(first["msg"])
    return f"field {path[:_MOST_TOLD]!r}: {says[:_MOST_TOLD]}"


_ADAPTER = TypeAdapter(Schedule)
