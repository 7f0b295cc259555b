"""The peer resets a connection while one thread receives and another one sends."""

import socket
import struct
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

AT_ONCE = struct.pack("ii", 1, 0)


def test_peer_resets_the_connection():
    ended = threading.Event()

    def echo(connection):
        try:
            while True:
                connection.send(connection.recv())
        except ConnectionClosed:
            ended.set()

    with serve(echo, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.socket.getsockname()
        client = connect(f"ws://{host}:{port}")
        client.send("hello")
        assert client.recv() == "hello"
        client.send("and again")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        client.socket.shutdown(socket.SHUT_RD)
        client.socket.close()
        assert ended.wait(60)
        server.shutdown()
