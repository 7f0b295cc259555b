"""Which libraries a client may use in the simulation, and what the others meet.

docs/how-to/own-client.md has the table of them.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import websockets
from alone import Alone
from sim_rig import both

from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import Link
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.network.site import PORT

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
    """The first bytes make up for a handshake that was too fast."""

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
        name, sock = writer.get_extra_info("sockname"), writer.get_extra_info("socket")
        assert (sock.getsockname(), sock.getpeername()) == (name, (HOST, PORT))
        assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer, name

    (answer, name), _ = in_loop(site, program)
    assert answer.endswith(str(name[1]).encode())


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
    """As aiohttp does it."""

    async def program(_url):
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, (HOST, PORT))
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.write(b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert sock.getpeername() == (HOST, PORT)
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


# -- whole libraries, in a process of their own


@pytest.fixture(scope="module")
def told():
    """What came of each of the programs, by its name."""
    path = Path(__file__).with_name("run_libraries.py")
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(path.parent), "PYTHONHASHSEED": "0"},
    )
    assert done.stderr == ""
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


LIBRARIES = (
    *("requests", "urllib3", "http_client", "httpx", "websocket_client", "websockets_sync"),
    *("slack", "paho_mqtt", "httpx_asyncio", "httpx_trio", "websockets_asyncio", "aiohttp"),
    *("flask", "xmlrpc"),
)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_works_and_repeats(told, name):
    """Beside a server that the program starts itself, also where threads switch at random."""
    assert told[name].get("failed") is None, told[name]["failed"]
    for first, second in (told[name]["plain"], told[name]["switching"]):
        assert first == second
    digests = {told[name][how][0][0] for how in ("plain", "switching")}
    assert len(digests) == 2


def test_every_library_is_named_here(told):
    assert sorted(told) == sorted(LIBRARIES)


# -- what is refused


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        (
            "create_datagram_endpoint",
            (asyncio.DatagramProtocol, (HOST, 0)),
            "a socket of AF_INET, SOCK_DGRAM",
        ),
        (
            "create_unix_connection",
            (asyncio.Protocol, "/run/docker.sock"),
            "a socket of AF_UNIX, SOCK_STREAM",
        ),
        ("subprocess_exec", (asyncio.SubprocessProtocol, "true"), "starting a process"),
        ("subprocess_shell", (asyncio.SubprocessProtocol, "true"), "starting a process"),
    ],
)
def test_what_a_loop_cannot_do_is_refused(name, arguments, says):
    """Also if the client swallows it."""
    alone = Alone()

    async def program():
        try:
            await getattr(asyncio.get_running_loop(), name)(*arguments)
        except Exception:
            return

    alone.run(lambda: asyncio.run(program()))
    assert alone.kernel.violations[0].startswith(says)


def test_uvloop_is_hidden():
    """It waits and connects in C. Who would like to have it takes asyncio's own loop."""
    script = """
from race_harness.sim import early
early.install()
try:
    import uvloop
except ImportError:
    print("hidden")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("hidden\n", "")


@pytest.mark.parametrize("address", ["10.0.0.1", "192.0.2.7"])
def test_an_address_is_not_looked_up_but_not_connected_to_either(site, address):
    with pytest.raises(WorldBroken, match=f"a connection to {address}:80"):
        site.visit(lambda _url: socket.create_connection((address, 80), timeout=0.01))
