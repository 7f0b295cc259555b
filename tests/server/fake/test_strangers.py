"""`race serve` refuses what is malformed or comes from elsewhere, in one line each."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

PROGRAM = """
from race_harness.model.schedule import Schedule
from race_harness.server.fake.standalone import serve
serve(Schedule("by-hand"), port=0, version="1.58.0")
"""


class Served:
    """A server, and what it has said when it ends."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(os.environ),
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[0]
        self.port = int(self.address.rpartition(":")[2])
        self.said: list[str] = []
        self._reading = threading.Thread(target=self.said.extend, args=[self.process.stdout])
        self._reading.start()

    def end(self) -> list[str]:
        """Stop it; gives what it has said of its own accord."""
        self.process.send_signal(signal.SIGINT)
        self._reading.join()
        assert self.process.wait() == 0
        assert not [line for line in self.said if "Traceback" in line]
        return [line.rstrip() for line in self.said if line.startswith("race: ")]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    server = Served()
    yield server
    server.end()


GOOD = {"max_iterations": 5}
NEW = "/api/conversations"


def created(served: Served) -> str:
    done = httpx.post(f"{served.address}{NEW}", json=GOOD)
    assert done.status_code == 201
    return f"{NEW}/{done.json()['id']}"


BODIES = {
    "no JSON": b"{",
    "no UTF-8": b'{"agent": "\xff"}',
    "no object": b"[1]",
    "no number": b'{"max_iterations": NaN}',
    "half a pair": b'{"agent": {"a": "\\ud800"}}',
    "nested": b'{"agent": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "many digits": b'{"max_iterations": ' + b"9" * 10_000 + b"}",
    "a text for a number": b'{"max_iterations": "5"}',
    "a list for an agent": b'{"agent": [1]}',
    "a number for an id": b'{"conversation_id": 7}',
    "content of numbers": b'{"role": "user", "content": [1]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_malformed_body_is_answered_400(served: Served, body: bytes) -> None:
    for path in (NEW, f"{created(served)}/events"):
        done = httpx.post(f"{served.address}{path}", content=body)
        assert done.status_code == 400, done.text
        assert done.json()["detail"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
def test_another_host_is_refused(served: Served, host: str) -> None:
    assert httpx.get(f"{served.address}/alive", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example"]
)
def test_another_origin_is_refused(served: Served, origin: str) -> None:
    done = httpx.post(f"{served.address}{NEW}", json=GOOD, headers={"Origin": origin})
    assert done.status_code == 403
    assert handshake(served, origin).split()[1] == b"403"


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:80"])
def test_loopback_by_any_name_is_served(served: Served, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert httpx.get(f"{served.address}/alive", headers=headers).status_code == 200


def handshake(served: Served, origin: str, then: bytes = b"") -> bytes:
    """What is answered to the handshake of a WebSocket, and to bytes that follow."""
    path = created(served).replace(NEW, "/sockets/events")
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {origin}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n".encode()
        )
        answer = connection.recv(65_536)
        if then:
            connection.sendall(then)
            while more := connection.recv(65_536):
                answer += more
        return answer


def frame(first: int, body: bytes) -> bytes:
    return bytes([first, 0x80 | len(body)]) + bytes(4) + body


FRAMES = {
    "no UTF-8": frame(0x81, b"\xff\xfe"),
    "no such kind": frame(0x83, b"x"),
    "reserved bits": frame(0xF1, b"x"),
    "not masked": b"\x81\x01x",
}


@pytest.mark.parametrize("sent", FRAMES.values(), ids=FRAMES)
def test_a_malformed_frame_ends_its_connection_alone(served: Served, sent: bytes) -> None:
    assert handshake(served, "http://127.0.0.1", sent).split()[1] == b"101"
    assert httpx.get(f"{served.address}/alive").status_code == 200


@pytest.mark.parametrize("sent", [b"\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"?\r\n\r\n"])
def test_what_is_no_http_is_answered_400(served: Served, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(sent)
        assert connection.recv(65_536).split()[1] == b"400"


@pytest.mark.slow
def test_random_values_in_every_field_never_break_it(served: Served) -> None:
    values: list[Any] = [None, True, -1, 10**30, 1.5, "", "\x1b[2J", [], [{}], {}, {"a": [None]}]
    fields = ("conversation_id", "agent", "workspace", "max_iterations", "content", "run")
    for field in fields:
        for value in values:
            body = json.dumps({"content": [], field: value})
            for path in (NEW, f"{created(served)}/events"):
                done = httpx.post(f"{served.address}{path}", content=body)
                assert done.status_code in (200, 201, 400, 422)
                if done.status_code == 201:
                    one = f"{served.address}{NEW}/{done.json()['id']}"
                    assert httpx.post(f"{one}/run").status_code == 200
                    assert httpx.get(one).status_code == 200


def test_each_refusal_is_a_line_and_its_end_is_quiet() -> None:
    server = Served()
    httpx.post(f"{server.address}{NEW}", content=b"{")
    httpx.get(f"{server.address}/a%0Ab", headers={"Host": "evil.example"})
    assert server.end() == [
        "race: refused POST /api/conversations: 400, the body is no JSON: Expecting property name "
        "enclosed in double quotes: line 1 column 2 (char 1)",
        "race: refused GET /a\\nb: 403, Host is not loopback: 'evil.example'",
    ]
