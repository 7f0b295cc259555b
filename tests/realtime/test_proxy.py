"""The proxy, between two real sockets of a test: what both ends see of each fault."""

import asyncio
import contextlib
import errno
import select
import socket
import struct
import threading
import time

import pytest

from race_harness.model.moments import Moments
from race_harness.model.schedule import ConnectionLink, Fault, Gateway, Link, Moment, Network
from race_harness.network.connection import INTERJECTED
from race_harness.network.dialect import Dialect
from race_harness.network.faults import Faults
from race_harness.network.loopback import HOST, listening_socket
from race_harness.realtime.proxy import Proxy, Side
from race_harness.realtime.record import SharedTrace

HEADS = {
    "socket": b"GET /s HTTP/1.1\r\nhost: x\r\nUpgrade: websocket\r\n\r\n",
    "rest": b"GET /r HTTP/1.1\r\nhost: x\r\n\r\n",
}
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"
NOW = Moment("run-called")
PATIENCE_S = 10
"""For what has to come; what comes takes milliseconds."""


def text(payload, mask=b""):
    """An unmasked frame of text, or a masked one; RFC 6455, section 5.2."""
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    return bytes([0x81, len(payload) | (0x80 if mask else 0)]) + mask + masked


def goodbye(code, masked=False):
    payload = struct.pack("!H", code)
    return (b"\x88\x82" + bytes(4) if masked else b"\x88\x02") + payload


class Words(Dialect):
    def frame(self, message):
        return {"event": message}


class Rig:
    """A proxy before a listening socket, with faults that strike when told."""

    def __init__(self, *faults, **network):
        network.setdefault("rest", Link(0))
        network.setdefault("socket", Link(0))
        schedule = Network(faults=faults, **network)
        began_ns = time.monotonic_ns()
        self.trace = SharedTrace(lambda: time.monotonic_ns() - began_ns)
        self.failures = []
        self._news = threading.Condition()
        self._listener = listening_socket()
        self._listener.settimeout(PATIENCE_S)
        port = self._listener.getsockname()[1]
        self.proxy = Proxy(self.trace, schedule, 0, port, self._failed, Words())
        Faults(self.proxy, Moments(self.trace), faults)
        self.trace.listeners.append(self._notify)
        self.port = self.proxy.start(keeps_port=True)
        self.sockets = [self._listener]

    def _notify(self, _happening):
        with self._news:
            self._news.notify_all()

    def _failed(self, account):
        self.failures.append(account)
        self._notify(None)

    def close(self):
        self.proxy.stop()
        for each in self.sockets:
            each.close()

    def connect(self, kind="socket"):
        """Both ends of a connection, after the handshake."""
        client = socket.create_connection((HOST, self.port), PATIENCE_S)
        self.sockets.append(client)
        client.sendall(HEADS[kind])
        server, _ = self._listener.accept()
        self.sockets.append(server)
        server.settimeout(PATIENCE_S)
        assert read(server, len(HEADS[kind])) == HEADS[kind]
        if kind == "socket":
            server.sendall(SWITCHED)
            assert read(client, len(SWITCHED)) == SWITCHED
        return client, server

    def refuses(self):
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) == errno.ECONNREFUSED

    def accepts(self):
        """Whether it accepts a connection."""
        with contextlib.suppress(ConnectionRefusedError):
            exchange(*self.connect())
            return True
        return False

    def strike(self):
        """Let the moment of the faults come, and wait for what they do."""
        self.trace.record("client", "run-called")
        return self.happening("fault")

    def happening(self, what):
        """The first one of that name, when it is there."""
        with self._news:
            self._news.wait_for(lambda: self.all(what), PATIENCE_S)
        return self.all(what)[0]

    def failure(self):
        """What the proxy says of a mistake of its own, when it does."""
        with self._news:
            self._news.wait_for(lambda: self.failures, PATIENCE_S)
        return self.failures[0]

    def all(self, what):
        return [happening for happening in self.trace.happenings if happening.what == what]


@pytest.fixture
def rig():
    """Makes a rig of these faults and links."""
    with contextlib.ExitStack() as stack:

        def make(*faults, **network):
            made = Rig(*faults, **network)
            stack.callback(made.close)
            return made

        yield make


def until(it_is):
    """Whether it is so in the end."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if it_is():
            return True
        time.sleep(0.001)
    return False


def read(end, count):
    """So many bytes, or fewer and then the end."""
    data = b""
    while len(data) < count and (more := end.recv(count - len(data))):
        data += more
    return data


def read_to_end(end):
    return read(end, 1 << 20)


def exchange(client, server):
    """Both hear each other."""
    for sender, receiver, frame in (
        (client, server, text(b"up", b"mask")),
        (server, client, text(b"down")),
    ):
        sender.sendall(frame)
        assert read(receiver, len(frame)) == frame


def newest(network, kind):
    return network.struck(Fault("reset", link=kind))


def hears_nothing(end):
    readable, _, _ = select.select([end], [], [], 0)
    return not readable


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


# -- faults


def test_a_reset_is_seen_by_both_ends(rig):
    here = rig(Fault("reset", at=NOW))
    ends = here.connect()
    exchange(*ends)
    here.strike()
    for end in ends:
        with pytest.raises(ConnectionResetError):
            end.recv(1)


def test_a_fault_strikes_the_newest_living_connection_of_its_kind(rig):
    here = rig(Fault("reset", at=NOW))
    oldest, newest, rest, gone = [
        here.connect(kind) for kind in ("socket", "socket", "rest", "socket")
    ]
    peer = newest[1].getpeername()[1]
    gone[0].close()
    assert read_to_end(gone[1]) == b""
    assert here.strike().detail["peer"] == peer
    for end in newest:
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    exchange(*oldest)
    exchange(*rest)


def test_close_says_goodbye_to_both_ends_and_hangs_up(rig):
    here = rig(Fault("close", at=NOW, code=1012))
    client, server = here.connect()
    exchange(client, server)
    here.strike()
    assert read_to_end(client) == goodbye(1012)
    assert read_to_end(server) == goodbye(1012, masked=True)


def test_close_waits_for_the_frames_that_are_under_way(rig):
    here = rig(Fault("close", at=NOW, code=1001))
    client, server = here.connect()
    down, up = text(b"from the server"), text(b"from the client", b"mask")
    server.sendall(down[:5])
    client.sendall(up[:9])
    assert read(client, 5) == down[:5]
    assert read(server, 9) == up[:9]
    here.strike()
    server.sendall(down[5:] + text(b"too late"))
    client.sendall(up[9:] + text(b"too late", b"mask"))
    assert read_to_end(client) == down[5:] + goodbye(1001)
    assert read_to_end(server) == up[9:] + goodbye(1001, masked=True)


def test_a_stall_delivers_nothing_for_a_while_and_then_all(rig):
    here = rig(Fault("stall", at=NOW, for_ms=400))
    client, server = here.connect()
    fault = here.strike()
    frames = text(b"one") + text(b"two")
    server.sendall(frames)
    assert read(client, len(frames)) == frames
    assert here.happening("frame-delivered").at_ns >= fault.at_ns + 400_000_000
    exchange(client, server)


def test_half_open_tells_neither_end(rig):
    here = rig(Fault("half-open", at=NOW))
    client, server = here.connect()
    exchange(client, server)
    here.strike()
    client.sendall(text(b"anybody there?", b"mask"))
    server.sendall(text(b"anybody there?"))
    # What is sent later on another connection passes, so that would have.
    exchange(*here.connect())
    server.close()
    exchange(*here.connect())
    assert hears_nothing(client)


def test_a_connection_is_rejected_as_soon_as_it_is_subscribed(rig):
    here = rig(Fault("reject", at=NOW, code=1013))
    before = here.connect()
    here.trace.record("client", "run-called")
    rejected = here.connect()
    exchange(*rejected)
    here.trace.record("socket", "subscribed", peer=rejected[1].getpeername()[1])
    assert read_to_end(rejected[0]) == goodbye(1013)
    assert read_to_end(rejected[1]) == goodbye(1013, masked=True)
    after = here.connect()
    here.trace.record("socket", "subscribed", peer=after[1].getpeername()[1])
    exchange(*after)
    exchange(*before)


def test_a_fault_may_come_a_while_after_its_moment(rig):
    here = rig(Fault("reset", at=Moment("run-called", after_ms=200)))
    ends = here.connect()
    here.trace.record("client", "run-called")
    exchange(*ends)
    fault = here.happening("fault")
    assert fault.at_ns >= here.all("run-called")[0].at_ns + 200_000_000


def test_refusing_is_of_new_connections_of_one_kind_for_a_while(rig):
    here = rig(Fault("refuse", at=NOW, for_ms=300))
    here.strike()
    began_s = time.monotonic()
    with socket.create_connection((HOST, here.port), PATIENCE_S) as refused:
        refused.sendall(HEADS["socket"])
        with pytest.raises(ConnectionResetError):
            refused.recv(1)
    exchange(*here.connect("rest"))
    time.sleep(max(0, began_s + 0.3 - time.monotonic()))
    exchange(*here.connect("socket"))


# -- deliveries


def test_a_frame_is_delivered_when_its_last_byte_has_been_passed_on(rig):
    here = rig(socket=Link(100))
    client, server = here.connect()
    server.sendall(text(b"one"))
    assert read(client, 5) == text(b"one")
    seen_ns = here.trace.now_ns()
    delivered, sent = here.happening("frame-delivered"), here.happening("frame-sent")
    assert sent.detail == delivered.detail == {"event": "one", "peer": server.getpeername()[1]}
    assert sent.at_ns + 99_000_000 <= delivered.at_ns <= seen_ns


def test_a_request_comes_before_its_answer_and_both_are_told(rig):
    here = rig(rest=Link(20))
    client, server = here.connect("rest")
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    assert read(client, 5) == b"HTTP/"
    assert here.all("answer") == []
    server.sendall(b"ok")
    answer, request = here.happening("answer"), here.happening("request")
    peer = server.getpeername()[1]
    assert request.detail == {"method": "GET", "route": "GET /r", "number": 1, "peer": peer}
    assert answer.detail == {"number": 1, "status": 200}
    assert answer.at_ns > request.at_ns >= 20_000_000


def test_a_frame_of_a_dead_connection_is_never_delivered(rig):
    here = rig(Fault("half-open", at=NOW))
    client, server = here.connect()
    here.strike()
    server.sendall(text(b"one"))
    assert here.happening("frame-sent").detail["event"] == "one"
    exchange(*here.connect())
    assert "one" not in [happening.detail["event"] for happening in here.all("frame-delivered")]
    assert hears_nothing(client)


# -- a gateway


def test_a_gateway_answers_for_a_server_that_is_late_and_hangs_up_on_it(rig):
    here = rig(gateway=Gateway(answer_s=0.05, since="start"))
    client, server = here.connect("rest")
    assert read_to_end(client).startswith(b"HTTP/1.1 504 ")
    assert read_to_end(server) == b""
    assert here.happening("fault").detail["action"] == "gave-up"


def test_a_gateway_closes_a_socket_that_carries_nothing(rig):
    here = rig(gateway=Gateway(idle_s=0.05))
    client, server = here.connect()
    assert here.strike().detail["action"] == "idle-closed"
    assert read_to_end(client) == read_to_end(server) == b""


@pytest.mark.parametrize("beyond", ["503", "reset"])
def test_a_gateway_takes_so_many_connections(rig, beyond):
    here = rig(gateway=Gateway(connections=1, beyond=beyond, since="start"))
    exchange(*here.connect())
    client = socket.create_connection((HOST, here.port), PATIENCE_S)
    here.sockets.append(client)
    client.sendall(HEADS["rest"])
    if beyond == "503":
        assert read_to_end(client).startswith(b"HTTP/1.1 503 ")
    else:
        with pytest.raises(ConnectionResetError):
            read_to_end(client)
    assert here.happening("fault").detail["action"] == "turned-away"


@pytest.mark.parametrize("way", ["up", "down"])
def test_one_direction_alone_falls_silent(rig, way):
    here = rig(Fault("half-open", NOW, way=way))
    client, server = here.connect()
    assert here.strike().detail["way"] == way
    there, back = (server, client) if way == "up" else (client, server)
    back.sendall(text(b"lost"))
    there.sendall(text(b"heard"))
    assert read(back, 7) == text(b"heard")
    assert hears_nothing(there)


def test_a_frame_of_the_gateways_own_comes_between_two_of_the_servers(rig):
    here = rig(Fault("interject", NOW))
    client, server = here.connect()
    server.sendall(text(b"halves")[:4])
    assert read(client, 4) == text(b"halves")[:4]
    here.strike()
    server.sendall(text(b"halves")[4:])
    assert read(client, 4) == text(b"halves")[4:]
    assert read(client, len(INTERJECTED)) == INTERJECTED
    exchange(client, server)
