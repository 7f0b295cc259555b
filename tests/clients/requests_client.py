"""A message board: a client on requests and websocket-client, and a server that it starts itself.

Nothing of it is asyncio or ASGI: the server is two of the standard kind, each with its threads.
`Racy` returns as soon as the board says that the work is done, without what the stream has not
brought yet: race run requests_client.py:Racy --scenario final-events
"""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
import websocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from race_harness import Client, Dialect, SeenEvent

HOST = "127.0.0.1"


class BoardDialect(Dialect):
    """What the bytes on the wire mean."""

    def execution_status(self, route, body):
        return json.loads(body) if route == "GET conversation" else None

    def frame(self, message):
        return json.loads(message)  # `event` and `kind`, as they are sent.


class Board:
    """The server of one trial: a list of notes, and work that adds some."""

    app = None  # No ASGI application: whoever connects starts it.

    def __init__(self, schedule, trace):
        self._script, self._timing, self._trace = schedule.script, schedule.server, trace
        self._notes, self._state, self._runs = [], "idle", 0

    async def aclose(self):
        """Its client has stopped it."""

    def start(self):
        """Listen at two ports, and return their URLs."""
        self._grown = threading.Condition()
        self._http = ThreadingHTTPServer((HOST, 0), self._handler())
        self._stream = serve(self._tell, HOST, 0)
        for server in (self._http, self._stream):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        port, stream_port = self._http.server_port, self._stream.socket.getsockname()[1]
        return f"http://{HOST}:{port}", f"ws://{HOST}:{stream_port}"

    def stop(self):
        self._http.shutdown()
        self._http.server_close()
        self._stream.shutdown()

    def read(self, path):
        return {"/state": self._state, "/notes": self._notes}[path]

    def add(self, kind):
        with self._grown:
            self._notes.append({"event": f"note-{len(self._notes) + 1}", "kind": kind})
            self._trace.record("server", "persisted", **self._notes[-1])
            self._grown.notify_all()

    def work(self):
        self._state, self._runs = "working", self._runs + 1
        self._trace.record("server", "run-accepted", run=self._runs)
        threading.Thread(target=self._work, args=[self._runs], daemon=True).start()

    def _work(self, run):
        self._trace.record("server", "run-started", run=run)
        for kind in ["Step"] * self._script.turn(run).tool_calls + ["Result"]:
            time.sleep(self._timing.think_ms / 1000)
            self.add(kind)
        self._state = self._script.turn(run).outcome
        self._trace.record("server", "run-ended", run=run, status=self._state)

    def _tell(self, connection):
        """Send every note to one subscriber, in a thread of its own."""
        peer, sent = connection.remote_address[1], 0
        self._trace.record("socket", "subscribed", peer=peer)
        with contextlib.suppress(ConnectionClosed):
            while True:
                with self._grown:
                    self._grown.wait_for(lambda sent=sent: sent < len(self._notes))
                time.sleep(self._timing.publish_ms / 1000)
                connection.send(json.dumps(self._notes[sent]))
                sent += 1

    def _handler(self):
        board = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self._answer(board.read(self.path))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(
                    board.add(json.loads(body)) if self.path == "/notes" else board.work()
                )

            def _answer(self, what):
                body = json.dumps(what).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                """Nobody reads it."""

        return Handler


class BoardClient(Client):
    """One session. A thread listens to the stream."""

    def __init__(self, board, on_event, racy):
        self._board, self._on_event, self._racy = board, on_event, racy
        self._seen, self._lock = [], threading.Lock()
        self._url, stream = board.start()
        self._session = requests.Session()
        self._session.trust_env = False
        self._socket = websocket.create_connection(stream, http_no_proxy=["*"])
        threading.Thread(target=self._listen, daemon=True).start()

    def send_message(self, text):
        self._session.post(f"{self._url}/notes", json="Note").raise_for_status()

    def run(self, *, blocking=True, timeout_s=None):
        if not blocking or timeout_s is not None:
            raise NotImplementedError
        self._session.post(f"{self._url}/work", json=None, data=b"").raise_for_status()
        while (state := self._session.get(f"{self._url}/state").json()) == "working":
            time.sleep(0.1)
        if not self._racy:
            for note in self._session.get(f"{self._url}/notes").json():
                self._take(note)
        if state in ("error", "stuck"):
            raise RuntimeError(f"the work ended in {state}")

    def visible(self):
        return list(self._seen)

    def close(self):
        self._session.close()
        # close() would wait for the thread that reads, and that for a network that may be dead.
        self._socket.abort()
        self._board.stop()

    def _listen(self):
        with contextlib.suppress(websocket.WebSocketException, OSError):
            while message := self._socket.recv():
                self._take(json.loads(message))

    def _take(self, note):
        with self._lock:  # Also during the callback, or two threads might swap two notes.
            if note["event"] not in self._seen:
                self._seen.append(note["event"])
                self._on_event(SeenEvent(note["event"], note["kind"]))


class Right:
    version = "1.0"
    dialect = BoardDialect(
        {"POST /notes": "send-message", "POST /work": "run", "GET /state": "conversation"}
    )
    racy = False

    def serve(self, schedule, trace):
        self._board = Board(schedule, trace)
        return self._board

    def connect(self, url, on_event):
        return BoardClient(self._board, on_event, self.racy)


class Racy(Right):
    racy = True
