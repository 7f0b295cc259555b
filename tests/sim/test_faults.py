"""Faults: they strike at the moment that the schedule names, and do what their name says."""

import time
from errno import ECONNRESET
from functools import partial

import pytest
from alone import FIRST_BYTES, Alone

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.moments import NAMES, Moments
from race_harness.model.schedule import Fault, Link, Moment, Schedule, Script
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.network.connection import close_frame
from race_harness.network.faults import Faults
from race_harness.network.site import PORT, UvicornSite
from race_harness.sim.tcp import FIRST_CLIENT_PORT
from race_harness.workers.trial import run_trial


class Ear:
    def __init__(self, alone):
        self.heard = []
        self._alone = alone

    def received(self, data):
        self.heard.append((self._alone.now_s, bytes(data)))

    def ended(self):
        self.heard.append((self._alone.now_s, "end"))

    def broken(self):
        self.heard.append((self._alone.now_s, "reset"))


class Line:
    """One socket and one REST connection, and the faults that strike them."""

    def __init__(self, *faults):
        self.alone = Alone(network=NetworkSchedule(rest=Link(0), socket=Link(0)))
        self.trace = self.alone.kernel.trace
        network = self.alone.network
        Faults(network, Moments(self.trace), faults)
        self.alone.listener(PORT)
        self.ends = {}
        for kind in ("rest", "socket"):
            self.alone.client(PORT)
            self.alone.at(1, partial(self._listen_in, kind))

    def _listen_in(self, kind):
        """On a connection that is made, for what it is for."""
        connection = self.alone.network.connections[len(self.ends) // 2]
        connection.is_for(kind, "/")
        for pipe in (connection.up, connection.down):
            ear = self.ends[kind, pipe is connection.up] = Ear(self.alone)
            pipe.attach(ear)

    def play(self, *happenings):
        """Let things happen, one each second from second 1 on, while both ends talk."""

        def program():
            import time

            for number, (lane, what, detail) in enumerate(happenings, 1):
                self.alone.kernel.call_at(
                    number * 1_000_000_000,
                    lambda lane=lane, what=what, detail=detail: drop(
                        self.trace.record(lane, what, **detail)
                    ),
                )
            time.sleep(len(happenings) + 100)

        self.alone.run(program)
        return self

    @property
    def strikes(self):
        """When faults struck, in seconds."""
        return [
            happening.at_ns / 1e9
            for happening in self.trace.happenings
            if happening.what == "fault"
        ]

    def heard(self, kind, *, server=False):
        return self.ends[kind, server].heard


def drop(_value):
    pass


CALLED = ("client", "run-called", {})
PERSISTED = ("server", "persisted", {"event": "e", "kind": "k"})


def test_without_its_moment_a_fault_never_strikes():
    line = Line(Fault("reset", Moment("run-called"))).play(PERSISTED, PERSISTED)
    assert line.strikes == []
    assert line.heard("socket") == []


@pytest.mark.parametrize(("nth", "at"), [(1, [2]), (2, [3]), (3, [5]), (4, [])])
def test_the_nth_time_counts(nth, at):
    line = Line(Fault("reset", Moment("persisted", nth=nth)))
    line.play(CALLED, PERSISTED, PERSISTED, CALLED, PERSISTED)
    assert line.strikes == at


@pytest.mark.parametrize("after_ms", [0, 1.5, 2_500])
def test_some_time_after_the_moment(after_ms):
    line = Line(Fault("reset", Moment("run-called", after_ms=after_ms))).play(CALLED)
    assert line.strikes == pytest.approx([1 + after_ms / 1000])


@pytest.mark.parametrize(("lane", "what"), NAMES)
def test_every_moment_of_the_table_is_noticed(lane, what):
    line = Line(Fault("half-open", Moment(NAMES[lane, what])))
    before = CALLED if NAMES[lane, what] != "run-called" else PERSISTED
    line.play(before, (lane, what, {"event": "e", "peer": 1}))
    assert line.strikes == [2]


def test_the_answer_to_the_run_request_is_a_moment():
    """Of several requests under way, the one that asked for the run."""
    line = Line(Fault("stall", Moment("run-answered"), for_ms=1)).play(
        ("rest", "request", {"route": "GET conversation", "number": 1}),
        ("rest", "request", {"route": "POST run", "number": 2}),
        ("rest", "answer", {"number": 1}),
        ("rest", "answer", {"number": 2}),
        ("rest", "answer", {"number": 3}),
    )
    assert line.strikes == [4]


def test_several_faults_strike_each_at_its_own_moment():
    line = Line(
        Fault("stall", Moment("run-called"), for_ms=10),
        Fault("reset", Moment("persisted"), link="rest"),
        Fault("reset", Moment("persisted")),
    ).play(CALLED, PERSISTED)
    assert line.strikes == [1, 2, 2]
    assert line.heard("rest") == line.heard("socket") == [(2, "reset")]


@pytest.mark.parametrize("link", ["rest", "socket"])
def test_a_reset_reaches_both_ends_of_its_link_only(link):
    line = Line(Fault("reset", Moment("run-called"), link=link)).play(CALLED)
    other = "socket" if link == "rest" else "rest"
    assert line.heard(link) == line.heard(link, server=True) == [(1, "reset")]
    assert line.heard(other) == line.heard(other, server=True) == []


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4999])
def test_a_close_says_goodbye_to_both_ends_and_hangs_up(code):
    line = Line(Fault("close", Moment("run-called"), code=code)).play(CALLED)
    assert line.heard("socket") == [(1, close_frame(code, masked=False)), (1, "end")]
    assert line.heard("socket", server=True) == [(1, close_frame(code, masked=True)), (1, "end")]
    assert line.alone.network.struck(Fault("reset")) is None


def test_a_half_open_link_is_silent_and_a_stalled_one_speaks_later():
    def talk(line):
        def send():
            for connection in line.alone.network.connections:
                connection.up.send(b"up")
                connection.down.send(b"down")

        line.alone.at(1_500, send)
        return line.play(CALLED)

    silent = talk(Line(Fault("half-open", Moment("run-called"))))
    assert silent.heard("socket") == silent.heard("socket", server=True) == []
    assert silent.heard("rest") == [(1.5, b"down")]
    stalled = talk(Line(Fault("stall", Moment("run-called"), for_ms=4_000)))
    assert stalled.heard("socket") == [(5, b"down")]
    assert stalled.heard("socket", server=True) == [(5, b"up")]
    assert stalled.heard("rest", server=True) == [(1.5, b"up")]


SUBSCRIBED = ("socket", "subscribed", {"peer": FIRST_CLIENT_PORT + 1})
"""Of the socket, which is the second connection of a line."""


def attempts(line, kind, *at_ms):
    """Connects at these instants; the answer gets the error of each, 0 for none."""
    clients = {}

    def connect(each_ms):
        clients[each_ms] = line.alone.client(PORT, FIRST_BYTES[kind])

    for each_ms in at_ms:
        line.alone.at(each_ms, partial(connect, each_ms))
    return lambda: {each_ms: client.error for each_ms, client in clients.items()}


@pytest.mark.parametrize("link", ["rest", "socket"])
def test_refusing_is_of_new_connections_of_one_kind_for_a_while(link):
    """What a connection is for is told by its first bytes, which a reset answers."""
    other = "socket" if link == "rest" else "rest"
    line = Line(Fault("refuse", Moment("run-called"), link=link, for_ms=500))
    mine = attempts(line, link, 999, 1_001, 1_499, 1_500, 2_000)
    others = attempts(line, other, 1_001)
    line.play(CALLED)
    assert mine() == {999: 0, 1_001: ECONNRESET, 1_499: ECONNRESET, 1_500: 0, 2_000: 0}
    assert others() == {1_001: 0}
    # What is connected already stays so.
    assert line.heard(link) == line.heard(link, server=True) == []
    (fault,) = [h for h in line.trace.happenings if h.what == "fault"]
    assert fault.detail == {"action": "refuse", "link": link, "for_ms": 500}


def asking(path, *more):
    return "\r\n".join((f"GET {path}?key=1 HTTP/1.1", *more, "", "")).encode()


@pytest.mark.parametrize(
    ("which", "reset"),
    [
        ({"link": "rest"}, [4]),
        ({"link": "rest", "nth": 1}, [0]),
        ({"link": "rest", "nth": 2}, [2]),
        ({"link": "rest", "nth": 9}, []),
        ({"link": "rest", "path": "/a"}, [2]),
        ({"link": "rest", "path": "/a", "nth": 1}, [0]),
        ({"link": "rest", "path": "/b/*"}, [4]),
        ({"link": "rest", "path": "/c"}, []),
        ({"link": "socket", "path": "/a"}, [1]),
        ({"link": "raw"}, [3]),
        ({"link": "raw", "path": "/a"}, []),
    ],
)
@pytest.mark.parametrize("action", ["reset", "refuse"])
def test_a_fault_may_say_which_connection_of_its_kind(action, which, reset):
    """By number, or by the path of its first request. Without that a refusal is of all."""
    alone = Alone(network=NetworkSchedule(rest=Link(0), socket=Link(0)))
    alone.listener(PORT)
    at = Moment("run-called")
    Faults(
        alone.network,
        Moments(alone.kernel.trace),
        [Fault(action, at, for_ms=100_000, **which)],
    )
    first_bytes = [
        *(asking("/a"), asking("/a", "Upgrade: websocket"), asking("/a")),
        *(FIRST_BYTES["raw"], asking("/b/1")),
    ]
    clients = []
    for number, words in enumerate(first_bytes, 1):
        alone.at(number * 100, lambda words=words: clients.append(alone.client(PORT, words)))
    alone.at(
        50 if action == "refuse" else 1_000,
        lambda: alone.kernel.trace.record("client", "run-called"),
    )
    alone.run(lambda: time.sleep(5))
    found = [number for number, client in enumerate(clients) if client.error == ECONNRESET]
    if action == "refuse" and "nth" not in which:
        reset = {
            "{'link': 'rest'}": [0, 2, 4],
            "{'link': 'rest', 'path': '/a'}": [0, 2],
        }.get(str(which), reset)
    assert found == reset


def test_a_shorter_refusal_does_not_shorten_a_longer_one():
    line = Line(
        Fault("refuse", Moment("run-called"), for_ms=3_000),
        Fault("refuse", Moment("persisted"), for_ms=100),
    )
    refused = attempts(line, "socket", 2_500, 3_900, 4_000)
    line.play(CALLED, PERSISTED)
    assert refused() == {2_500: ECONNRESET, 3_900: ECONNRESET, 4_000: 0}


@pytest.mark.parametrize("code", [1013, 4001, 4004])
def test_the_next_subscription_is_rejected_with_its_code(code):
    line = Line(Fault("reject", Moment("run-called"), code=code))
    line.play(CALLED, PERSISTED, SUBSCRIBED)
    assert line.strikes == [3]
    assert line.heard("socket") == [(3, close_frame(code, masked=False)), (3, "end")]
    assert line.heard("socket", server=True) == [(3, close_frame(code, masked=True)), (3, "end")]
    (fault,) = [h for h in line.trace.happenings if h.what == "fault"]
    assert fault.detail["code"] == code


def test_a_subscription_from_before_is_not_rejected_and_one_is_enough():
    line = Line(Fault("reject", Moment("run-called"))).play(SUBSCRIBED, CALLED)
    assert line.strikes == []
    assert line.heard("socket") == []
    line = Line(Fault("reject", Moment("run-called"))).play(CALLED, SUBSCRIBED, SUBSCRIBED)
    assert line.strikes == [2]
    twice = Fault("reject", Moment("run-called")), Fault("reject", Moment("persisted"))
    line = Line(*twice).play(CALLED, PERSISTED, SUBSCRIBED, SUBSCRIBED)
    assert line.strikes == [3, 4]


def test_with_no_connection_left_a_fault_does_nothing():
    line = Line(
        Fault("reset", Moment("persisted", nth=1)), Fault("reset", Moment("persisted", nth=2))
    ).play(PERSISTED, PERSISTED)
    assert line.strikes == [1]


def test_close_frames_are_legal():
    """RFC 6455: FIN and opcode 8, then the code in network order; a client's is masked."""
    assert close_frame(1001, masked=False) == bytes([0x88, 2, 0x03, 0xE9])
    assert close_frame(1001, masked=True) == bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE9])


# -- in whole trials


@pytest.fixture(scope="module")
def whole_site():
    return UvicornSite()


@pytest.mark.parametrize(
    "what",
    [
        "run-called",
        "run-requested",
        "run-answered",
        "run-started",
        "run-ended",
        "persisted",
        "frame-sent",
        "snapshot-sent",
        "subscribed",
    ],
)
def test_every_moment_of_a_schedule_comes_in_a_trial(what, whole_site):
    """A stall of nothing: the fault strikes and the client is none the worse."""
    schedule = Schedule(
        "test", network=NetworkSchedule(faults=(Fault("stall", Moment(what), for_ms=1),))
    )
    trial = run_trial(schedule, ReferenceAdapter(), whole_site)
    struck = [happening for happening in trial.happenings if happening.what == "fault"]
    assert [happening.detail["action"] for happening in struck] == ["stall"]
    assert trial.judgement.verdicts == ("ok",)


def test_a_fault_with_a_moment_that_never_comes_does_not_strike(whole_site):
    fault = Fault("reset", Moment("run-called", nth=2))
    schedule = Schedule(
        "test", script=Script(tool_calls=1), network=NetworkSchedule(faults=(fault,))
    )
    trial = run_trial(schedule, ReferenceAdapter(), whole_site)
    assert not [happening for happening in trial.happenings if happening.what == "fault"]
    assert trial.judgement.verdicts == ("ok",)


class Returning(ReferenceAdapter):
    """Subscribes once more when its message is sent, and notes what it gets first."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def connect(self, url, on_event):
        made = super().connect(url, on_event)
        send = made.send_message
        socket_url = f"{url.replace('http', 'ws', 1)}/sockets/events/{made._id}"

        def send_and_come_back(text):
            import asyncio

            send(text)
            asyncio.run(self._come_back(socket_url))

        made.send_message = send_and_come_back
        return made

    async def _come_back(self, url):
        import json

        import websockets

        async with websockets.connect(url, proxy=None) as socket:
            try:
                async for text in socket:
                    self.seen.append(json.loads(text).get("key"))
                    return
            except websockets.ConnectionClosed as closed:
                self.seen.append(closed.rcvd.code)


def test_a_rejected_subscriber_does_not_even_get_its_snapshot(whole_site):
    fault = Fault("reject", Moment("persisted"), code=4001)
    for faults, seen in (((fault,), [4001]), ((), ["full_state"])):
        adapter = Returning()
        schedule = Schedule("test", network=NetworkSchedule(faults=faults))
        trial = run_trial(schedule, adapter, whole_site)
        assert adapter.seen == seen
        assert trial.judgement.verdicts == ("ok",)
