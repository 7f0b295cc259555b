"""Simulated sockets do what real ones do: each program sees the same on both.

A program gives what it saw, addresses and times apart. Times are compared where a program says so.
"""

import array
import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import threading
from typing import Any

import pytest
from alone import run_alone
from socket_programs import HOST, Program, connected, kept_in, saw, settle

PROGRAMS: dict[str, Program] = {}
program = kept_in(PROGRAMS)


# -- opening


@program
def sizes_of_buffers():
    found = []
    one, other = socket.socketpair()
    with one, other, connected() as (client, server):
        for each in (one, client, server):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                found.append(each.getsockopt(socket.SOL_SOCKET, option) > 10_000)
                each.setsockopt(socket.SOL_SOCKET, option, 20_000)
                found.append(each.getsockopt(socket.SOL_SOCKET, option))
    return found


@program
def linger_time_of_zero_makes_closing_a_reset():
    found = []
    for linger in ((1, 0), (1, 1), (0, 0)):
        with connected() as (client, server):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *linger))
            client.close()
            settle()
            found.append(saw(server.recv, 10))
    return found


@program
def duplicate_of_a_descriptor_keeps_it_open():
    reading, writing = os.pipe()
    again = os.dup(reading)
    os.write(writing, b"one")
    os.close(reading)
    found = [os.read(again, 10), saw(os.read, reading, 10), saw(os.dup, reading)]
    with connected() as (client, server):
        one_more = os.dup(client.fileno())
        client.close()
        os.write(one_more, b"two")
        found.append(server.recv(10))
        os.close(one_more)
        found.append(server.recv(10))
    os.close(again)
    os.close(writing)
    return found


@program
def flags_of_descriptors():
    reading, writing = os.pipe()
    found = [fcntl.fcntl(reading, fcntl.F_GETFD), fcntl.fcntl(reading, fcntl.F_SETFD, 1)]
    flags = fcntl.fcntl(reading, fcntl.F_GETFL)
    found.append(flags & os.O_NONBLOCK)
    found.append(fcntl.fcntl(reading, fcntl.F_SETFL, flags | os.O_NONBLOCK))
    found.append(fcntl.fcntl(reading, fcntl.F_GETFL) & os.O_NONBLOCK)
    found.append(saw(os.read, reading, 1))
    with connected() as (client, _):
        found.append(fcntl.fcntl(client, fcntl.F_GETFD))
        found.append(fcntl.fcntl(client.fileno(), fcntl.F_SETFD, fcntl.FD_CLOEXEC))
    os.close(reading)
    os.close(writing)
    found.append(saw(fcntl.fcntl, reading, fcntl.F_GETFD))
    return found


@program
def what_a_new_socket_tells() -> Any:
    with socket.socket() as made:
        return (
            *(made.family, made.type, made.proto, made.timeout, made.getblocking()),
            *(made.getsockname(), saw(made.getpeername), made.fileno() > 2),
            made.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
            made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
            made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
            isinstance(made, socket.socket),
        )


@program
def non_blocking_from_the_start() -> Any:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as made:
        return made.type, made.getblocking(), made.gettimeout()


@program
def the_default_timeout() -> Any:
    socket.setdefaulttimeout(3)
    try:
        with socket.create_server((HOST, 0)) as listener:
            made = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
            with made, accepted:
                return made.gettimeout(), accepted.gettimeout()
    finally:
        socket.setdefaulttimeout(None)


@program
def binding() -> Any:
    with socket.socket() as one, socket.socket() as other, socket.socket() as third:
        one.bind((HOST, 0))
        name = one.getsockname()
        third.bind(("", 0))
        return (
            name[0],
            name[1] > 0,
            third.getsockname()[0],
            saw(other.bind, name),
            saw(one.bind, (HOST, 0)),
            saw(other.bind, ("192.0.2.1", 0)),
            saw(other.bind, (HOST, 70_000)),
            saw(other.bind, HOST),
        )


@program
def a_port_is_free_again_when_its_socket_is_closed() -> Any:
    with socket.socket() as one:
        one.bind((HOST, 0))
        name = one.getsockname()
    with socket.socket() as other:
        return saw(other.bind, name)


@program
def listening() -> Any:
    with socket.socket() as one:
        one.listen()
        return (
            one.getsockname()[0],
            one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
            saw(one.listen, 5),
            saw(one.connect, one.getsockname()),
        )


@program
def accepting_without_listening() -> Any:
    with socket.socket() as one:
        one.settimeout(0.1)
        return saw(one.accept)


@program
def an_accepted_socket_has_the_names_of_both() -> Any:
    with connected() as (client, server):
        return (
            client.getsockname() == server.getpeername(),
            client.getpeername() == server.getsockname(),
            server.family,
            server.type,
            server.gettimeout(),
        )


@program
def accepting_in_time_or_not() -> Any:
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0.05)
        late = saw(listener.accept)
        listener.setblocking(False)
        return late, saw(listener.accept)


@program
def connecting_where_nobody_listens() -> Any:
    with socket.socket() as one:
        one.bind((HOST, 0))
        name = one.getsockname()
        with socket.socket() as client, socket.socket() as again:
            return saw(client.connect, name), saw(again.connect_ex, name)


@program
def connecting_again_after_a_refusal() -> Any:
    with socket.socket() as client, socket.socket() as other:
        other.bind((HOST, 0))
        refused = saw(client.connect, other.getsockname())
        other.listen()
        return refused, saw(client.connect, other.getsockname())


@program
def connecting_twice() -> Any:
    with connected() as (client, server):
        return saw(client.connect, server.getsockname())


@program
def connecting_without_waiting() -> Any:
    with socket.create_server((HOST, 0)) as listener, socket.socket() as client:
        client.setblocking(False)
        began = saw(client.connect, listener.getsockname())
        ready = select.select([], [client], [], 5)[1] == [client]
        return (
            began,
            ready,
            client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
            saw(client.connect_ex, listener.getsockname()),
            client.getpeername() == listener.getsockname(),
        )


@program
def refused_without_waiting() -> Any:
    with socket.socket() as nobody, socket.socket() as client:
        nobody.bind((HOST, 0))
        client.setblocking(False)
        began = saw(client.connect_ex, nobody.getsockname())
        poll = select.poll()
        poll.register(client, select.POLLOUT)
        ((_, events),) = poll.poll(5_000)
        number = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        # Loopback may refuse at once, where a network needs a round trip.
        told = began if began != errno.EINPROGRESS else number
        return told, bool(events & select.POLLHUP), saw(client.recv, 1)


# -- data


@program
def every_way_to_read_and_to_write() -> Any:
    with connected() as (client, server):
        client.send(b"one")
        client.sendall(memoryview(b"two"))
        client.sendmsg([b"th", bytearray(b"ree")])
        client.sendto(b"four", server.getsockname())
        client.send(array.array("I", [1]))
        settle()
        buffer = bytearray(3)
        filled = server.recv_into(buffer)
        part, there = server.recvfrom(3)
        message, ancillary, flags, _ = server.recvmsg(5)
        two, three = bytearray(2), bytearray(2)
        scattered = server.recvmsg_into([two, three])[0]
        rest = array.array("I", [0])
        return (
            *(filled, bytes(buffer), part, there, message, ancillary, flags & ~socket.MSG_EOR),
            *(scattered, bytes(two), bytes(three), server.recv_into(rest), list(rest)),
        )


@program
def peeking() -> Any:
    with connected() as (client, server):
        client.sendall(b"abcdef")
        settle()
        return (
            *(server.recv(3, socket.MSG_PEEK), server.recv(4), server.recv(9)),
            saw(server.recv, 1, socket.MSG_DONTWAIT),
            server.recv(0),
            saw(server.recv, -1),
        )


@program
def waiting_for_all() -> Any:
    with connected() as (client, server):

        def send() -> None:
            for part in (b"ab", b"cd", b"ef"):
                settle()
                client.sendall(part)

        thread = threading.Thread(target=send)
        thread.start()
        got = server.recv(6, socket.MSG_WAITALL)
        thread.join()
        client.sendall(b"gh")
        client.shutdown(socket.SHUT_WR)
        return got, server.recv(6, socket.MSG_WAITALL)


@program
def reading_in_time_or_not() -> Any:
    with connected() as (client, server):
        server.settimeout(0.05)
        late = saw(server.recv, 1)
        server.setblocking(False)
        now = saw(server.recv, 1)
        client.sendall(b"x")
        settle()
        return late, now, server.recv(1), saw(server.settimeout, -1)


@program
def the_end_of_the_stream() -> Any:
    with connected() as (client, server):
        client.sendall(b"last")
        client.shutdown(socket.SHUT_WR)
        first, second, third = server.recv(9), server.recv(9), server.recv(9)
        server.sendall(b"answer")
        return first, second, third, client.recv(9), saw(client.send, b"x")


@program
def reading_no_more() -> Any:
    with connected() as (_client, server):
        server.shutdown(socket.SHUT_RD)
        return server.recv(1)


@program
def shutting_down_what_is_not_connected() -> Any:
    with socket.socket() as one:
        return saw(one.shutdown, socket.SHUT_RDWR), saw(one.send, b"x"), saw(one.recv, 1)


@program
def closing_with_unread_bytes_resets() -> Any:
    with connected() as (client, server):
        client.sendall(b"never read")
        settle()
        server.close()
        settle()
        return saw(client.recv, 1), saw(client.recv, 1), saw(client.send, b"x")


@program
def what_came_before_a_reset_can_be_read() -> Any:
    with connected() as (client, server):
        client.sendall(b"never read")
        settle()
        server.sendall(b"said before")
        settle()
        server.close()
        settle()
        return client.recv(4), client.recv(99), saw(client.recv, 1), client.recv(1)


@program
def writing_to_who_has_gone() -> Any:
    with connected() as (client, server):
        server.close()
        settle()
        ended, first = client.recv(1), client.send(b"x")
        settle()
        return ended, first, saw(client.send, b"x"), saw(client.send, b"x")


@program
def a_reset_is_told_once_by_so_error() -> Any:
    with connected() as (client, server):
        client.sendall(b"never read")
        settle()
        server.close()
        settle()
        numbers = [client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for _ in range(2)]
        return numbers, client.recv(1)


@program
def a_sender_waits_for_room() -> Any:
    """Until the buffers of both ends are full, whatever they hold."""
    with connected() as (client, server):
        client.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 50_000_000:
                sent += client.send(bytes(65_536))
                if sent % (1 << 20) == 0:
                    settle()
        writable = select.select([], [client], [], 0)[1]
        server.settimeout(1)
        received = 0
        while received < sent:
            received += len(server.recv(1 << 20))
        settle()
        return 0 < sent < 50_000_000, writable, select.select([], [client], [], 0)[1] == [client]


@program
def sending_in_time_or_not() -> Any:
    with connected() as (client, _server):
        client.settimeout(0.1)
        return saw(client.sendall, bytes(60_000_000))


# -- several descriptors, and none


@program
def makefile() -> Any:
    with connected() as (client, server):
        with client.makefile("rw", newline="\n") as words:
            words.write("hello\nworld\n")
            words.flush()
            with server.makefile("rb") as lines:
                server.close()
                first = lines.readline()
                second = lines.readline()
            settle()
        return first, second, client.recv(1), server.fileno()


@program
def duplicates() -> Any:
    with connected() as (client, server):
        copy = client.dup()
        client.close()
        copy.sendall(b"still open")
        got = server.recv(99)
        copy.close()
        return got, server.recv(1), copy.fileno(), saw(copy.send, b"x")


@program
def descriptors_change_hands() -> Any:
    with connected() as (client, server):
        number = client.detach()
        gone = client.fileno(), saw(client.send, b"x")
        with socket.socket(fileno=number) as taken:
            taken.sendall(b"taken over")
            return gone, taken.family, taken.type, server.recv(99)


@program
def a_descriptor_of_nothing() -> Any:
    with socket.socket() as one:
        number = one.fileno()
    return saw(socket.socket, -1, -1, -1, number), saw(socket.close, number)


@program
def closing_by_number() -> Any:
    with connected() as (client, server):
        socket.close(client.detach())
        return server.recv(1)


@program
def what_is_closed() -> Any:
    one = socket.socket()
    one.close()
    one.close()
    return (
        one.fileno(),
        *(saw(one.bind, (HOST, 0)), saw(one.listen), saw(one.getsockname), saw(one.recv, 1)),
        saw(one.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR),
    )


@program
def closing_a_socket_that_another_thread_reads() -> Any:
    """Linux lets it wait on; Python finds the descriptor gone when there is something to read."""
    with connected() as (client, server):
        seen: list[Any] = []
        client.settimeout(5)
        thread = threading.Thread(target=lambda: seen.append(saw(client.recv, 9)))
        thread.start()
        settle()
        client.close()
        settle()
        waits = thread.is_alive()
        server.sendall(b"x")
        thread.join()
        return waits, seen


@program
def shutting_down_a_socket_that_another_thread_reads() -> Any:
    with connected() as (client, _server):
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(client.recv(9)))
        thread.start()
        settle()
        client.shutdown(socket.SHUT_RDWR)
        thread.join()
        return seen


@program
def closing_a_listener_resets_who_waits_there() -> Any:
    with socket.create_server((HOST, 0)) as listener:
        name = listener.getsockname()
        client = socket.create_connection(name)
        settle()
    settle()
    with client, socket.socket() as late:
        return saw(client.recv, 1), saw(late.connect, name)


@program
def pairs() -> Any:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"there")
        got = other.recv(99)
        other.close()
        return (
            *(got, one.recv(1), saw(one.send, b"x"), one.family, one.type, one.proto),
            one.getsockname(),
        )


@program
def options() -> Any:
    with connected() as (client, _server):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return (
            bool(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
            bool(client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)),
            bool(client.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)),
        )


# -- names


@program
def looking_up() -> Any:
    def addresses(*args: Any, **options: Any) -> Any:
        return sorted({answer[4] for answer in socket.getaddrinfo(*args, **options)})

    return (
        addresses(HOST, 80),
        addresses("localhost", 80, family=socket.AF_INET),
        addresses(HOST, "80"),
        addresses(b"127.0.0.1", None),
        socket.getaddrinfo(HOST, 80, type=socket.SOCK_STREAM),
        saw(addresses, HOST, 80, socket.AF_INET6),
        socket.gethostbyname("localhost"),
        socket.gethostbyname(HOST),
        socket.getnameinfo((HOST, 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
    )


# -- all of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_sees_the_same_in_the_simulation(name: str) -> None:
    real = PROGRAMS[name]()
    assert run_alone(PROGRAMS[name]) == real
    assert run_alone(PROGRAMS[name], seed=3) == real


def test_the_comparison_would_see_a_difference() -> None:
    """Both worlds are what they are called."""

    def descriptor() -> bool:
        with socket.socket() as made:
            try:
                os.fstat(made.fileno())
            except OSError:
                return False
        return True

    assert descriptor()
    assert not run_alone(descriptor)
