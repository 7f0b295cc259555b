"""Tests of servers that have nothing to do with OpenHands. Each bears a lost connection at most
moments, and not at one. They are run in trials."""

import threading
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.server import serve

HOST = "127.0.0.1"
LOST = (OSError, HTTPException, WebSocketException)


class Votes(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.count += 1
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        body = str(self.server.count).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        """Nobody reads it."""


@pytest.fixture
def votes():
    with ThreadingHTTPServer((HOST, 0), Votes) as server:
        server.count = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ask(server, "GET", "/ready")  # Before the call, which no fault strikes.
        yield server
        server.shutdown()


def ask(server, method, path):
    connection = HTTPConnection(HOST, server.server_port, timeout=5)
    try:
        connection.request(method, path)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_the_second_of_three(votes):
    """Only the second vote may not be lost."""
    ask_calmly(votes, "GET", "/votes")
    for number in (1, 2, 3):
        if not ask_calmly(votes, "POST", "/votes"):
            assert number != 2


def ask_calmly(server, method, path):
    try:
        ask(server, method, path)
    except LOST:
        return False
    return True


def test_a_vote_that_is_sent_again(votes):
    """Right if it was lost on its way to the server, and wrong if its answer was."""
    if not ask_calmly(votes, "POST", "/votes"):
        ask(votes, "POST", "/votes")
    assert votes.count == 1


@contextmanager
def echo():
    def handle(socket):
        for message in socket:
            socket.send(message)

    with serve(handle, HOST, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://{HOST}:{server.socket.getsockname()[1]}"
        server.shutdown()


def test_the_second_message():
    """Three messages over one socket, which is opened again where it was lost; the second message
    may not be."""
    with echo() as url:
        socket = connect(url, proxy=None)
        for number in (1, 2, 3):
            try:
                socket.send(str(number))
                assert socket.recv(timeout=5) == str(number)
            except (*LOST, TimeoutError):
                assert number != 2
                socket = connect(url, proxy=None)
        socket.close()


def test_the_second_socket():
    """Three sockets; the second may not be lost, nor be refused."""
    with echo() as url:
        for number in (1, 2, 3):
            try:
                with connect(url, proxy=None) as socket:
                    socket.send("x")
                    socket.recv()
            except LOST:
                assert number != 2
