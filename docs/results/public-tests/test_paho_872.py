"""paho-mqtt against a broker of a hundred lines: connect, subscribe, publish, disconnect, stop.

With paho-mqtt 2.2.0 the first test loses a race now and then, which is issue 872 of
eclipse-paho/paho.mqtt.python. The second one has a `loop_stop()` that does not.
"""

import socketserver
import threading

import pytest

mqtt = pytest.importorskip("paho.mqtt.client")

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = (
    *(1, 2, 3, 4, 8, 9, 12, 13, 14),
)
"""Types of packets (MQTT 3.1.1, section 2.2.1)."""


class Broker(socketserver.ThreadingTCPServer):
    """Gives each message to all who have subscribed to its very topic."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Session)
        self.lock = threading.Lock()
        self.topics = {}

    def subscribe(self, topic, session):
        with self.lock:
            self.topics.setdefault(topic, []).append(session)

    def publish(self, topic, payload):
        with self.lock:
            sessions = list(self.topics.get(topic, []))
        for session in sessions:
            session.send(PUBLISH, len(topic).to_bytes(2) + topic + payload)


class Session(socketserver.StreamRequestHandler):
    def setup(self):
        super().setup()
        self.lock = threading.Lock()

    def handle(self):
        while packet := self.receive():
            kind, flags, body = packet
            if kind == CONNECT:
                self.send(CONNACK, b"\0\0")
            elif kind == SUBSCRIBE:
                self.server.subscribe(text_in(body, 2), self)
                self.send(SUBACK, body[:2] + b"\1")
            elif kind == PUBLISH:
                topic = text_in(body, 0)
                rest = body[2 + len(topic) :]
                if flags & 0b110:  # QoS 1: the packet has a number, and is acknowledged.
                    self.send(PUBACK, rest[:2])
                    rest = rest[2:]
                self.server.publish(topic, rest)
            elif kind == PINGREQ:
                self.send(PINGRESP, b"")
            elif kind == DISCONNECT:
                return

    def receive(self):
        """The next packet: its type, its flags and the rest; None where the stream has ended."""
        first = self.rfile.read(1)
        if not first:
            return None
        size = shift = 0
        while True:  # Section 2.2.3: seven bits a byte, the lowest first.
            (byte,) = self.rfile.read(1)
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        return first[0] >> 4, first[0] & 15, self.rfile.read(size)

    def send(self, kind, body):
        assert len(body) < 128
        with self.lock:
            self.wfile.write(bytes([kind << 4, len(body)]) + body)


def text_in(body, at):
    size = int.from_bytes(body[at : at + 2])
    return body[at + 2 : at + 2 + size]


@pytest.fixture
def broker():
    with Broker() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def publish_and_stop(client, port):
    subscribed, received = threading.Event(), threading.Event()
    client.on_connect = lambda *_: client.subscribe("news", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda *_: received.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert subscribed.wait(30)
    client.publish("news", b"hello", qos=1).wait_for_publish(30)
    assert received.wait(30)
    client.disconnect()
    client.loop_stop()


def test_publish_and_stop(broker):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "reader")
    publish_and_stop(client, broker.server_address[1])


class Repaired(mqtt.Client):
    """Looks at its thread once, and holds on to what it has seen."""

    def loop_stop(self):
        thread = self._thread
        if thread is None:
            return mqtt.MQTTErrorCode.MQTT_ERR_INVAL
        self._thread_terminate = True
        if threading.current_thread() != thread:
            thread.join()
        return mqtt.MQTTErrorCode.MQTT_ERR_SUCCESS


def test_publish_and_stop_repaired(broker):
    client = Repaired(mqtt.CallbackAPIVersion.VERSION2, "reader")
    publish_and_stop(client, broker.server_address[1])
