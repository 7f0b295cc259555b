"""Clients that keep their connections, while the server looks for those to close."""

import http.client
import sys
from threading import Thread

from cheroot import wsgi


def hello(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def visit(port):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(2):
        client.request("GET", "/")
        assert client.getresponse().read() == b"hello"
    client.close()


def test_server_reports_no_error():
    errors = []
    server = wsgi.Server(("127.0.0.1", 0), hello, numthreads=2)
    server.error_log = lambda *args, **kwargs: errors.append(sys.exc_info()[1])
    server.prepare()
    Thread(target=server.serve, daemon=True).start()
    clients = [Thread(target=visit, args=[server.bind_addr[1]]) for _ in range(3)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    server.stop()
    assert not errors, errors[0]
