"""A fake server with an in-process client for REST and one for each WebSocket, in one loop."""

import asyncio
import json
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import wraps
from typing import Any

import httpx
from starlette.types import ASGIApp

from race_harness.model.schedule import Late, RestFault, Schedule, Script, ServerTiming
from race_harness.model.trace import Happening, Trace
from race_harness.server.access_log import AccessLog
from race_harness.server.fake.app import create_app
from race_harness.server.fake.conversation import Conversation
from race_harness.server.fake.event_service import AgentServer
from race_harness.server.profile import Profile
from race_harness.server.wire import AgentServerDialect

OLD, NEW = "1.10.0", "1.58.0"
CONVERSATION = "11111111-2222-4333-8444-555555555555"
BASE = f"/api/conversations/{CONVERSATION}"
HELLO = {"role": "user", "content": [{"type": "text", "text": "Hello"}], "run": False}
MAX_ITERATIONS = 7
"""How many steps the agent may take in one run."""
FINISH = "action observation finished"
"""How a run ends that is not told otherwise, in the words of `story`."""

APP = create_app()


class ClientSocket:
    """The client's end of a WebSocket, speaking ASGI."""

    def __init__(
        self,
        app: ASGIApp,
        query: str = "",
        *,
        conversation: str = CONVERSATION,
        headers: dict[str, str] | None = None,
        port: int = 50_000,
    ) -> None:
        self.port = port
        self.messages: list[dict[str, Any]] = []
        self.broken = False
        self.send_s = 0.0
        """How long each frame takes to be sent, because the client reads slowly."""
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": f"/sockets/events/{conversation}",
            "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
            "client": ("127.0.0.1", port),
            "subprotocols": [],
        }
        self.task = asyncio.create_task(app(scope, self._incoming.get, self._send))

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(m["text"]) for m in self.messages if m["type"] == "websocket.send"]

    @property
    def story(self) -> str:
        return story(self.frames)

    @property
    def close_code(self) -> int | None:
        codes = [m["code"] for m in self.messages if m["type"] == "websocket.close"]
        return codes[0] if codes else None

    @property
    def accepted(self) -> bool:
        return any(m["type"] == "websocket.accept" for m in self.messages)

    def say(self, frame: object) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def leave(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if self.broken:
            raise OSError("the peer is gone")
        if message["type"] == "websocket.send":
            await asyncio.sleep(self.send_s)
        self.messages.append(dict(message))


class Rig:
    def __init__(self, server: AgentServer, app: ASGIApp, rest: httpx.AsyncClient) -> None:
        self.server = server
        self.app = app
        self.trace = server.trace
        self.rest = rest
        self.sockets: list[ClientSocket] = []

    @property
    def conversation(self) -> Conversation:
        return self.server.conversations[CONVERSATION]

    async def create(self) -> None:
        body = {
            "conversation_id": CONVERSATION,
            "agent": {"kind": "Agent"},
            "max_iterations": MAX_ITERATIONS,
        }
        assert (await self.rest.post("/api/conversations", json=body)).status_code == 201

    async def connect(self, query: str = "", **how: Any) -> ClientSocket:
        """A socket that has its first snapshot."""
        socket = self.dial(query, **how)
        await until(lambda: socket.frames)
        return socket

    def dial(self, query: str = "", **how: Any) -> ClientSocket:
        socket = ClientSocket(self.app, query, **how)
        self.sockets.append(socket)
        return socket

    async def post(self, name: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self.rest.post(f"{BASE}/{name}", json=body)

    async def status(self) -> str:
        status: str = (await self.rest.get(BASE)).json()["execution_status"]
        return status

    async def events(self, **params: Any) -> dict[str, Any]:
        answer = await self.rest.get(f"{BASE}/events/search", params=params)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def log(self) -> str:
        """What is persisted, as a story."""
        return story((await self.events())["items"])

    async def begin(self, what: str = "run-started", times: int = 1, **detail: Any) -> None:
        """A message and a run of it, until that happens."""
        await self.post("events", HELLO)
        await self.post("run")
        await self.happened(what, times, **detail)

    def all(self, what: str, **detail: Any) -> list[Happening]:
        return [
            h
            for h in self.trace.happenings
            if h.what == what and detail.items() <= h.detail.items()
        ]

    def place(self, what: str, **detail: Any) -> int:
        """Where in the trace the only such happening is."""
        (happening,) = self.all(what, **detail)
        return self.trace.happenings.index(happening)

    def place_of_answer(self, route: str) -> int:
        """To the only such request."""
        (request,) = self.all("request", route=route)
        return self.place("answer", number=request.detail["number"])

    async def happened(self, what: str, times: int = 1, **detail: Any) -> None:
        await until(lambda: len(self.all(what, **detail)) >= times)


@asynccontextmanager
async def rig(
    release: str | Profile = NEW,
    script: Script | None = None,
    keys: frozenset[str] = frozenset(),
    headers: dict[str, str] | None = None,
    rest_faults: tuple[RestFault, ...] = (),
    late: tuple[Late, ...] = (),
    **timing: float,
) -> AsyncIterator[Rig]:
    """A server whose acts take no time, other than `timing` says."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    acts = {e.name: 0.0 for e in fields(ServerTiming) if e.name.endswith("_ms")} | timing
    schedule = Schedule(
        "test",
        5,
        script=script or Script(),
        server=ServerTiming(**acts, late=late),  # type: ignore[arg-type]
        rest=rest_faults,
        counterfactual=True,
    )
    trace = Trace(lambda: int((loop.time() - began) * 1e9))
    profile = release if isinstance(release, Profile) else Profile.of(release)
    server = AgentServer(schedule, trace, profile, session_api_keys=keys)
    APP.state.server = server
    app = AccessLog(APP, trace, AgentServerDialect())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as rest:
        subject = Rig(server, app, rest)
        try:
            yield subject
        finally:
            for socket in subject.sockets:
                socket.task.cancel()
            await asyncio.gather(*(s.task for s in subject.sockets), return_exceptions=True)
            await server.aclose()
            APP.state.server = None


@asynccontextmanager
async def conversation(
    release: str | Profile = NEW, script: Script | None = None, **how: Any
) -> AsyncIterator[Rig]:
    """A server with a conversation."""
    async with rig(release, script, **how) as subject:
        await subject.create()
        yield subject


class _NoWaiting(selectors.DefaultSelector):
    """Lets the loop's clock jump where the loop would wait."""

    loop: "InstantLoop"

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("everything waits, and there is no timer")
        if not found and timeout:
            self.loop.now_s += timeout
        return found


class InstantLoop(asyncio.SelectorEventLoop):
    """Its clock stands still while anything is ready, and then jumps to the next timer."""

    def __init__(self) -> None:
        self.now_s = 0.0
        selector = _NoWaiting()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s


def run[T](trial: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, on a clock that the machine's load cannot disturb."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(trial)


def instant[**P](test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Let a test be a coroutine, which `run` runs."""

    @wraps(test)
    def ran(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs))

    return ran


async def until(condition: Callable[[], object]) -> None:
    """Seconds of the loop's own clock."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.0005)


async def plain_run(rig: Rig, runs: int = 1) -> None:
    """A message and a run of it, to the end of the tail."""
    assert (await rig.post("events", HELLO)).json() == {"success": True}
    assert (await rig.post("run")).json() == {"success": True}
    await rig.happened("snapshot", runs)
    await asyncio.sleep(0)


_WORDS = {
    "SystemPromptEvent": "prompt",
    "MessageEvent": "message",
    "last_user_message_id": "tracked",
    "ActionEvent": "action",
    "ObservationEvent": "observation",
    "AgentErrorEvent": "failure",
    "UserRejectObservation": "rejection",
    "ConversationErrorEvent": "reason",
    "PauseEvent": "pause",
    "InterruptEvent": "interrupt",
    "StreamingDeltaEvent": "delta",
    "stats": "stats",
}


def story(events: Iterable[dict[str, Any]]) -> str:
    """A word for each: of a status itself, and of a snapshot the status in brackets."""
    return " ".join(map(_told, events))


def _told(event: dict[str, Any]) -> str:
    match event.get("key", event["kind"]):
        case "full_state":
            return f"[{event['value']['execution_status']}]"
        case "execution_status":
            return str(event["value"])
        case what:
            return _WORDS[what]


def after_running(story: str) -> str:
    """What comes after the first `running`."""
    return story.partition("running ")[2]


def in_order(**places: int) -> str:
    """The names in the order of their places: `ended < cleared`."""
    return " < ".join(sorted(places, key=places.__getitem__))
