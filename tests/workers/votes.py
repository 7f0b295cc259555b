"""Two people vote at once, and once in a while a vote is lost."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class Votes(BaseHTTPRequestHandler):
    count = 0

    def do_POST(self):
        before = Votes.count
        Votes.count = before + 1
        self.send_response(204)
        self.end_headers()


def test_every_vote_counts():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Votes)
    threading.Thread(target=server.serve_forever).start()
    url = f"http://127.0.0.1:{server.server_port}"
    voters = [threading.Thread(target=requests.post, args=[url]) for _ in range(2)]
    for voter in voters:
        voter.start()
    for voter in voters:
        voter.join()
    server.shutdown()
    assert Votes.count == 2
