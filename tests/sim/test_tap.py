"""What is told of a connection from nothing but its bytes, and when."""

import random
import threading
import time
import zlib

import h11
import pytest
from alone import Alone
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect
from websockets.sync.server import serve

from race_harness.model.requests import with_numbers
from race_harness.model.schedule import Link
from race_harness.model.trace import Happening
from race_harness.network.dialect import Dialect
from race_harness.network.messages import Messages, UnreadableError
from race_harness.network.pipe import Pipe
from race_harness.network.tap import Taps

PEER = 50_001
GET = b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UPGRADE = (
    b"GET /w HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Now\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"


class Words(Dialect):
    """Tells all that it is given."""

    def execution_status(self, route, body):
        return body.decode()

    def frame(self, message):
        return {"event": message} if message != "secret" else None


class Unheard:
    def received(self, data): ...

    def ended(self): ...

    def broken(self): ...


class Rig:
    """One connection, of 10 ms each way, whose two ends are the test's."""

    def __init__(self, dialect=None, **link):
        self.alone = Alone()
        self.trace, clock = self.alone.kernel.trace, self.alone.kernel
        self.failures = []
        self.taps = Taps(self.trace, dialect or Words(), self.failures.append)
        self.up, self.down = (
            Pipe(clock, way, Link(10, **link), random.Random(1)) for way in ("up", "down")
        )
        self.tap = self.taps.on(self.up, self.down, PEER)
        self.down.attach(Unheard())
        self.up.attach(Unheard())

    def client(self, at_ms, data):
        self.alone.at(at_ms, lambda: (self.up.send(data), self.tap.client_wrote(data)))

    def server(self, at_ms, data):
        self.alone.at(at_ms, lambda: (self.down.send(data), self.tap.server_wrote(data)))

    def leaves(self, at_ms):
        self.alone.at(at_ms, self.tap.server_left)

    def told(self):
        """`(ms, what, the most telling part of it)`."""
        self.alone.run(lambda: time.sleep(10))
        keys = ("route", "event", "execution_status", "cut", "number")
        return [
            (
                round(h.at_ns / 1e6, 3),
                h.what,
                next((h.detail[key] for key in keys if key in h.detail), None),
            )
            for h in self.trace.happenings
        ]


def test_a_request_is_told_when_it_has_come_and_its_answer_when_it_was_written():
    here = Rig()
    here.client(5, GET)
    here.server(30, OK)
    assert here.told() == [(15, "request", "GET /a b"), (30, "answer", "ok")]
    request, answer = here.trace.happenings
    assert request.detail == {"method": "GET", "route": "GET /a b", "number": 1, "peer": PEER}
    assert answer.detail == {"number": 1, "status": 200, "execution_status": "ok"}


def test_the_head_of_a_request_tells_and_the_last_byte_of_an_answer():
    here = Rig()
    for at_ms, part in ((0, POST[:20]), (7, POST[20:]), (50, b"he"), (60, b"llo")):
        here.client(at_ms, part)
    for at_ms, part in ((80, OK[:10]), (90, OK[10:-1]), (95, OK[-1:])):
        here.server(at_ms, part)
    assert here.told() == [(17, "request", "POST /a"), (95, "answer", "ok")]


def test_a_connection_is_used_again():
    here = Rig()
    here.client(0, POST + b"hello" + GET)
    here.server(20, OK + OK)
    here.client(30, GET)
    here.server(50, b"HTTP/1.1 204 No\r\n\r\n")
    assert [what for _, what, _ in here.told()] == [
        *("request", "request", "answer", "answer", "request", "answer"),
    ]
    numbers = [happening.detail["number"] for happening in here.trace.happenings]
    assert numbers == [1, 2, 1, 2, 3, 3]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
    ],
)
def test_bodies_come_in_many_forms(answer):
    here = Rig()
    here.client(0, GET)
    here.server(20, answer)
    assert here.told()[1:] == [(20, "answer", "ok")]


def test_a_body_without_a_length_ends_with_the_connection():
    here = Rig()
    here.client(0, GET)
    here.server(20, b"HTTP/1.0 200 OK\r\n\r\no")
    here.server(25, b"k")
    here.leaves(40)
    assert here.told()[1:] == [(40, "answer", "ok")]


def test_an_answer_to_head_has_no_body_whatever_it_says():
    here = Rig()
    here.client(0, GET.replace(b"GET", b"HEAD"))
    here.server(20, OK[:-2])
    assert here.told()[1:] == [(20, "answer", "")]


def test_what_is_not_answered_when_the_server_leaves():
    here = Rig()
    here.client(0, GET)
    here.leaves(20)
    here.leaves(30)
    assert here.told()[1:] == [(20, "unanswered", 1)]


def test_an_answer_that_nobody_is_there_to_get_is_none():
    here = Rig()
    here.client(0, GET + GET)
    here.alone.at(20, here.tap.client_left)
    here.server(30, OK)
    here.server(40, OK[:-1])
    here.leaves(50)
    assert here.told()[2:] == [(30, "unanswered", 1), (50, "unanswered", 2)]


def test_an_answer_that_breaks_off():
    here = Rig()
    here.client(0, GET)
    here.server(20, OK[:-1])
    here.leaves(30)
    assert here.told()[1:] == [(30, "answer", True)]
    assert here.trace.happenings[-1].detail == {"number": 1, "status": 200, "cut": True}


def test_a_request_that_never_came_is_not_told():
    here = Rig()
    here.client(0, GET)
    here.leaves(5)
    assert here.told() == []


@pytest.mark.parametrize("strange", [b"GET nonsense\r\n\r\n", b"\0\1\2\3\r\n\r\n"])
def test_what_is_no_http_is_left_alone(strange):
    here = Rig()
    here.client(0, strange)
    here.server(20, OK)
    here.client(30, GET)
    assert here.told() == []
    assert here.failures == []


@pytest.mark.parametrize("length", [b"-5", b"+5", b"1_0", b"", b"9" * 30])
def test_a_length_that_is_none_is_left_alone(length):
    here = Rig()
    here.client(0, GET)
    here.server(20, OK.replace(b": 2", b": " + length))
    here.leaves(30)
    assert here.told()[1:] == [(30, "answer", True)]


def test_an_answer_that_is_none_is_left_alone():
    here = Rig()
    here.client(0, GET)
    here.server(20, b"hello\r\n\r\n")
    here.leaves(30)
    assert here.told()[1:] == [(30, "unanswered", 1)]


def test_messages_are_told_when_sent_and_when_delivered():
    here = Rig()
    here.client(0, UPGRADE)
    frames = [Frame(Opcode.TEXT, text).serialize(mask=False) for text in (b"one", b"two")]
    here.server(20, SWITCHED + b"\r\n" + frames[0])
    here.server(30, frames[1][:3])
    here.server(40, frames[1][3:])
    assert here.told() == [
        (20, "frame-sent", "one"),
        (30, "frame-delivered", "one"),
        (40, "frame-sent", "two"),
        (50, "frame-delivered", "two"),
    ]
    assert here.trace.happenings[0].detail == {"event": "one", "peer": PEER}


def test_on_a_narrow_link_two_messages_of_one_write_come_one_after_the_other():
    """16,384 bytes at 131.072 kbit/s take a second."""
    here = Rig(kbit_s=131.072)
    here.client(0, UPGRADE)
    long = b"x" * 50_000
    frames = [Frame(Opcode.TEXT, text).serialize(mask=False) for text in (long, b"two")]
    here.server(1_000, b"".join([SWITCHED, b"\r\n", *frames]))
    delivered = [at_ms for at_ms, what, _ in here.told() if what == "frame-delivered"]
    (first, second) = delivered
    assert first == second, "both end in the last segment"
    here = Rig(kbit_s=131.072)
    here.client(0, UPGRADE)
    here.server(1_000, b"".join([SWITCHED, b"\r\n", *reversed(frames)]))
    (first, second) = (at for at, what, _ in here.told() if what == "frame-delivered")
    assert second > first + 2_000


def test_a_message_of_which_the_dialect_says_nothing_is_not_told():
    here = Rig()
    here.client(0, UPGRADE)
    here.server(20, SWITCHED + b"\r\n" + Frame(Opcode.TEXT, b"secret").serialize(mask=False))
    assert here.told() == []


def test_a_refused_handshake_is_no_message_and_the_connection_goes_on():
    here = Rig()
    here.client(0, UPGRADE)
    here.server(20, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    here.client(30, GET)
    here.server(50, OK)
    assert here.told() == [(40, "request", "GET /a b"), (50, "answer", "ok")]


def test_a_dialect_that_fails_is_told_to_whoever_answers_for_it():
    class Broken(Words):
        def execution_status(self, route, body):
            raise KeyError("state")

    here = Rig(Broken())
    here.client(0, GET)
    here.server(20, OK)
    assert [what for _, what, _ in here.told()] == ["request", "answer"]
    assert here.failures == ["Broken.execution_status failed: KeyError: 'state'"]


def test_whatever_else_fails_is_not_raised_where_somebody_writes():
    here = Rig()
    here.trace.listeners.append(lambda happening: happening.lane == "socket" and 1 / 0)
    here.client(0, UPGRADE)
    here.server(20, SWITCHED + b"\r\n" + Frame(Opcode.TEXT, b"one").serialize(mask=False))
    assert here.told()[0] == (20, "frame-sent", "one")
    (failure,) = here.failures
    assert "ZeroDivisionError" in failure


# -- moments, which are told to listeners alone


def moments_of(here):
    """`(ms, what, request or number of the socket)`."""
    told = []

    def listen(happening):
        if happening.lane == "wire":
            assert happening.detail["peer"] == PEER
            key = "socket" if "socket" in happening.detail else "request"
            told.append((round(happening.at_ns / 1e6, 3), happening.what, happening.detail[key]))

    here.trace.listeners.append(listen)
    here.alone.run(lambda: time.sleep(10))
    assert "wire" not in {happening.lane for happening in here.trace.happenings}
    return told


def test_moments_of_a_request():
    here = Rig()
    here.client(5, GET)
    here.server(30, OK[:-1])
    here.server(31, OK[-1:])
    assert moments_of(here) == [
        (5, "request-sent", "GET /a b"),
        (15, "request-received", "GET /a b"),
        (31, "request-answered", "GET /a b"),
    ]


def test_what_is_cut_off_is_not_answered():
    here = Rig()
    here.client(5, GET)
    here.server(30, OK[:-1])
    here.leaves(40)
    assert [what for _, what, _ in moments_of(here)] == ["request-sent", "request-received"]


@pytest.mark.parametrize("header", ["", "permessage-deflate; client_no_context_takeover"])
def test_moments_of_a_socket(header):
    """Pings are none, and a message in two parts is one."""
    here = Rig()
    here.client(0, UPGRADE)
    agreed = f"Sec-WebSocket-Extensions: {header}\r\n".encode() if header else b""
    here.server(20, SWITCHED + agreed + b"\r\n")
    context = [PerMessageDeflate(False, True, 15, 15)] if header else []

    def frame(opcode, data, *, fin=True):
        return Frame(opcode, data, fin).serialize(mask=True, extensions=context)

    here.client(30, frame(Opcode.TEXT, b"one", fin=False) + frame(Opcode.PING, b""))
    here.client(40, frame(Opcode.CONT, b"two"))
    here.client(50, frame(Opcode.BINARY, b"x" * 200)[:-5])
    here.server(60, Frame(Opcode.TEXT, b"hello").serialize(mask=False))
    assert moments_of(here) == [
        (0, "request-sent", "GET /w"),
        (10, "request-received", "GET /w"),
        (20, "request-answered", "GET /w"),
        (40, "frame-up", 1),
        (60, "frame-down", 1),
    ]


def test_frames_of_the_client_that_cannot_be_read_leave_those_of_the_server():
    here = Rig()
    here.client(0, UPGRADE)
    here.server(20, SWITCHED + b"\r\n")
    here.client(30, Frame(Opcode.TEXT, b"x").serialize(mask=False))
    here.client(40, Frame(Opcode.TEXT, b"x").serialize(mask=True))
    here.server(60, Frame(Opcode.TEXT, b"hello").serialize(mask=False))
    assert moments_of(here)[3:] == [(60, "frame-down", 1)]
    assert here.failures == []


# -- messages


def deflated(text, context, *, opcode=Opcode.TEXT):
    return Frame(opcode, text).serialize(mask=False, extensions=[context])


@pytest.mark.parametrize(
    ("header", "keeps", "bits"),
    [
        ("permessage-deflate", True, 15),
        ("permessage-deflate; server_no_context_takeover", False, 15),
        ("permessage-deflate; server_max_window_bits=9; client_max_window_bits=10", True, 9),
    ],
)
def test_compressed_messages_are_read(header, keeps, bits):
    context = PerMessageDeflate(False, not keeps, 15, bits)
    messages = Messages(header)
    for number in range(3):
        text = f"message {number} ".encode() * 50
        assert messages.feed(deflated(text, context)) == [(text.decode(), 0)]


def test_a_message_in_parts_with_a_ping_in_between():
    frames = [
        Frame(Opcode.BINARY, b"one ", fin=False),
        Frame(Opcode.PING, b"there?"),
        Frame(Opcode.CONT, b"two", fin=True),
        Frame(Opcode.CLOSE, b"\x03\xe8"),
    ]
    data = b"".join(frame.serialize(mask=False) for frame in frames)
    assert Messages("").feed(data) == [(b"one two", 4)]


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ("", b"\x81\x82abcdxx"),
        ("", b"\xff\xff\xff\xff"),
        ("", Frame(Opcode.TEXT, b"\xff").serialize(mask=False)),
        ("permessage-deflate", b"\xc1\x04" + zlib.compress(b"x")[:4]),
        ("x-webkit-deflate-frame", b""),
        ("permessage-deflate; server_max_window_bits=x", b""),
        ("nonsense;;", b""),
    ],
)
def test_what_cannot_be_read_is_one_kind_of_error(header, data):
    with pytest.raises(UnreadableError):
        Messages(header).feed(data)


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_client_and_a_server_of_websockets_in_the_simulation(compression):
    alone = Alone()

    def program():
        with serve(lambda peer: peer.send("hello " * 40), "127.0.0.1", 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            port = server.socket.getsockname()[1]
            with connect(f"ws://127.0.0.1:{port}", compression=compression) as client:
                client.recv()
            server.shutdown()

    alone.run(program)
    assert alone.kernel.violations == []
    told = [(h.what, h.detail.get("size")) for h in alone.kernel.trace.happenings]
    assert told == [("frame-sent", 240), ("frame-delivered", None)]


# -- numbers


def test_a_fault_is_of_the_last_request_of_its_connection():
    def rest(what, **detail):
        return Happening(0, "rest", what, detail)

    told = with_numbers(
        [
            rest("request", number=1, peer=7),
            rest("request", number=2, peer=8),
            rest("fault", action="status", peer=7),
            rest("answer", number=1, status=503),
            rest("request", number=3, peer=7),
            rest("fault", action="delay", peer=7),
            rest("fault", action="delay", peer=9),
            Happening(0, "network", "fault", {"peer": 7}),
        ]
    )
    faults = [happening.detail for happening in told if happening.what == "fault"]
    assert [fault.get("number") for fault in faults] == [1, 3, 0, None]
    assert told[3].detail == {"number": 1, "status": 503}


# -- framing, held against h11


def heard_by_h11(asked, answers):
    """`(method, target)` of each request and `(status, body)` of each answer, as h11 has them."""
    ours = h11.Connection(h11.SERVER)
    requests, found = [], []
    ours.receive_data(asked)
    while True:
        event = ours.next_event()
        if isinstance(event, h11.Request):
            requests.append(event)
        elif isinstance(event, h11.EndOfMessage):
            ours, rest = h11.Connection(h11.SERVER), ours.trailing_data[0]
            if not rest:
                break
            ours.receive_data(rest)
    for request in requests:
        theirs = h11.Connection(h11.CLIENT)
        theirs.send(request)
        theirs.receive_data(answers)
        status, body = 0, b""
        while not isinstance(event := theirs.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
        answers = theirs.trailing_data[0]
        found.append((request.method.decode(), request.target.decode(), status, body.decode()))
    return found


BODIES = st.binary(max_size=40).map(lambda data: data.hex().encode())
NAMES = st.sampled_from(["Content-Length", "content-length", "CONTENT-LENGTH"])


@st.composite
def exchanges(draw):
    """A request and its answer, as bytes."""
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "DELETE"]))
    body, answer = draw(BODIES), draw(BODIES)
    head = f"{method} /a/{len(body)} HTTP/1.1\r\nHost: x\r\nX-Content-Length: 3\r\n"
    if draw(st.booleans()):
        asked = f"{head}{draw(NAMES)}: {len(body)}\r\n\r\n".encode() + body
    elif draw(st.booleans()):
        asked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(draw, body)
    else:
        asked = f"{head}\r\n".encode()
    status = draw(st.sampled_from([200, 204, 304, 404, 503]))
    early = draw(st.sampled_from([b"", b"HTTP/1.1 103 Early\r\n\r\n"]))
    first = f"HTTP/1.1 {status} Any Reason\r\nServer: x\r\n".encode()
    silent = method == "HEAD" or status in (204, 304)
    if draw(st.booleans()):
        length = f"{draw(NAMES)}:{len(answer)}\r\n\r\n".encode()
        return asked, early + first + length + (b"" if silent else answer)
    parts = b"" if silent else chunked(draw, answer)
    return asked, early + first + b"Transfer-Encoding: Chunked\r\n\r\n" + parts


def chunked(draw, data):
    at = draw(st.integers(0, len(data)))
    parts = [part for part in (data[:at], data[at:]) if part]
    chunks = [b"%x;note=1\r\n%s\r\n" % (len(part), part) for part in parts]
    return b"".join([*chunks, b"0\r\n", draw(st.sampled_from([b"", b"Trailer: x\r\n"])), b"\r\n"])


@given(st.lists(exchanges(), min_size=1, max_size=3), st.integers(1, 50))
def test_messages_end_where_h11_has_them_end_however_they_are_cut(drawn, size):
    class Told:
        def __init__(self):
            self.requests, self.answers = [], []

        def record(self, _lane, what, **detail):
            if what == "request":
                self.requests.append((detail["method"], detail["route"].partition(" ")[2]))
            else:
                self.answers.append((detail["status"], detail["execution_status"]))

        def tell(self, _lane, what, **detail):
            """Of moments, which are no matter here."""

        def author(self):
            return None

    class Instant:
        """A pipe that delivers at once."""

        def mark(self, action, *, before):
            action(before)

    told = Told()
    tap = Taps(told, Words(), pytest.fail).on(Instant(), Instant(), PEER)
    asked, answers = (b"".join(part) for part in zip(*drawn, strict=True))
    for way, data in ((tap.client_wrote, asked), (tap.server_wrote, answers)):
        for at in range(0, len(data), size):
            way(data[at : at + size])
    heard = [(*a, *b) for a, b in zip(told.requests, told.answers, strict=True)]
    assert heard == heard_by_h11(asked, answers)
