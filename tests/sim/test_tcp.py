"""The network: what two ends of a connection can see of latency, faults and each other."""

import asyncio
import itertools
import socket
import threading
import time
from errno import ECONNREFUSED, ECONNRESET
from functools import partial

import httpcore
import httpx
import pytest
import websockets
from alone import FIRST_BYTES, Alone, run_alone
from sim_rig import both, rest

from race_harness.model.schedule import ConnectionLink, Fault, Link, Moment
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.network.connection import may_be_request, purpose_of
from race_harness.network.site import PORT
from race_harness.sim.endpoint import State
from race_harness.sim.kernel import SECOND


def newest(network, kind):
    return network.struck(Fault("reset", link=kind))


def let_pass(alone, seconds=10):
    alone.run(lambda: time.sleep(seconds))


# -- connections


def test_connecting_takes_one_round_trip_and_the_accept_comes_later():
    alone = Alone(network=both(20))
    listener, client = alone.listener(PORT), alone.client(PORT)
    seen = []
    for at_ms in (39.9, 40.1, 59.9, 60.1):
        alone.at(at_ms, lambda: seen.append((client.state, len(listener.accepted))))
    let_pass(alone)
    connecting, connected = State.CONNECTING, State.CONNECTED
    assert seen == [(connecting, 0), (connected, 0), (connected, 0), (connected, 1)]
    (server,) = listener.accepted
    assert (server.name, server.peer_name) == (client.peer_name, client.name)


def test_nobody_listening_is_told_after_one_round_trip():
    alone = Alone(network=both(20))
    client = alone.client(PORT)
    errors = []
    for at_ms in (39.9, 40.1):
        alone.at(at_ms, lambda: errors.append(client.error))
    let_pass(alone)
    assert errors == [0, ECONNREFUSED]
    assert alone.network.connections == []


def test_who_has_given_up_hangs_up_when_it_is_connected():
    alone = Alone(network=both(20))
    listener, client = alone.listener(PORT), alone.client(PORT)
    client.holders = 1
    alone.at(10, client.release)
    let_pass(alone)
    (server,) = listener.accepted
    assert server.over
    assert alone.network.connections[0].alive is False


def test_a_full_backlog_lets_a_client_ask_again():
    """Linux drops the SYN; after 1, 3 and 7 s it is sent again (tcp(7), tcp_syn_retries)."""
    alone = Alone(network=both(0))
    listener = alone.listener(PORT, backlog=1)
    clients = [alone.client(PORT)]
    alone.at(100, lambda: clients.append(alone.client(PORT)))
    alone.at(200, lambda: clients.append(alone.client(PORT)))
    alone.at(2_500, listener.accepted.popleft)
    states = []
    for at_ms in (3_199, 3_201):
        alone.at(at_ms, lambda: states.append([client.state for client in clients]))
    let_pass(alone)
    connected = State.CONNECTED
    assert states == [[connected, connected, State.CONNECTING], [connected] * 3]


def test_closing_a_listener_resets_what_it_has_not_accepted():
    alone = Alone(network=both(10))
    alone.listener(PORT)
    client, late = alone.client(PORT), alone.client(PORT)
    alone.at(5, lambda: late.state)
    alone.at(50, lambda: alone.network.unlisten(PORT))
    let_pass(alone)
    assert client.error == ECONNRESET


def test_the_newest_living_connection_of_a_kind_is_found():
    alone = Alone()
    network = alone.network
    alone.listener(PORT)
    for kind in ("rest", "socket", "socket", "rest"):
        alone.client(PORT, FIRST_BYTES[kind])
    alone.client(PORT)
    let_pass(alone)
    assert newest(network, "socket").number == 2
    newest(network, "socket").reset()
    assert newest(network, "socket").number == 1
    # The last one has not said what it is for.
    assert newest(network, "rest").number == 3
    newest(network, "socket").alive = False
    assert newest(network, "socket") is None
    peers = [connection.peer for connection in network.connections]
    assert [network.by_peer(peer).peer for peer in peers] == peers
    assert network.by_peer(1) is None


def test_the_first_bytes_tell_what_a_connection_is_for():
    alone = Alone(network=NetworkSchedule(rest=Link(1), socket=Link(77)))
    alone.listener(PORT)
    clients = [alone.client(PORT) for _ in range(2)]
    let_pass(alone)
    upgraded, plain = alone.network.connections
    assert (upgraded.kind, plain.kind) == (None, None)
    for client, kind in zip(clients, ("socket", "rest"), strict=True):
        client.write(FIRST_BYTES[kind])
    assert (upgraded.kind, upgraded.down.link.latency_ms) == ("socket", 77)
    assert (plain.kind, plain.up.link.latency_ms) == ("rest", 1)
    clients[0].write(FIRST_BYTES["rest"])
    assert upgraded.kind == "socket"


@pytest.mark.parametrize(
    ("first_bytes", "purpose"),
    [
        (b"GET /a/b?c=d HTTP/1.1\r\n", ("rest", "/a/b")),
        (b"POST http://127.0.0.1:80/a HTTP/1.1\r\n", ("rest", "/a")),
        (b"OPTIONS * HTTP/1.1\r\n", ("rest", "*")),
        (b"PRI * HTTP/2.0\r\n", ("rest", "*")),
        (b"GET /s HTTP/1.1\r\nupgrade: websocket\r\n\r\n", ("socket", "/s")),
        (b"EHLO example.org\r\n", ("raw", "")),
        (b"get / HTTP/1.1\r\n", ("raw", "")),
        (FIRST_BYTES["raw"], ("raw", "")),
        (b"*1\r\n$4\r\nPING\r\n", ("raw", "")),
    ],
)
def test_what_is_no_request_of_http_is_raw(first_bytes, purpose):
    assert purpose_of(first_bytes) == purpose
    for end in range(1, 5):
        assert may_be_request(first_bytes[:end]) or purpose[0] == "raw"


def test_a_raw_connection_has_the_link_of_rest_or_its_own():
    own = ConnectionLink(50, kind="raw", nth=2)
    alone = Alone(network=NetworkSchedule(Link(3), Link(77), (own,)))
    alone.listener(PORT)
    for number in range(3):
        alone.at(100 * number, partial(alone.client, PORT, FIRST_BYTES["raw"]))
    let_pass(alone)
    connections = alone.network.connections
    assert [each.kind for each in connections] == ["raw"] * 3
    assert [each.up.link.latency_ms for each in connections] == [3, 50, 3]


SECOND_SOCKET = NetworkSchedule(
    rest=Link(1),
    socket=Link(10),
    connections=(
        ConnectionLink(300, kind="socket", nth=2),
        ConnectionLink(70, 5, kind="rest", nth=3),
    ),
)


def test_a_link_of_its_own_is_that_of_the_nth_connection_of_its_kind_alone():
    kinds = ("rest", "socket", "rest", "socket", "rest", "socket", "rest")
    alone = Alone(network=SECOND_SOCKET)
    alone.listener(PORT)
    for number, kind in enumerate(kinds):
        alone.at(number * 1_000, partial(alone.client, PORT, FIRST_BYTES[kind]))
    let_pass(alone, len(kinds) + 1)
    links = [each.up.link.latency_ms for each in alone.network.connections]
    assert links == [1, 10, 1, 300, 70, 10, 1]
    third = alone.network.connections[4]
    assert (third.up.link, third.down.link) == (SECOND_SOCKET.connections[1],) * 2
    assert third.up.link.jitter_ms == 5


@pytest.mark.parametrize("kind", ["rest", "socket"])
def test_the_first_bytes_make_up_for_a_handshake_that_was_too_fast(kind):
    """So they come as late as if it had been known what the connection is for."""
    alone = Alone(network=NetworkSchedule(rest=Link(10), socket=Link(25)))
    listener = alone.listener(PORT)
    alone.client(PORT, FIRST_BYTES[kind])
    comes_ms = {"rest": 30, "socket": 75}[kind]
    seen = []
    for at_ms in (comes_ms - 0.1, comes_ms + 0.1):
        alone.at(at_ms, lambda: seen.append([each.readable() for each in listener.accepted]))
    let_pass(alone)
    assert seen in ([[], [True]], [[False], [True]])


# -- REST through it


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 200_000, bytes(range(256))])
def test_a_body_arrives_as_it_was_sent(site, body):
    def program(url):
        with rest(url) as client:
            answer = client.post("/echo", content=body)
            again = client.post("/echo", content=body)
            return answer.content, again.content

    visit = site.visit(program)
    assert visit.value == (body, body)
    assert site.bodies == [body, body]


def test_a_request_takes_its_latencies(site):
    def program(url):
        times = [time.monotonic()]
        with rest(url) as client:
            for _ in range(3):
                client.get("/peer")
                times.append(time.monotonic())
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    first, *others = site.visit(program, network=both(50)).value
    # Connect, accept, and the answer; then one round trip each.
    assert first == pytest.approx(0.200, abs=1e-6)
    assert others == pytest.approx([0.100, 0.100], abs=1e-6)


def test_a_connection_is_kept_alive_and_used_again(site):
    def program(url):
        with rest(url) as client:
            return {client.get("/peer").text for _ in range(5)}

    assert len(site.visit(program).value) == 1


def test_two_clients_have_a_connection_each(site):
    def program(url):
        with rest(url) as one, rest(url) as other:
            return [client.get("/peer").text for client in (one, other, one, other)]

    one, other, *again = site.visit(program).value
    assert one != other
    assert again == [one, other]


def test_an_idle_connection_that_the_server_has_closed_is_noticed(site):
    """uvicorn hangs up after 5 idle seconds; the next request takes a new connection."""

    def program(url):
        with rest(url) as client:
            client._transport._pool._keepalive_expiry = None
            first = client.get("/peer").text
            time.sleep(4)
            kept = client.get("/peer").text
            time.sleep(6)
            return first, kept, client.get("/peer").text

    first, kept, new = site.visit(program).value
    assert first == kept != new


def test_an_answer_in_drops_arrives_whole(site):
    def program(url):
        with rest(url) as client:
            return client.get("/drip").text

    jittery = both(5, jitter_ms=40)
    assert site.visit(program, network=jittery).value == "0\n1\n2\n3\n4\n"


def test_a_slow_answer_runs_into_the_read_timeout(site):
    def program(url):
        with rest(url, timeout=3) as client:
            began = time.monotonic()
            with pytest.raises(httpx.ReadTimeout):
                client.get("/slow?seconds=3600")
            return time.monotonic() - began

    assert site.visit(program).value == pytest.approx(3, abs=0.01)


def test_an_answer_just_in_time_is_none(site):
    def program(url):
        with rest(url, timeout=3) as client:
            return client.get("/slow?seconds=2.99").text

    assert site.visit(program).value == "at last"


def test_without_a_timeout_an_hour_is_waited(site):
    def program(url):
        with rest(url, timeout=None) as client:
            return client.get("/slow?seconds=200").text

    assert site.visit(program).value == "at last"


def test_a_port_where_nobody_listens_refuses():
    def program():
        with (
            rest(f"http://127.0.0.1:{PORT}") as client,
            pytest.raises(httpx.ConnectError, match="refused"),
        ):
            client.get("/")
        return time.monotonic() - 1000

    assert run_alone(program, network=both(10)) == pytest.approx(0.020)


def test_a_far_server_runs_into_the_connect_timeout(site):
    def program(url):
        with (
            httpx.Client(base_url=url, timeout=httpx.Timeout(60, connect=2)) as client,
            pytest.raises(httpx.ConnectTimeout),
        ):
            client.get("/peer")
        return time.monotonic() - 1000

    assert site.visit(program, network=both(5_000)).value == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    ("action", "error", "seconds"),
    [
        ("reset", httpx.ReadError, 1),
        ("half-open", httpx.ReadTimeout, 20),
        ("stall", None, 5),
        ("close", httpx.RemoteProtocolError, 1),
    ],
)
def test_a_fault_strikes_a_request_that_waits(site, action, error, seconds):
    def strike(simulation):
        kernel, network = simulation.kernel, simulation.network

        def act():
            connection = newest(network, "rest")
            if action == "reset":
                connection.reset()
            elif action == "half-open":
                connection.up.drop()
                connection.down.drop()
            elif action == "stall":
                connection.down.stall(5 * SECOND)
            else:
                connection.down.finish()

        kernel.call_at(SECOND, act)

    def program(url):
        with rest(url, timeout=20) as client:
            if error is None:
                client.get("/slow?seconds=2")
            else:
                with pytest.raises(error):
                    client.get("/slow?seconds=2")
            took = time.monotonic() - 1000
            # Whatever happened to it, the next request goes on a new connection or the same.
            return took, client.get("/peer").status_code

    took, status = site.visit(program, prepare=strike).value
    assert took == pytest.approx(seconds, abs=0.02)
    assert status == 200


def test_closing_a_client_does_not_end_the_read_of_another_thread(site):
    """Linux lets the thread wait on; the descriptor is gone when there is something to read."""

    def program(url):
        client = rest(url)
        errors = []

        def read():
            try:
                client.get("/slow?seconds=10")
            except httpx.HTTPError as error:
                errors.append((type(error), str(error), round(time.monotonic() - 1_000)))

        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(1)
        client.close()
        thread.join(5)
        reads = thread.is_alive()
        thread.join()
        return reads, errors

    errors = [(httpx.ReadError, "[Errno 9] Bad file descriptor", 10)]
    assert site.visit(program).value == (True, errors)


# -- WebSockets through it


def chat(url, talk):
    """Run a coroutine function on a socket, and give what it returns."""

    async def run():
        async with websockets.connect(url.replace("http", "ws") + "/echo", proxy=None) as socket:
            return await talk(socket)

    return asyncio.run(run())


def test_messages_come_back(site):
    async def talk(socket):
        texts = ["a", "é" * 1000, "x" * 100_000]
        for text in texts:
            await socket.send(text)
        return [await socket.recv() for _ in texts] == texts

    assert site.visit(lambda url: chat(url, talk), network=both(5, 20)).value


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4001])
def test_a_close_frame_tells_its_code_to_both_ends(site, code):
    def strike(simulation):
        from race_harness.model.moments import Moments
        from race_harness.network.faults import Faults

        faults = (Fault("close", Moment("run-called"), code=code),)
        Faults(simulation.network, Moments(simulation.trace), faults)

        def act():
            simulation.trace.record("client", "run-called")

        simulation.kernel.call_at(SECOND, act)

    async def talk(socket):
        await socket.send("hello")
        assert await socket.recv() == "hello"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        return type(closed.value), closed.value.rcvd.code

    kind, seen = site.visit(lambda url: chat(url, talk), prepare=strike).value
    regular = code in (1000, 1001)
    assert kind is (websockets.ConnectionClosedOK if regular else websockets.ConnectionClosedError)
    assert seen == code
    assert site.farewells == [code]


def test_a_reset_is_seen_by_both_ends_of_a_socket(site):
    def strike(simulation):
        network = simulation.network
        simulation.kernel.call_at(SECOND, lambda: newest(network, "socket").reset())

    async def talk(socket):
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()
        return closed.value.rcvd, time.monotonic() - 1000

    received, seconds = site.visit(lambda url: chat(url, talk), prepare=strike).value
    assert received is None
    assert seconds == pytest.approx(1)
    assert site.farewells == [1005]  # uvicorn's word for it


def test_a_half_open_socket_is_noticed_by_the_keepalive_only(site):
    """websockets pings every 20 s and waits 20 s for the pong."""

    def strike(simulation):
        def act():
            connection = newest(simulation.network, "socket")
            connection.up.drop()
            connection.down.drop()

        simulation.kernel.call_at(SECOND, act)

    async def talk(socket):
        with pytest.raises(websockets.ConnectionClosedError):
            await socket.recv()
        return time.monotonic() - 1000

    seconds = site.visit(lambda url: chat(url, talk), prepare=strike).value
    assert 40 <= seconds <= 51


def test_a_healthy_socket_survives_many_keepalives(site):
    async def talk(socket):
        await asyncio.sleep(250)
        await socket.send("still there")
        return await socket.recv()

    assert site.visit(lambda url: chat(url, talk)).value == "still there"
    assert site.farewells == [1000]


def test_a_refused_socket_raises_as_a_real_one():
    async def connect():
        await websockets.connect(f"ws://127.0.0.1:{PORT}/echo", proxy=None)

    def program():
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(connect())
        return "refused"

    assert run_alone(program) == "refused"


def test_a_socket_to_a_far_server_runs_into_the_open_timeout(site):
    async def connect(url):
        with pytest.raises(TimeoutError):
            await websockets.connect(
                url.replace("http", "ws") + "/echo", proxy=None, open_timeout=3
            )
        return time.monotonic() - 1000

    visit = site.visit(lambda url: asyncio.run(connect(url)), network=both(5_000))
    assert visit.value == pytest.approx(3)


def test_an_unknown_path_is_refused_by_the_server(site):
    async def connect(url):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url.replace("http", "ws") + "/nowhere", proxy=None)
        return refused.value.response.status_code

    assert site.visit(lambda url: asyncio.run(connect(url))).value == 403


def test_the_stream_tells_its_addresses(site):
    def program(url):
        with httpcore.ConnectionPool() as pool:
            stream = pool.handle_request(
                httpcore.Request("GET", f"{url}/peer", headers={"Host": "here"})
            )
            network_stream = stream.extensions["network_stream"]
            body = stream.read()
            client, server = (
                network_stream.get_extra_info(name) for name in ("client_addr", "server_addr")
            )
            return int(body) == client[1], server, network_stream.get_extra_info("socket")

    same, server, sock = site.visit(program).value
    assert (same, server) == (True, ("127.0.0.1", PORT))
    assert isinstance(sock, socket.socket)
