"""A proxy between two real sockets, and what the tests of it do with these."""

import contextlib
import errno
import select
import socket
import struct
import threading
import time

from race_harness.model.moments import Moments
from race_harness.model.schedule import Fault, Link, Moment, Network
from race_harness.network.dialect import Dialect
from race_harness.network.faults import Faults
from race_harness.network.loopback import HOST, listening_socket
from race_harness.realtime.proxy import Proxy
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
