"""Small programs, one for each library, most of them beside a server that they start themselves.

Imported by `run_libraries.py`, after the simulation was put in place.
"""

import asyncio
import functools
import http.client
import json
import logging
import socket
import struct
import threading
import time
import urllib.request
import xmlrpc.client
import xmlrpc.server
from collections.abc import Callable
from typing import Any

import aiohttp
import aiohttp.web
import flask
import httpx
import paho.mqtt.client
import pytest
import requests
import slack_sdk
import slack_sdk.socket_mode.builtin
import trio
import urllib3
import uvicorn
import websocket
import websockets
import websockets.sync.client
import werkzeug.serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

HOST = "127.0.0.1"
MEGABYTES = 5_000_000
PROGRAMS: dict[str, Callable[[], None]] = {}


def program(function: Callable[..., Any]) -> Callable[..., Any]:
    PROGRAMS[function.__name__.strip("_")] = function
    return function


def coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    """A program that is one, run by asyncio."""

    @functools.wraps(function)
    def run() -> None:
        asyncio.run(function())

    return program(run)


# -- the server of most


async def _hello(request: Request) -> Response:
    return JSONResponse({"hello": request.query_params.get("n", "")})


async def _big(_request: Request) -> Response:
    return PlainTextResponse("x" * MEGABYTES)


async def _slow(_request: Request) -> Response:
    await asyncio.sleep(2)
    return PlainTextResponse("slow")


async def _upload(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return JSONResponse({"size": size})


async def _slack(request: Request) -> Response:
    await request.body()
    return JSONResponse({"ok": True, "channel": "C1", "ts": "1.0"})


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"echo {await socket.receive_text()}")
    except WebSocketDisconnect:
        pass


APP = Starlette(
    routes=[
        Route("/hello", _hello),
        Route("/big", _big),
        Route("/slow", _slow),
        Route("/upload", _upload, methods=["POST"]),
        Route("/api/chat.postMessage", _slack, methods=["POST"]),
        WebSocketRoute("/ws", _echo),
    ]
)


class Serving:
    """`uvicorn.Server`, lifespan included, in a thread."""

    def __enter__(self) -> str:
        listener = socket.create_server((HOST, 0))
        self._server = uvicorn.Server(uvicorn.Config(APP, log_level="critical"))
        self._thread = threading.Thread(target=self._server.run, args=[[listener]])
        self._thread.start()
        while not self._server.started:
            time.sleep(0.05)
        return f"{HOST}:{listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


# -- blocking clients


@program
def requests_() -> None:
    with Serving() as at, requests.Session() as session:
        for n in range(3):
            assert session.get(f"http://{at}/hello?n={n}").json() == {"hello": str(n)}
        assert len(session.get(f"http://{at}/big").content) == MEGABYTES
        body = b"y" * (MEGABYTES + 1)
        assert session.post(f"http://{at}/upload", data=body).json() == {"size": len(body)}
        began = time.monotonic()
        with pytest.raises(requests.ReadTimeout):
            session.get(f"http://{at}/slow", timeout=1)
        assert 1 <= time.monotonic() - began < 1.1
    with pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(f"http://{at}/hello")


@program
def urllib3_() -> None:
    with Serving() as at, urllib3.PoolManager() as pool:
        assert pool.request("GET", f"http://{at}/hello?n=1").json() == {"hello": "1"}
        assert len(pool.request("GET", f"http://{at}/big").data) == MEGABYTES


@program
def http_client() -> None:
    with Serving() as at:
        connection = http.client.HTTPConnection(at)
        for n in range(2):
            connection.request("GET", f"/hello?n={n}")
            assert json.loads(connection.getresponse().read()) == {"hello": str(n)}
        connection.close()
        with urllib.request.urlopen(f"http://{at.replace(HOST, 'localhost')}/hello") as answer:
            assert answer.status == 200


@program
def httpx_() -> None:
    with Serving() as at, httpx.Client(base_url=f"http://{at}", trust_env=False) as client:
        assert client.get("/hello?n=1").json() == {"hello": "1"}
        assert len(client.get("/big").content) == MEGABYTES


@program
def websocket_client() -> None:
    with Serving() as at:
        connection = websocket.create_connection(f"ws://{at}/ws", timeout=5)
        connection.send("a")
        assert connection.recv() == "echo a"
        connection.close()
        heard = []

        def on_message(app: websocket.WebSocketApp, message: str) -> None:
            heard.append(message)
            app.close()

        websocket.WebSocketApp(
            f"ws://{at}/ws", on_open=lambda app: app.send("b"), on_message=on_message
        ).run_forever(ping_interval=3)
        assert heard == ["echo b"]


@program
def websockets_sync() -> None:
    with (
        Serving() as at,
        websockets.sync.client.connect(f"ws://{at}/ws", proxy=None) as connection,
    ):
        connection.send("a")
        assert connection.recv(timeout=5) == "echo a"
        began = time.monotonic()
        try:
            connection.recv(timeout=1)
        except TimeoutError:
            assert 1 <= time.monotonic() - began < 1.1
        else:
            raise AssertionError


@program
def slack() -> None:
    """Its Web API, and the WebSocket of its socket mode, both on sockets of their own."""
    with Serving() as at:
        client = slack_sdk.WebClient(token="xoxb-1", base_url=f"http://{at}/api/")
        assert client.chat_postMessage(channel="C1", text="hi")["ok"]
        heard, got = [], threading.Event()

        def on_message(message: str) -> None:
            heard.append(message)
            got.set()

        connection = slack_sdk.socket_mode.builtin.connection.Connection(
            url=f"ws://{at}/ws",
            logger=logging.getLogger("slack"),
            on_message_listener=on_message,
        )
        connection.connect()
        state = slack_sdk.socket_mode.builtin.connection.ConnectionState()
        reading = threading.Thread(target=connection.run_until_completion, args=[state])
        reading.start()
        connection.send("hello")
        assert got.wait(5)
        assert heard == ["echo hello"]
        state.terminated = True
        connection.disconnect()
        reading.join()


@program
def paho_mqtt() -> None:
    """Against as much of a broker as a connect, a subscription and a message need (MQTT 3.1.1)."""
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer, peer.makefile("rb") as reading:

            def packet() -> tuple[int, bytes]:
                kind, size = reading.read(2)
                return kind >> 4, reading.read(size)

            assert packet()[0] == 1
            peer.sendall(b"\x20\x02\x00\x00")
            kind, body = packet()
            assert kind == 8
            peer.sendall(b"\x90\x03" + body[:2] + b"\x00")
            kind, body = packet()
            assert kind == 3
            peer.sendall(struct.pack("BB", 0x30, len(body)) + body)
            assert packet()[0] == 14

    broker = threading.Thread(target=serve)
    broker.start()
    client = paho.mqtt.client.Client(paho.mqtt.client.CallbackAPIVersion.VERSION2, "me")
    heard = threading.Event()
    client.on_connect = lambda mqtt, *_: mqtt.subscribe("news")
    client.on_subscribe = lambda mqtt, *_: mqtt.publish("news", "hello")
    client.on_message = lambda _mqtt, _data, message: heard.set() if message.payload else None
    client.connect(*listener.getsockname())
    client.loop_start()
    assert heard.wait(10)
    client.disconnect()
    client.loop_stop()
    broker.join()
    listener.close()


# -- clients on an event loop


@coroutine
async def httpx_asyncio() -> None:
    with Serving() as at:
        async with httpx.AsyncClient(base_url=f"http://{at}", trust_env=False) as client:
            answers = await asyncio.gather(*(client.get(f"/hello?n={n}") for n in range(5)))
            assert [each.json()["hello"] for each in answers] == list("01234")


@program
def httpx_trio() -> None:
    with Serving() as at:
        trio.run(_on_trio, at)


async def _on_trio(at: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://{at}", trust_env=False) as client:

        async def ask(n: int) -> None:
            assert (await client.get(f"/hello?n={n}")).json() == {"hello": str(n)}

        async with trio.open_nursery() as nursery:
            for n in range(5):
                nursery.start_soon(ask, n)
        assert len((await client.get("/big")).content) == MEGABYTES
        began = trio.current_time()
        with trio.move_on_after(1) as scope:
            await client.get("/slow")
        assert scope.cancelled_caught
        assert 1 <= trio.current_time() - began < 1.1
        await trio.to_thread.run_sync(time.sleep, 1)


@coroutine
async def websockets_asyncio() -> None:
    with Serving() as at:
        async with websockets.connect(f"ws://{at}/ws", proxy=None) as connection:
            await connection.send("a")
            assert await connection.recv() == "echo a"


@coroutine
async def aiohttp_() -> None:
    """Client and server."""

    async def hello(_request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(text="hi")

    app = aiohttp.web.Application()
    app.router.add_get("/", hello)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, HOST, 0)
    await site.start()
    port = runner.addresses[0][1]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://localhost:{port}/") as answer,
    ):
        assert await answer.text() == "hi"
    await runner.cleanup()
    with Serving() as at:
        async with aiohttp.ClientSession(f"http://{at}") as session:
            async with session.get("/big") as answer:
                assert len(await answer.read()) == MEGABYTES
            async with session.ws_connect("/ws") as connection:
                await connection.send_str("a")
                assert (await connection.receive_str()) == "echo a"


# -- servers on threads


@program
def flask_() -> None:
    app = flask.Flask("app")
    app.get("/")(lambda: "flask")
    logging.getLogger("werkzeug").disabled = True
    server = werkzeug.serving.make_server(HOST, 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    answers = []
    askers = [
        threading.Thread(
            target=lambda: answers.append(requests.get(f"http://{HOST}:{server.port}/"))
        )
        for _ in range(3)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert [answer.text for answer in answers] == ["flask"] * 3
    server.shutdown()
    thread.join()
    server.server_close()


@program
def xmlrpc_() -> None:
    server = xmlrpc.server.SimpleXMLRPCServer((HOST, 0), logRequests=False)
    server.register_function(lambda one, other: one + other, "add")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with xmlrpc.client.ServerProxy(f"http://{HOST}:{server.server_address[1]}") as proxy:
        assert proxy.add(1, 2) == 3
    server.shutdown()
    thread.join()
    server.server_close()
