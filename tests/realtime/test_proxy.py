"""The proxy, between two real sockets of a test, where nothing breaks."""

import asyncio
import select
import socket
import struct
import threading
import time

import pytest
from proxy_rig import HEADS, PATIENCE_S, exchange, newest, read, read_to_end, text, until

from race_harness.model.schedule import ConnectionLink, Link
from race_harness.network.loopback import HOST
from race_harness.realtime.proxy import Side

# -- without a fault


@pytest.mark.parametrize("kind", ["socket", "rest"])
def test_without_a_fault_bytes_pass_both_ways(rig, kind):
    here = rig()
    client, server = here.connect(kind)
    exchange(client, server)
    big = bytes(range(256)) * 4_096
    threading.Thread(target=client.sendall, args=(big,)).start()
    assert read(server, len(big)) == big
    assert newest(here.proxy, kind).kind == kind


@pytest.mark.parametrize("unread", [True, False])
def test_a_server_that_hangs_up_with_bytes_unread_resets_the_connection(rig, unread):
    client, server = rig().connect("rest")
    if unread:
        client.sendall(b"more")
        assert select.select([server], [], [], PATIENCE_S)[0]
    server.close()
    if unread:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    else:
        assert client.recv(1) == b""


def test_where_nobody_listens_every_connection_is_refused_until_somebody_does(rig):
    here = rig()
    client, server = here.connect("rest")
    here.proxy.refuse_all()
    exchange(client, server)
    # The proxy's thread does so as soon as it can.
    assert until(here.refuses)
    here.proxy.accept_again()
    assert until(here.accepts)


@pytest.mark.parametrize("client_first", [True, False])
def test_the_end_of_the_stream_passes_one_way_at_a_time(rig, client_first):
    first, second = rig().connect("rest")[:: 1 if client_first else -1]
    first.shutdown(socket.SHUT_WR)
    assert read_to_end(second) == b""
    second.sendall(b"the other way is open")
    second.close()
    assert read_to_end(first) == b"the other way is open"


def test_a_head_that_comes_in_pieces_is_understood(rig):
    here = rig()
    client = socket.create_connection((HOST, here.port), PATIENCE_S)
    here.sockets.append(client)
    head = HEADS["socket"]
    client.sendall(head[:20])
    exchange(*here.connect("rest"))
    client.sendall(head[20:])
    server, _ = here._listener.accept()
    here.sockets.append(server)
    assert read(server, len(head)) == head
    assert [connection.kind for connection in here.proxy.connections] == ["rest", "socket"]


def test_what_is_no_head_of_http_passes_at_once(rig):
    here = rig()
    client = socket.create_connection((HOST, here.port), PATIENCE_S)
    here.sockets.append(client)
    client.sendall(b"\x10\x0c")
    server, _ = here._listener.accept()
    here.sockets.append(server)
    assert read(server, 2) == b"\x10\x0c"
    assert newest(here.proxy, "raw").number == 0
    exchange(client, server)


def test_where_no_server_listens_the_client_sees_a_reset(rig):
    here = rig()
    here._listener.close()
    client = socket.create_connection((HOST, here.port), PATIENCE_S)
    client.sendall(HEADS["rest"])
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    client.close()


def test_the_server_knows_a_connection_by_its_peer(rig):
    here = rig()
    _, server = here.connect()
    _, other = here.connect()
    assert here.proxy.by_peer(server.getpeername()[1]).number == 0
    assert here.proxy.by_peer(other.getpeername()[1]).number == 1


@pytest.mark.parametrize("client_first", [True, False])
def test_a_peer_that_resets_its_connection_is_no_failure_of_the_proxy(rig, client_first):
    here = rig(socket=Link(20))
    first, second = here.connect()[:: 1 if client_first else -1]
    second.sendall(text(b"under way", b"mask" if client_first else b""))
    second.shutdown(socket.SHUT_WR)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    first.close()
    if client_first:
        assert read_to_end(second) == b""
    else:
        # A client may mind how its server went.
        with pytest.raises(ConnectionResetError):
            read_to_end(second)
    # What is under way to the one that is gone has had its time by then.
    exchange(*here.connect())
    assert here.failures == []


def raising(error):
    def act():
        raise error

    return act


def test_of_what_goes_wrong_in_its_loop_only_a_connections_own_end_is_no_failure(rig):
    """A reset may be noticed by any call on a socket, before asyncio tells of it."""
    here = rig()
    here.proxy.clock.do(raising(ConnectionResetError(104, "Connection reset by peer")))
    here.proxy.clock.do(raising(ValueError("a mistake")))
    assert "a mistake" in here.failure()
    assert len(here.failures) == 1


def test_the_end_of_a_stream_is_not_told_to_a_peer_that_has_gone_unnoticed():
    class Gone(asyncio.Transport):
        def is_closing(self):
            return False

        def write_eof(self):
            raise OSError(107, "Transport endpoint is not connected")

    side = Side()
    side.connection_made(Gone())
    side.ended()


# -- latency


def test_each_kind_and_each_connection_has_its_own_latency(rig):
    here = rig(connections=(ConnectionLink(latency_ms=200, nth=2),), rest=Link(100))
    latencies = []
    for kind in ("socket", "rest", "socket"):
        client, server = here.connect(kind)
        began = time.monotonic()
        server.sendall(text(b"down"))
        read(client, 6)
        latencies.append(time.monotonic() - began)
    # It cannot be less, and nothing else here takes so long.
    assert latencies[0] < latencies[1]
    assert latencies[1] >= 0.1
    assert latencies[2] >= 0.2


def test_jitter_never_reorders(rig):
    client, server = rig(socket=Link(0, jitter_ms=20)).connect()
    frames = [text(b"%d" % number) for number in range(50)]
    for frame in frames:
        server.sendall(frame)
    assert read(client, sum(map(len, frames))) == b"".join(frames)


# -- size


def test_a_narrow_link_takes_its_time(rig):
    client, server = rig(socket=Link(0, kbit_s=800)).connect()
    began = time.monotonic()
    server.sendall(text(b"1" * 100) * 200)
    read(client, 200 * 102)
    assert time.monotonic() - began >= 0.2


def test_whoever_sends_waits_for_one_that_does_not_read(rig):
    here = rig(socket=Link(0, buffer_kb=16))
    client, server = here.connect()
    server.setblocking(False)
    sent, frames = 0, text(b"1" * 100) * 1_000
    while select.select([], [server], [], 0.5)[1]:
        sent += server.send(frames[sent % len(frames) :])
    # What is not in the proxy the operating system has, at both ends of either connection.
    assert sent < 30_000_000
    assert read(client, sent) == (frames * (sent // len(frames) + 1))[:sent]
    assert select.select([], [server], [], PATIENCE_S)[1] == [server]
