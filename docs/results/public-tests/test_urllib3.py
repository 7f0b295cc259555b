"""Threads that share a PoolManager with room for fewer hosts than they ask."""

from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import urllib3


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


def serve():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def test_threads_share_a_manager():
    urls = [serve(), serve()]
    manager = urllib3.PoolManager(num_pools=1)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda url: manager.request("GET", url), urls * 2))
    assert [answer.data for answer in answers] == [b"hello"] * 4
