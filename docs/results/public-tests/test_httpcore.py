"""Threads that share a connection pool, as in the report."""

from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpcore


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


def test_threads_share_a_pool():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    pool = httpcore.ConnectionPool(max_connections=3)
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda _: pool.request("GET", url), range(6)))
    assert [answer.content for answer in answers] == [b"hello"] * 6
