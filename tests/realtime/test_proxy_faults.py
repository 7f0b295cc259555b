"""What both ends of a proxy see of its faults, its deliveries and its gateway."""

import socket
import time

import pytest
from proxy_rig import (
    HEADS,
    NOW,
    PATIENCE_S,
    exchange,
    goodbye,
    hears_nothing,
    read,
    read_to_end,
    text,
)

from race_harness.model.schedule import Fault, Gateway, Link, Moment
from race_harness.network.connection import INTERJECTED
from race_harness.network.loopback import HOST

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
