"""The job runner's client once more: all of its I/O in one event loop, on a thread of its own.

`Http` is httpx.AsyncClient beneath, `Plain` a few lines on `asyncio.open_connection`; the socket
is that of websockets. `RacyHttp` returns as `own_client.Racy` does.
"""

import asyncio
import contextlib
import json
import threading

import httpx
import websockets
from own_client import DIALECT, JobServer

from race_harness import Client, SeenEvent


class HttpxRest:
    def __init__(self, url):
        self._http = httpx.AsyncClient(base_url=url, trust_env=False)

    async def call(self, method, path, content=None):
        answer = await self._http.request(method, path, json=content)
        return answer.raise_for_status().json()

    async def close(self):
        await self._http.aclose()


class PlainRest:
    def __init__(self, url):
        self._host, _, self._port = url.removeprefix("http://").partition(":")

    async def call(self, method, path, content=None):
        reader, writer = await asyncio.open_connection(self._host, int(self._port))
        body = json.dumps(content).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: jobs\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        status = await reader.readline()
        assert status.split()[1] == b"200", status
        while (await reader.readline()).strip():
            pass
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return json.loads(answer)

    async def close(self):
        pass


class AsyncClient(Client):
    def __init__(self, url, on_event, rest, racy):
        self._on_event, self._racy, self._lines = on_event, racy, []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._wait_for(self._open(url, rest))

    def send_message(self, text):
        self._wait_for(self._rest.call("POST", f"{self._path}/log", {"kind": "Note"}))

    def run(self, *, blocking=True, timeout_s=None):
        self._wait_for(self._run())

    def visible(self):
        return list(self._lines)

    def close(self):
        self._wait_for(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _wait_for(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _open(self, url, rest):
        self._rest = rest(url)
        job = (await self._rest.call("POST", "/jobs"))["id"]
        self._path = f"/jobs/{job}"
        stream = f"{url.replace('http', 'ws')}{self._path}/stream"
        self._listening = asyncio.create_task(self._listen(stream))

    async def _run(self):
        await self._rest.call("POST", f"{self._path}/start")
        while (state := (await self._rest.call("GET", self._path))["state"]) == "working":
            await asyncio.sleep(0.1)
        if not self._racy:
            for line in await self._rest.call("GET", f"{self._path}/log"):
                self._take(line)
        if state in ("error", "stuck"):
            raise RuntimeError(f"the job ended in {state}")

    async def _close(self):
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self._rest.close()

    async def _listen(self, url):
        with contextlib.suppress(websockets.WebSocketException, OSError):
            async with websockets.connect(url, proxy=None) as socket:
                async for message in socket:
                    self._take(json.loads(message))

    def _take(self, line):
        if line["event"] not in self._lines:
            self._lines.append(line["event"])
            self._on_event(SeenEvent(line["event"], line["kind"]))


class Adapter:
    version = "1.0"
    dialect = DIALECT

    def __init__(self, rest=HttpxRest, racy=False):
        self._rest, self._racy = rest, racy

    def connect(self, url, on_event):
        return AsyncClient(url, on_event, self._rest, self._racy)

    def serve(self, schedule, trace):
        return JobServer(schedule, trace)


Http = Adapter()
RacyHttp = Adapter(racy=True)
Plain = Adapter(PlainRest)
