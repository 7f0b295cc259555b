"""A small client of our own, with bugs to plant: it shows that the oracle can see each of them.

It does what `RemoteConversation` does (REST by httpx, a socket thread with asyncio and websockets)
in the least code, and waits as the newest releases should: for the post-run snapshot, then it
fetches what it missed. Each bug is one that a release had or that a reviewer feared.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import websockets

from harness import __version__
from harness.clients import Client, OnEvent, SeenEvent
from harness.errors import UsageError
from harness.schedule import Schedule
from harness.server import Server
from harness.server.app import FakeServer
from harness.trace import Trace

BUGS = {
    "none": "works",
    "poll": "run() returns on the first poll that says finished, as 1.10.0 does",
    "eager": "run() returns as soon as the server has accepted it",
    "deaf": "events come by socket alone: none is ever fetched over REST",
    "endless": "run() waits for a status that never comes",
    "deadlock": "run() waits for itself",
    "slow": "run() waits 30 s more than it needs to",
    "nervous": "run() raises on the first poll that still says running",
    "cheerful": "run() returns normally when the run has failed",
    "mute": "observations never reach the callback",
    "stutter": "observations reach the callback twice",
    "reversed": "state.events begins with its newest event",
}
"""Bug to what it does."""

POLL_S = 0.2


class ReferenceClient:
    """One conversation."""

    def __init__(self, url: str, on_event: OnEvent, bug: str) -> None:
        self._bug = bug
        self._on_event = on_event
        self._events: list[str] = []
        self._lock = threading.Lock()
        self._subscribed = threading.Event()
        self._snapshot = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        created = self._http.post("/api/conversations", json={"agent": {}}).raise_for_status()
        self._path = f"/api/conversations/{created.json()['id']}"
        socket_url = f"{url.replace('http', 'ws', 1)}/sockets/events/{created.json()['id']}"
        self._thread = threading.Thread(target=self._listen, args=(socket_url,), daemon=True)
        self._thread.start()
        self._subscribed.wait(30)

    def send_message(self, text: str) -> None:
        content = [{"type": "text", "text": text}]
        message = {"role": "user", "content": content, "run": False}
        self._http.post(f"{self._path}/events", json=message).raise_for_status()

    def run(self, *, blocking: bool = True, timeout_s: float | None = None) -> None:
        self._snapshot.clear()
        self._http.post(f"{self._path}/run").raise_for_status()
        if self._bug == "eager":
            return
        if self._bug == "deadlock":
            with self._lock:
                self._lock.acquire()
        if self._bug == "poll":
            while self._status() != "finished":
                time.sleep(POLL_S)
            return
        while not self._snapshot.wait(POLL_S):
            status = self._status()
            if self._bug == "nervous" and status == "running":
                raise RuntimeError("still running")
            # The socket may have died: what REST says has to do, once it says so twice. Before
            # the run has begun it says `idle`.
            over = status not in ("idle", "running") and not self._thread.is_alive()
            if over and self._status() == status:
                break
        if self._bug == "endless":
            while self._status() != "content":
                time.sleep(POLL_S)
        if self._bug == "slow":
            time.sleep(30)
        self._fetch()
        status = self._status()
        if status in ("error", "stuck") and self._bug != "cheerful":
            raise RuntimeError(f"the run ended in {status}")

    def pause(self) -> None:
        self._http.post(f"{self._path}/pause").raise_for_status()

    def interrupt(self) -> None:
        self._http.post(f"{self._path}/interrupt").raise_for_status()

    def count(self) -> int:
        return len(self._events)

    def visible(self) -> list[str]:
        return self._events[::-1] if self._bug == "reversed" else list(self._events)

    def close(self) -> None:
        # The socket may have ended by itself, and its loop with it.
        with contextlib.suppress(RuntimeError):
            self._stop()
        self._thread.join(5)
        self._http.close()

    def _status(self) -> str:
        return str(self._http.get(self._path).raise_for_status().json()["execution_status"])

    def _fetch(self) -> None:
        """Take in, over REST, what the socket has not brought."""
        if self._bug == "deaf":
            return
        found = self._http.get(f"{self._path}/events/search", params={"limit": 100})
        for event in found.raise_for_status().json()["items"]:
            self._receive(event)

    def _listen(self, url: str) -> None:
        async def listen() -> None:
            async with websockets.connect(url, proxy=None) as socket:
                loop = asyncio.get_running_loop()
                task = asyncio.current_task()
                assert task is not None
                self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
                async for message in socket:
                    self._receive(json.loads(message))

        # run() notices by this thread's end.
        ended = (asyncio.CancelledError, OSError, websockets.WebSocketException)
        with contextlib.suppress(*ended):
            asyncio.run(listen())

    def _receive(self, event: dict[str, Any]) -> None:
        with self._lock:
            if event["id"] in self._events:
                return
            self._events.append(event["id"])
        times = 1
        if event["kind"] == "ObservationEvent":
            times = {"mute": 0, "stutter": 2}.get(self._bug, 1)
        for _ in range(times):
            self._on_event(SeenEvent(event["id"], event["kind"], event.get("tool_name")))
        if event.get("key") == "full_state":
            self._subscribed.set()
            if event["value"]["execution_status"] != "idle":
                self._snapshot.set()


class ReferenceAdapter:
    """Connects reference clients with one planted bug, or none."""

    version = __version__
    server_version = "1.58.0"
    source: tuple[str, ...] = (__name__,)

    def __init__(self, bug: str = "none") -> None:
        if bug not in BUGS:
            raise UsageError(f"no bug {bug!r} to plant; there are: {', '.join(BUGS)}")
        self._bug = bug

    @staticmethod
    def named(name: str) -> "ReferenceAdapter":
        """From `reference` or `reference:BUG`."""
        return ReferenceAdapter(name.partition(":")[2] or "none")

    def connect(self, url: str, on_event: OnEvent) -> Client:
        return ReferenceClient(url, on_event, self._bug)

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        return FakeServer(self.server_version, schedule, trace)
