"""Tests as somebody might have them, each with one thing about it. They are run in trials.

Those that lose a race have a twin that does not, named `..._right`.
"""

import os
import socket
import sys
import tempfile
import threading
import time
import unittest
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HOST = "127.0.0.1"


def run_all(*bodies):
    """Each in a thread of its own, to the end."""
    threads = [threading.Thread(target=body, name=body.__name__) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# -- races


def locks_in_turn(first, second, again_first, again_second):
    def one():
        with first, second:
            pass

    def other():
        with again_first, again_second:
            pass

    run_all(one, other)


def test_deadlock():
    a, b = threading.Lock(), threading.Lock()
    locks_in_turn(a, b, b, a)


def test_deadlock_right():
    a, b = threading.Lock(), threading.Lock()
    locks_in_turn(a, b, a, b)


class Account:
    def __init__(self, lock=None):
        self.balance, self.lock = 0, lock

    def pay_in(self):
        if self.lock is None:
            self._add()
        else:
            with self.lock:
                self._add()

    def _add(self):
        before = self.balance
        after = before + 1
        self.balance = after


def test_lost_update():
    account = Account()
    run_all(account.pay_in, account.pay_in)
    assert account.balance == 2


def test_lost_update_right():
    account = Account(threading.Lock())
    run_all(account.pay_in, account.pay_in)
    assert account.balance == 2


def wakes_up(has_to_look):
    """Whether a waiter hears of what happened, though it may have happened before."""
    changed, ready, heard = threading.Condition(), [], []

    def tell():
        with changed:
            ready.append(1)
            changed.notify()

    def wait():
        with changed:
            if not (has_to_look and ready):
                heard.append(changed.wait(5))
            else:
                heard.append(True)

    run_all(wait, tell)
    return heard == [True]


def test_missed_wake_up():
    assert wakes_up(has_to_look=False)


def test_missed_wake_up_right():
    assert wakes_up(has_to_look=True)


class Seats(BaseHTTPRequestHandler):
    """One seat; whoever asks first has it."""

    def do_POST(self):
        server = self.server
        if server.lock is None:
            taken = self._take()
        else:
            with server.lock:
                taken = self._take()
        self.send_response(200 if taken else 409)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _take(self):
        server = self.server
        if server.free:
            server.free = False
            return True
        return False

    def log_message(self, *_args):
        """Nobody reads it."""


def seats_given(lock):
    with ThreadingHTTPServer((HOST, 0), Seats) as server:
        server.free, server.lock = True, lock
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = []

        def ask():
            connection = HTTPConnection(HOST, server.server_port)
            connection.request("POST", "/seat")
            given.append(connection.getresponse().status)
            connection.close()

        run_all(ask, ask)
        server.shutdown()
        return sorted(given)


def test_check_then_act():
    assert seats_given(None) == [200, 409]


def test_check_then_act_right():
    assert seats_given(threading.Lock()) == [200, 409]


# -- endings


def test_thread_dies():
    def die():
        raise LookupError("nobody is there")

    run_all(die)


def test_hang():
    threading.Event().wait()


def test_hang_in_a_socket():
    with socket.create_server((HOST, 0)) as listener:
        listener.accept()


@pytest.fixture
def bad_end():
    yield
    raise OSError("cannot clean up")


def test_teardown_fails(bad_end):
    pass


def test_fails_and_so_does_its_teardown(bad_end):
    assert [1] == [2]


@pytest.fixture
def bad_begin():
    raise OSError("cannot begin")


def test_setup_fails(bad_begin):
    pass


@pytest.mark.skip(reason="not today")
def test_skipped():
    pass


def test_skips_itself():
    pytest.skip("not here")


@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert [1] == [2]


@pytest.mark.xfail(reason="known", strict=True)
def test_passes_unexpectedly():
    pass


@pytest.mark.parametrize("number", [1, 2])
def test_with_parameters(number):
    assert number == 1


class TestOfUnittest(unittest.TestCase):
    def setUp(self):
        self.begun = True

    def test_passes(self):
        self.assertTrue(self.begun)  # noqa: PT009

    def test_fails(self):
        self.assertEqual(1, 2)  # noqa: PT009

    def test_skips(self):
        self.skipTest("not now")


@pytest.mark.anyio
async def test_of_anyio():
    import anyio

    began = time.monotonic()
    await anyio.sleep(120)
    assert 120 <= time.monotonic() - began < 121


@pytest.fixture
def anyio_backend():
    return "asyncio"


# -- what a repetition finds


MADE = []


@pytest.fixture(scope="session")
def of_the_session():
    MADE.append(1)
    return len(MADE)


def test_everything_is_made_anew(of_the_session, tmp_path):
    assert of_the_session == 1
    assert not list(tmp_path.iterdir())
    (tmp_path / "left").write_text("behind")


def test_folders_have_the_same_names_each_time(tmp_path):
    """What goes over the wire is in the digest."""
    names = [tmp_path, Path.home(), tempfile.gettempdir(), tempfile.mkdtemp()]
    assert not list(Path.home().iterdir())
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        socket.create_server((HOST, 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        client.sendall(repr(names).encode())


def test_a_time_that_is_measured():
    began = time.perf_counter()
    sum(range(1_000))
    assert time.perf_counter() > began


def test_a_loop_until_a_time():
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        pass


def test_output_and_environment(capsys, caplog, monkeypatch, tmp_path):
    import logging

    print("hello")
    assert capsys.readouterr().out == "hello\n"
    logging.getLogger("x").warning("careful")
    assert "careful" in caplog.text
    monkeypatch.setenv("SOMETHING", "1")
    assert os.environ["SOMETHING"] == "1"
    assert sys.flags.hash_randomization == 0


@pytest.mark.timeout(1)
def test_longer_than_its_timeout():
    """The clock of the plugin is not the trial's."""
    time.sleep(60)


def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()
