"""asyncio's connections, on virtual time and the simulated network."""

import asyncio
import itertools
import time

import pytest
from alone import Alone, in_loop
from sim_rig import both

from race_harness.model.errors import WorldBroken
from race_harness.network.site import PORT

HOST = "127.0.0.1"


class Note(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self, notes):
        self.notes = notes

    def connection_made(self, transport):
        self.transport = transport
        self.notes.append("made")

    def data_received(self, data):
        self.notes.append(bytes(data))

    def eof_received(self):
        self.notes.append("eof")

    def connection_lost(self, error):
        self.notes.append(f"lost {type(error).__name__}")


async def pair(loop, client, server, pause_s=1.0):
    """Connect two protocols; the client's transport."""
    await loop.create_server(lambda: server, HOST, PORT)
    transport, _ = await loop.create_connection(lambda: client, HOST, PORT)
    await asyncio.sleep(pause_s)
    return transport


def test_create_connection_returns_only_after_connection_made():
    async def program():
        loop = asyncio.get_running_loop()
        client, server = Note([]), Note([])
        await loop.create_server(lambda: server, HOST, PORT)
        transport, protocol = await loop.create_connection(lambda: client, HOST, PORT)
        return protocol is client, client.notes, client.transport is transport, server.notes

    # The server's accept comes half a round trip later.
    assert in_loop(program) == (True, ["made"], True, [])


def test_bytes_that_come_before_the_accept_are_not_lost():
    async def program():
        loop = asyncio.get_running_loop()
        client, server = Note([]), Note([])
        await loop.create_server(lambda: server, HOST, PORT)
        transport, _ = await loop.create_connection(lambda: client, HOST, PORT)
        transport.write(b"early")
        transport.close()
        await asyncio.sleep(1)
        return server.notes, client.notes

    server, client = in_loop(program, network=both(100))
    assert server == ["made", b"early", "eof", "lost NoneType"]
    assert client == ["made", "lost NoneType"]


def test_nobody_listening_is_a_refused_connection():
    async def program():
        with pytest.raises(ConnectionRefusedError) as refused:
            await asyncio.get_running_loop().create_connection(lambda: Note([]), HOST, PORT)
        return refused.value.errno

    assert in_loop(program) == 111


def test_a_connection_that_is_given_up_is_closed():
    """As if the handshake ended after the client had lost interest: the server sees the end."""

    async def program():
        loop = asyncio.get_running_loop()
        server = Note([])
        await loop.create_server(lambda: server, HOST, PORT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await loop.create_connection(lambda: Note([]), HOST, PORT)
        await asyncio.sleep(10)
        return server.notes

    assert in_loop(program, network=both(800)) == ["made", "eof", "lost NoneType"]


@pytest.mark.parametrize("how", ["close", "abort", "reset"])
def test_both_ends_hear_of_the_end(how):
    alone = Alone()

    async def program():
        client, server = Note([]), Note([])
        transport = await pair(asyncio.get_running_loop(), client, server)
        transport.write(b"data")
        if how == "reset":
            alone.network.connections[0].reset()
        else:
            getattr(transport, how)()
        transport.write(b"too late")
        await asyncio.sleep(1)
        return client.notes[1:], server.notes[1:], transport.is_closing()

    client, server, closing = alone.run(lambda: asyncio.run(program()))
    if how == "reset":
        assert client == server == ["lost ConnectionResetError"]
    else:
        assert client == ["lost NoneType"]
        assert server == [b"data", "eof", "lost NoneType"]
    assert closing


def test_a_paused_reader_gets_its_bytes_later_and_in_order():
    async def program():
        client, server = Note([]), Note([])
        transport = await pair(asyncio.get_running_loop(), client, server)
        server.transport.pause_reading()
        for data in (b"a", b"b"):
            transport.write(data)
        await asyncio.sleep(1)
        paused = list(server.notes)
        reading = server.transport.is_reading()
        server.transport.resume_reading()
        transport.write(b"c")
        await asyncio.sleep(1)
        return paused, reading, server.notes

    assert in_loop(program) == (["made"], False, ["made", b"ab", b"c"])


def test_a_new_protocol_gets_the_bytes_after_the_upgrade():
    """As uvicorn does when HTTP becomes a WebSocket."""

    async def program():
        notes = []

        class Upgrading(Note):
            def data_received(self, data):
                super().data_received(data)
                self.transport.set_protocol(Note(notes))

        client, server = Note([]), Upgrading([])
        transport = await pair(asyncio.get_running_loop(), client, server)
        transport.write(b"upgrade")
        transport.write(b"frame")
        await asyncio.sleep(1)
        return server.notes, notes

    assert in_loop(program) == (["made", b"upgrade"], [b"frame"])


def test_addresses_are_those_of_the_connection():
    async def program():
        client, server = Note([]), Note([])
        transport = await pair(asyncio.get_running_loop(), client, server)
        names = ("sockname", "peername")
        return [
            end.get_extra_info(name) for end in (transport, server.transport) for name in names
        ]

    ours, theirs, their_own, their_peer = in_loop(program)
    assert theirs == their_own == (HOST, PORT)
    assert ours == their_peer


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"host": "example.com", "port": 80}, "a name look-up of 'example.com'"),
        ({"host": "10.1.2.3", "port": 80}, "a connection to 10.1.2.3:80"),
        ({"host": HOST, "port": PORT, "ssl": True}, "TLS"),
    ],
    ids=["another host", "another address", "TLS"],
)
def test_a_connection_to_anywhere_else_is_refused(where, says):
    alone = Alone()

    async def program():
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Note([]), HOST, PORT)
        with pytest.raises((WorldBroken, OSError)):
            await loop.create_connection(lambda: Note([]), **where)

    alone.run(lambda: asyncio.run(program()))
    assert alone.kernel.violations[0].startswith(says)


def test_a_closed_listener_refuses():
    async def program():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Note([]), HOST, PORT)
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(lambda: Note([]), HOST, PORT)
        return True

    assert in_loop(program)


def test_the_order_of_a_busy_loop_is_the_same_each_time():
    """Tasks, threads and timers in a mix: equal digests for a seed, others for another."""

    async def program():
        queue = asyncio.Queue()

        async def produce(name):
            for number in range(5):
                await queue.put((name, number))
                await asyncio.to_thread(time.sleep, 0.001)

        async def consume():
            return [await queue.get() for _ in range(15)]

        _, got = await asyncio.gather(asyncio.gather(*map(produce, "abc")), consume())
        return got

    def run(seed):
        alone = Alone(seed=seed)
        got = alone.run(lambda: asyncio.run(program()))
        return got, alone.kernel.trace.digest()

    runs = [run(seed) for seed in (None, 1, 2, 3)]
    assert runs == [run(seed) for seed in (None, 1, 2, 3)]
    for one, other in itertools.combinations(runs, 2):
        assert one[1] != other[1]
