"""A job runner: client, server and adapter, in a protocol that nobody else speaks.

`Right` is its client as it should be. `Racy` returns as soon as a poll says that the job is done,
without what the stream has not brought yet: race run own_client.py:Racy --scenario final-events
"""

import asyncio
import contextlib
import json
import threading
import time

import httpx
import websockets
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from race_harness import Client, Dialect, RestProxy, SeenEvent


class JobClient(Client):
    """One job. A thread listens to the stream of its log; all else goes over REST."""

    def __init__(self, url, on_event, racy):
        self._on_event, self._racy = on_event, racy
        self._lines, self._lock = [], threading.Lock()
        self._http = httpx.Client(base_url=url, trust_env=False)
        self._path = f"/jobs/{self._http.post('/jobs').json()['id']}"
        stream = f"{url.replace('http', 'ws')}{self._path}/stream"
        threading.Thread(target=asyncio.run, args=[self._listen(stream)], daemon=True).start()

    def send_message(self, text):
        self._http.post(f"{self._path}/log", json={"kind": "Note"}).raise_for_status()

    def run(self, *, blocking=True, timeout_s=None):
        if not blocking or timeout_s is not None:
            raise NotImplementedError
        self._http.post(f"{self._path}/start").raise_for_status()
        while (state := self._http.get(self._path).json()["state"]) == "working":
            time.sleep(0.1)
        if not self._racy:
            for line in self._http.get(f"{self._path}/log").json():
                self._take(line)
        if state in ("error", "stuck"):
            raise RuntimeError(f"the job ended in {state}")

    def visible(self):
        return list(self._lines)

    def close(self):
        self._http.close()

    async def _listen(self, url):
        with contextlib.suppress(websockets.WebSocketException, OSError):
            async with websockets.connect(url, proxy=None) as socket:
                async for message in socket:
                    self._take(json.loads(message))

    def _take(self, line):
        with self._lock:  # Also during the callback, or two threads might swap two lines.
            if line["event"] not in self._lines:
                self._lines.append(line["event"])
                self._on_event(SeenEvent(line["event"], line["kind"]))


class JobDialect(Dialect):
    """What the bytes on the wire mean."""

    def execution_status(self, route, body):
        return json.loads(body).get("state") if route == "GET conversation" else None

    def frame(self, message):
        return json.loads(message)  # `event` and `kind`, as they are sent.


DIALECT = JobDialect(
    {  # What schedules and timelines call them.
        "POST /jobs/{id}/log": "send-message",
        "POST /jobs/{id}/start": "run",
        "GET /jobs/{id}": "conversation",
        "GET /jobs/{id}/log": "events",
    }
)


class JobServer:
    """The one job of a trial. The trace is told what the oracle has to know."""

    def __init__(self, schedule, trace):
        self._script, self._timing, self._trace = schedule.script, schedule.server, trace
        self._log, self._runs, self._state, self._grown = [], [], "idle", asyncio.Event()
        handlers = [
            Route("/jobs", self._tell_state, methods=["POST"]),
            Route("/jobs/{id}", self._tell_state),
            Route("/jobs/{id}/start", self._start, methods=["POST"]),
            Route("/jobs/{id}/log", self._read_or_write, methods=["GET", "POST"]),
            WebSocketRoute("/jobs/{id}/stream", self._stream),
        ]
        self.app = RestProxy(Starlette(routes=handlers), schedule, trace, DIALECT)

    async def aclose(self):
        for run in self._runs:
            run.result() if run.done() else run.cancel()

    async def _tell_state(self, request):
        return JSONResponse({"id": 1, "state": self._state})

    async def _read_or_write(self, request):
        if request.method == "POST":
            self._persist((await request.json())["kind"])
        return JSONResponse(self._log)

    async def _start(self, request):
        self._state = "working"
        self._trace.record("server", "run-accepted", run=len(self._runs) + 1)
        self._runs.append(asyncio.create_task(self._work(len(self._runs) + 1)))
        return JSONResponse({})

    async def _work(self, run):
        self._trace.record("server", "run-started", run=run)
        for kind in ["Step"] * self._script.turn(run).tool_calls + ["Result"]:
            await asyncio.sleep(self._timing.think_ms / 1000)
            self._persist(kind)
        self._state = self._script.turn(run).outcome
        self._trace.record("server", "run-ended", run=run, status=self._state)

    def _persist(self, kind):
        self._log.append({"event": f"line-{len(self._log) + 1}", "kind": kind})
        self._trace.record("server", "persisted", **self._log[-1])
        self._grown.set()
        self._grown = asyncio.Event()

    async def _stream(self, socket):
        await socket.accept()
        peer, sent = socket.client.port, 0
        self._trace.record("socket", "subscribed", peer=peer)
        while True:
            while sent == len(self._log):
                await self._grown.wait()
            await asyncio.sleep(self._timing.publish_ms / 1000)
            await socket.send_json(self._log[sent])
            sent += 1


class Right:
    version = "1.0"
    dialect = DIALECT
    racy = False

    def connect(self, url, on_event):
        return JobClient(url, on_event, self.racy)

    def serve(self, schedule, trace):
        return JobServer(schedule, trace)


class Racy(Right):
    racy = True
