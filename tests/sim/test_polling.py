"""Waiting for several sockets, by select, poll, epoll and selectors: each program sees the same on
simulated sockets as on real ones."""

import select
import selectors
import socket
import threading
import time
from typing import Any

import pytest
from alone import run_alone
from socket_programs import Program, connected, kept_in, saw, settle

PROGRAMS: dict[str, Program] = {}
program = kept_in(PROGRAMS)


@program
def selecting() -> Any:
    with connected() as (client, server):
        nothing = select.select([server], [], [], 0.01)
        client.sendall(b"x")
        settle()
        readable, writable, other = select.select([server, client], [server], [server], 1)
        client.close()
        return (
            *(nothing, readable == [server], writable == [server], other),
            saw(select.select, [client], [], [], 0),
            saw(select.select, [server], [], [], -1),
            saw(select.select, [object()], [], [], 0),
        )


@program
def selecting_by_number_until_the_timeout() -> Any:
    with connected() as (client, server):
        began = time.monotonic()
        nothing = select.select([server.fileno()], [], [], 0.2)
        took = time.monotonic() - began
        client.sendall(b"x")
        ready = select.select([server.fileno()], [], [])[0] == [server.fileno()]
        return nothing, 0.2 <= took < 2, ready


@program
def polling() -> Any:
    with connected() as (client, server):
        poll = select.poll()
        poll.register(server)
        poll.register(client, select.POLLIN)
        first = [events for _, events in poll.poll(0)]
        poll.modify(server, select.POLLIN)
        second = poll.poll(10)
        client.sendall(b"x")
        settle()
        third = [events for _, events in poll.poll(1_000)]
        poll.unregister(client)
        client.close()
        settle()
        fourth = [events for _, events in poll.poll()]
        return (
            *(first, second, third, fourth),
            saw(poll.unregister, client.fileno()),
            saw(poll.modify, 999_999, 1),
        )


@program
def what_poll_tells_of_an_end() -> Any:
    wanted = select.POLLIN | select.POLLOUT | select.POLLRDHUP
    with connected() as (client, server):
        poll = select.poll()
        poll.register(server, wanted)
        seen = []
        client.shutdown(socket.SHUT_WR)
        settle()
        seen.append(poll.poll(0)[0][1])
        server.shutdown(socket.SHUT_WR)
        settle()
        seen.append(poll.poll(0)[0][1])
    with socket.socket() as fresh:
        poll = select.poll()
        poll.register(fresh, wanted)
        seen.append(poll.poll(0)[0][1])
    return seen


@program
def what_poll_tells_of_a_reset() -> Any:
    with connected() as (client, server):
        client.sendall(b"never read")
        settle()
        server.close()
        settle()
        poll = select.poll()
        poll.register(client, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
        return poll.poll(0)[0][1]


@program
def epoll_by_level_and_edge() -> Any:
    with connected() as (client, server), select.epoll() as level, select.epoll() as edge:
        level.register(server, select.EPOLLIN)
        edge.register(server.fileno(), select.EPOLLIN | select.EPOLLET)
        seen = []
        for data in (b"a", b"", b"b"):
            if data:
                client.sendall(data)
                settle()
            seen.append([[events for _, events in one.poll(0)] for one in (level, edge)])
        server.recv(9)
        seen.append([one.poll(0.01) for one in (level, edge)])
        return seen


@program
def epoll_once() -> Any:
    with connected() as (client, server), select.epoll() as once:
        once.register(server, select.EPOLLIN | select.EPOLLONESHOT)
        client.sendall(b"a")
        settle()
        first, second = len(once.poll(0)), once.poll(0)
        once.modify(server, select.EPOLLIN | select.EPOLLONESHOT)
        return first, second, len(once.poll(0))


@program
def epoll_is_told_what_it_does_not_know() -> Any:
    with connected() as (client, server), select.epoll() as one:
        one.register(server, select.EPOLLIN)
        return (
            saw(one.register, server, select.EPOLLIN),
            saw(one.modify, client, select.EPOLLIN),
            saw(one.unregister, client),
            one.unregister(server),
            saw(one.unregister, server),
            one.fileno() > 2,
        )


@program
def epoll_forgets_what_is_closed() -> Any:
    with connected() as (client, server), select.epoll() as one:
        one.register(server, select.EPOLLIN)
        client.sendall(b"x")
        settle()
        server.close()
        return one.poll(0)


@program
def epoll_when_it_is_closed() -> Any:
    one = select.epoll()
    one.close()
    one.close()
    return one.closed, saw(one.poll, 0), saw(one.fileno)


@program
def epoll_wakes_who_waits() -> Any:
    with connected() as (client, server), select.epoll() as one:
        one.register(server, select.EPOLLIN)
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append([events for _, events in one.poll()]))
        thread.start()
        settle()
        client.sendall(b"x")
        thread.join()
        return seen


@program
def a_selector_of_ones_own() -> Any:
    class Counting(selectors.DefaultSelector):
        looks = 0

        def select(self, timeout: float | None = None) -> Any:
            Counting.looks += 1
            return super().select(timeout)

    with connected() as (client, server), Counting() as selector:
        selector.register(server, selectors.EVENT_READ)
        nothing = selector.select(0)
        client.sendall(b"x")
        ((_, events),) = selector.select(5)
        kinds = isinstance(selector, Counting), isinstance(selector, selectors.DefaultSelector)
        others = isinstance(selectors.DefaultSelector(), Counting)
        return nothing, events, Counting.looks, kinds, others


@program
def every_selector() -> Any:
    seen = []
    for kind in (
        selectors.DefaultSelector,
        selectors.EpollSelector,
        selectors.PollSelector,
        selectors.SelectSelector,
    ):
        with connected() as (client, server), kind() as selector:
            key = selector.register(server, selectors.EVENT_READ, "data")
            nothing = selector.select(0)
            client.sendall(b"x")
            ((ready, events),) = selector.select(5)
            same = ready == key == selector.get_key(server)
            selector.modify(server, selectors.EVENT_READ | selectors.EVENT_WRITE, "more")
            ((ready, both),) = selector.select(5)
            again = saw(selector.register, server, selectors.EVENT_READ)
            unknown = saw(selector.unregister, client)
            selector.unregister(server)
            left = len(selector.get_map())
            seen.append((nothing, events, same, ready.data, both, again, unknown, left))
    return seen


# -- all of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_sees_the_same_in_the_simulation(name: str) -> None:
    real = PROGRAMS[name]()
    assert run_alone(PROGRAMS[name]) == real
    assert run_alone(PROGRAMS[name], seed=3) == real
