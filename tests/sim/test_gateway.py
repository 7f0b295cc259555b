"""A gateway in the simulation: what it gives up, closes and turns away, and what it lets pass."""

import contextlib
import http.client
import socket
import time

import pytest
from alone import run_alone

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import Fault, Gateway, Link, Moment, Schedule, ServerTiming
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.network.site import PORT, UvicornSite
from race_harness.workers.trial import run_trial

LINKS = {"rest": Link(0), "socket": Link(0)}
UPGRADE = b"GET /s HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"


def gateway(**limits):
    return NetworkSchedule(**LINKS, gateway=Gateway(since="start", **limits))


@contextlib.contextmanager
def server_side():
    with socket.create_server(("127.0.0.1", PORT)) as listener:
        yield listener


def asked(listener, client):
    """The server's end of a connection that has asked for something, and what it has heard."""
    client.request("GET", "/")
    end, _ = listener.accept()
    return end, end.recv(10_000)


def answered(end):
    end.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@pytest.mark.parametrize(("takes_s", "status"), [(4.9, 200), (5.1, 504)])
def test_it_answers_504_where_the_server_takes_too_long(takes_s, status):
    def program():
        import threading

        with server_side() as listener:
            client = http.client.HTTPConnection("127.0.0.1", PORT)
            end, heard = asked(listener, client)
            assert heard.startswith(b"GET / ")

            def work():
                time.sleep(takes_s)
                with contextlib.suppress(OSError):
                    answered(end)

            threading.Thread(target=work).start()
            began = time.monotonic()
            answer = client.getresponse()
            body = answer.read()
            return answer.status, time.monotonic() - began, body

    code, after_s, body = run_alone(program, network=gateway(answer_s=5))
    assert code == status
    assert after_s == pytest.approx(min(takes_s, 5), abs=0.01)
    assert (body == b"ok") is (status == 200)


def test_the_server_of_a_given_up_request_only_hears_the_end():
    def program():
        with server_side() as listener:
            client = http.client.HTTPConnection("127.0.0.1", PORT)
            end, _ = asked(listener, client)
            return client.getresponse().status, end.recv(100)

    assert run_alone(program, network=gateway(answer_s=5)) == (504, b"")


def test_an_answer_that_has_begun_is_waited_for():
    def program():
        with server_side() as listener:
            client = http.client.HTTPConnection("127.0.0.1", PORT)
            end, _ = asked(listener, client)
            end.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
            time.sleep(20)
            end.sendall(b"k")
            return client.getresponse().read()

    assert run_alone(program, network=gateway(answer_s=5, idle_s=5)) == b"ok"


@pytest.mark.parametrize(("pause_s", "cut"), [(2.9, False), (3.1, True)])
def test_a_socket_without_a_byte_is_closed_on_both_sides(pause_s, cut):
    def program():
        with server_side() as listener:
            client = socket.create_connection(("127.0.0.1", PORT))
            client.sendall(UPGRADE)
            end, _ = listener.accept()
            end.recv(1_000)
            end.sendall(SWITCHED)
            client.recv(1_000)
            time.sleep(pause_s)
            with contextlib.suppress(OSError):
                end.sendall(b"\x81\x02hi")
            return client.recv(100)

    assert run_alone(program, network=gateway(idle_s=3)) == (b"" if cut else b"\x81\x02hi")


def test_what_is_on_the_way_to_a_closed_connection_is_lost():
    """The client does not know yet; nothing of it reaches the server."""

    def program():
        with server_side() as listener:
            client = http.client.HTTPConnection("127.0.0.1", PORT)
            end, _ = asked(listener, client)
            answered(end)
            client.getresponse().read()
            time.sleep(2.95)
            client.request("POST", "/acts")
            with pytest.raises(http.client.RemoteDisconnected):
                client.getresponse()
            return end.recv(100)

    slow = NetworkSchedule(rest=Link(100), gateway=Gateway(idle_s=3, since="start"))
    assert run_alone(program, network=slow) == b""


@pytest.mark.parametrize("beyond", ["503", "reset"])
def test_so_many_connections_and_no_more(beyond):
    def program():
        with server_side() as listener:
            first = http.client.HTTPConnection("127.0.0.1", PORT)
            end, _ = asked(listener, first)
            second = http.client.HTTPConnection("127.0.0.1", PORT)
            second.request("GET", "/")
            try:
                told = second.getresponse().status
            except ConnectionResetError:
                told = "reset"
            answered(end)
            assert first.getresponse().read() == b"ok"
            # There is room when the first one is gone.
            first.close()
            end.close()
            listener.accept()[0].close()
            third = http.client.HTTPConnection("127.0.0.1", PORT)
            end, _ = asked(listener, third)
            answered(end)
            return told, third.getresponse().status

    told, later = run_alone(program, network=gateway(connections=1, beyond=beyond))
    assert told == (503 if beyond == "503" else "reset")
    assert later == 200


SLOW = ServerTiming(think_ms=6_000)


def trial(timing, *faults, **limits):
    network = NetworkSchedule(faults=faults, gateway=Gateway(**limits))
    return run_trial(
        Schedule("x", server=timing, network=network), ReferenceAdapter(), UvicornSite()
    )


def faults_of(found):
    return [
        (happening.detail["action"], happening.detail.get("link"))
        for happening in found.happenings
        if happening.what == "fault"
    ]


def test_the_server_goes_on_with_a_request_that_the_gateway_gave_up():
    found = trial(ServerTiming(answer_run_ms=3_000), answer_s=1)
    assert ("gave-up", None) in faults_of(found)
    answers = [h.detail["status"] for h in found.happenings if h.what == "answer"]
    assert answers.count(504) == 1
    assert any(
        h.what == "run-ended" and h.detail["status"] == "finished" for h in found.happenings
    )
    assert found.judgement.headline == "ok"


def test_before_the_run_there_are_no_limits_unless_the_schedule_says_so():
    """The conversation is created in time, or not."""
    timing = ServerTiming()
    assert faults_of(trial(timing, answer_s=0)) != []
    early = trial(timing, answer_s=0, since="start")
    assert early.outcome.void is not None
    assert trial(timing, answer_s=0).outcome.void is None


def test_a_rest_connection_that_is_closed_while_nothing_is_asked_excuses_nobody():
    found = trial(SLOW, idle_s=2)
    assert ("idle-closed", "rest") in faults_of(found)
    assert ("idle-closed", "socket") in faults_of(found)
    assert found.judgement.headline == "ok"


@pytest.mark.parametrize("way", ["up", "down"])
def test_one_direction_alone_stalls(way):
    """Frames come late, or the client's pings do."""
    stall = Fault("stall", Moment("run-started"), for_ms=3_000, way=way)
    found = trial(ServerTiming(), stall)
    delivered = [h.at_ns for h in found.happenings if h.what == "frame-delivered"]
    sent = [h.at_ns for h in found.happenings if h.what == "frame-sent"]
    late_ns = max(came - went for went, came in zip(sorted(sent), sorted(delivered), strict=False))
    assert (late_ns > 2e9) is (way == "down")
    assert found.judgement.headline == "ok"


@pytest.mark.parametrize("action", ["reset", "close", "refuse", "reject"])
def test_only_what_a_direction_can_do_alone_has_one(action):
    with pytest.raises(ValueError, match="has no way of its own"):
        Fault(action, way="up")
