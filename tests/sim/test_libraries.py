"""Which libraries a client may use in the simulation, and what the others meet.

docs/your-own-client.md has the table of them.
"""

import asyncio
import http.client
import socket
import sys
import types
import urllib.request

import httpx
import pytest
import websockets
import websockets.sync.client
from alone import Alone
from sim_rig import both

from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import Link
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.network.site import PORT
from race_harness.sim.loop import SimLoop

HOST = "127.0.0.1"


def in_loop(site, program, **options):
    """What a coroutine function gives for the site's URL, and the virtual seconds it took."""

    async def timed(url):
        loop = asyncio.get_running_loop()
        began = loop.time()
        return await program(url), round(loop.time() - began, 6)

    return site.visit(lambda url: asyncio.run(timed(url)), **options).value


# -- what works


def test_httpx_async_takes_its_latencies(site):
    async def program(url):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            return (await client.post("/echo", content=b"x" * 100_000)).content

    body, seconds = in_loop(site, program, network=both(50))
    assert body == b"x" * 100_000
    assert seconds == pytest.approx(0.2)  # a handshake, a request


def test_connections_take_the_link_that_they_are_for(site):
    """From the handshake on, though nothing was sent yet."""

    async def program(url):
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            await client.get("/peer")
        rested = loop.time()
        async with websockets.connect(f"{url.replace('http', 'ws')}/echo", proxy=None):
            return rested - began, loop.time() - rested

    links = NetworkSchedule(rest=Link(10), socket=Link(100))
    (for_rest, for_socket), _ = in_loop(site, program, network=links)
    assert for_rest == pytest.approx(0.04)
    assert for_socket == pytest.approx(0.4)


def test_httpx_async_keeps_a_connection_and_uses_it_again(site):
    async def program(url):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            return [(await client.get("/peer")).text for _ in range(3)]

    peers, _ = in_loop(site, program)
    assert len(set(peers)) == 1


def test_httpx_async_makes_a_connection_for_each_that_waits(site):
    async def program(url):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            slow = [client.get("/slow", params={"seconds": 3}) for _ in range(3)]
            return [answer.text for answer in await asyncio.gather(*slow)]

    answers, seconds = in_loop(site, program)
    assert answers == ["at last"] * 3
    assert 3 < seconds < 3.1


def test_httpx_async_notices_that_the_server_has_hung_up(site):
    """uvicorn closes an idle connection after 5 s: nothing may be sent on it then."""

    async def program(url):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            first = await client.get("/peer")
            await asyncio.sleep(4.5)
            second = await client.get("/peer")
            await asyncio.sleep(60)
            return [first.text, second.text, (await client.get("/peer")).text]

    (first, second, third), _ = in_loop(site, program)
    assert first == second != third


@pytest.mark.parametrize(
    ("path", "error"), [("/slow?seconds=60", httpx.ReadTimeout), ("/peer", httpx.ConnectTimeout)]
)
def test_httpx_async_times_out_in_virtual_time(site, path, error):
    async def program(url):
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
            with pytest.raises(error):
                await client.get(path)

    far = both(6_000) if error is httpx.ConnectTimeout else both(1)
    _, seconds = in_loop(site, program, network=far)
    assert seconds == pytest.approx(10, abs=0.1)


def test_httpx_async_is_refused_where_nobody_listens(site):
    async def program(url):
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://{HOST}:9")
        return True

    assert in_loop(site, program)[0]


@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_streams_of_asyncio(site, host):
    async def program(_url):
        reader, writer = await asyncio.open_connection(host, PORT)
        writer.write(b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await writer.drain()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer, writer.get_extra_info("sockname"), writer.get_extra_info("socket")

    (answer, name, sock), _ = in_loop(site, program)
    assert answer.endswith(str(name[1]).encode())
    assert (sock.getsockname(), sock.getpeername()) == (name, (HOST, PORT))
    assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)


class Filling(asyncio.BufferedProtocol):
    """Has a buffer of seven bytes."""

    def __init__(self):
        self.buffer = bytearray(7)
        self.got = b""
        self.ended = asyncio.Event()

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.got += self.buffer[:nbytes]

    def eof_received(self):
        self.ended.set()


def test_protocols_that_bring_their_buffer(site):
    async def program(_url):
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(Filling, HOST, PORT)
        transport.write(b"GET /drip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await protocol.ended.wait()
        return protocol.got

    answer, _ = in_loop(site, program)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"\n\r\n") == 7  # the head, five drops, the end


def test_a_socket_that_the_loop_connects(site):
    """As aiohttp does it. The real one is connected to nothing."""

    async def program(_url):
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, (HOST, PORT))
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.write(b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            with pytest.raises(OSError, match="not connected"):
                sock.getpeername()
            return (await reader.read())[:15]

    assert in_loop(site, program)[0] == b"HTTP/1.1 200 OK"


def test_a_socket_that_the_loop_cannot_connect(site):
    async def program(_url):
        with socket.socket() as sock:
            sock.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.get_running_loop().sock_connect(sock, (HOST, 9))
        return True

    assert in_loop(site, program)[0]


@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_aiohttp(site, host):
    """It is here because the client of OpenHands needs it."""
    aiohttp = pytest.importorskip("aiohttp")

    async def program(url):
        async with aiohttp.ClientSession(url.replace(HOST, host)) as session:
            peers = [await (await session.get("/peer")).text() for _ in range(2)]
            async with session.ws_connect("/echo") as stream:
                await stream.send_str("hello")
                return peers, await stream.receive_str()

    (peers, said), _ = in_loop(site, program)
    assert (len(set(peers)), said) == (1, "hello")


def test_aiohttp_repeats(site):
    aiohttp = pytest.importorskip("aiohttp")

    async def chat(url):
        async with aiohttp.ClientSession(url) as session, session.ws_connect("/echo") as stream:
            await stream.send_str("hello")
            return await stream.receive_str()

    digests = [
        site.visit(lambda url: asyncio.run(chat(url)), seed=2).ending.digest for _ in range(4)
    ]
    assert len(set(digests[1:])) == 1


# -- what is refused


def _requests(url):
    pytest.importorskip("requests").get(f"{url}/peer")


def _urllib(url):
    urllib.request.urlopen(f"{url}/peer")


def _http_client(url):
    http.client.HTTPConnection(url.removeprefix("http://")).request("GET", "/peer")


def _websockets_sync(url):
    websockets.sync.client.connect(f"{url.replace('http', 'ws')}/echo", proxy=None)


@pytest.mark.parametrize("reach", [_requests, _urllib, _http_client, _websockets_sync])
def test_libraries_on_blocking_sockets_are_refused(site, reach):
    """Also if the client takes the refusal for an error of the network."""
    if reach is _requests:
        pytest.importorskip("requests")  # Before the trial: importing it binds a socket.

    def swallow(url):
        try:
            reach(url)
        except Exception:
            return

    with pytest.raises(WorldBroken, match="connecting a real socket inside a trial") as broken:
        site.visit(swallow)
    assert f"in {reach.__name__}" in str(broken.value)


def test_an_event_loop_in_c_is_refused(site, monkeypatch):
    """Neither its waiting nor its connecting is announced to anybody."""

    class Loop:
        def __init__(self):
            raise AssertionError("a real loop")

    uvloop = types.ModuleType("uvloop")
    uvloop.Loop = Loop
    monkeypatch.setitem(sys.modules, "uvloop", uvloop)
    with pytest.raises(WorldBroken, match="uvloop"):
        site.visit(lambda _url: asyncio.Runner(loop_factory=uvloop.Loop).get_loop())
    with pytest.raises(AssertionError, match="a real loop"):
        uvloop.Loop()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("add_reader", (0, int)),
        ("add_writer", (0, int)),
        ("sock_recv", (None, 1)),
        ("sock_sendall", (None, b"")),
        ("create_datagram_endpoint", (asyncio.DatagramProtocol,)),
        ("create_unix_connection", (asyncio.Protocol, "/run/docker.sock")),
        ("start_tls", (None, None, None)),
        ("subprocess_exec", (asyncio.SubprocessProtocol, "true")),
        ("subprocess_shell", (asyncio.SubprocessProtocol, "true")),
    ],
)
def test_what_the_loop_cannot_do_is_refused(name, arguments):
    """Also if the client has another way when it gets NotImplementedError."""
    alone = Alone()

    async def program():
        try:
            await getattr(asyncio.get_running_loop(), name)(*arguments)
        except WorldBroken:
            return

    alone.run(lambda: asyncio.run(program()))
    assert f"the event loop's {name}()" in alone.kernel.violations[0]


def test_nothing_of_the_loop_is_left_unsaid():
    """A method that BaseEventLoop has not is ours or refused."""
    open_ones = {
        name
        for name in dir(asyncio.AbstractEventLoop)
        if not name.startswith("_")
        and getattr(SimLoop, name) is getattr(asyncio.AbstractEventLoop, name)
    }
    # Of the main thread of a real process only; harmless.
    assert open_ones <= {
        "add_signal_handler",
        "remove_signal_handler",
        "remove_reader",
        "remove_writer",
    }


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1"])
def test_an_address_is_not_looked_up_but_not_connected_to_either(site, address):
    with pytest.raises(WorldBroken, match="connecting a real socket"):
        site.visit(lambda _url: socket.create_connection((address, 80), timeout=0.01))
