"""A client hangs up in the middle of an answer; the server has to go on serving others."""

import socket
import threading

from waitress import create_server

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answer(environ, start_response):
    start_response("200 OK", [])
    for _ in range(10):
        yield b"x" * 20_000


def test_next_client_is_served():
    server = create_server(answer, host="127.0.0.1", port=0, threads=2)
    address = server.socket.getsockname()
    threading.Thread(target=server.run, daemon=True).start()
    with socket.create_connection(address) as rude:
        rude.sendall(GET)
        rude.recv(1000)
    with socket.create_connection(address, timeout=60) as next_one:
        next_one.sendall(GET)
        assert next_one.recv(1000).startswith(b"HTTP/1.1 200 OK")
