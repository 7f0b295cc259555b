"""The network: TCP connections in memory, byte for byte, on virtual time."""

from collections import Counter
from collections.abc import Callable
from itertools import count

from race_harness.model.schedule import LinkKind
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.network.connection import Connection, Connections
from race_harness.sim.kernel import MILLISECOND, Kernel

FIRST_CLIENT_PORT = 50_001


class SimNetwork(Connections):
    """Listeners and connections of one trial."""

    def __init__(self, kernel: Kernel, schedule: NetworkSchedule, entropy: int) -> None:
        super().__init__(kernel)
        self.kernel = kernel
        self._schedule = schedule
        self._entropy = entropy
        self._listeners: dict[int, Callable[[Connection], None]] = {}
        self._numbers = count()
        self._nth: Counter[LinkKind] = Counter()
        self._refused_until_ns: dict[LinkKind, int] = {}

    def listen(self, port: int, accept: Callable[[Connection], None]) -> None:
        """`accept` is called outside every strand when a client has connected."""
        if port in self._listeners:
            raise OSError(98, f"port {port} of the simulated network is in use")
        self._listeners[port] = accept

    def unlisten(self, port: int) -> None:
        self._listeners.pop(port, None)

    def refuse(self, kind: LinkKind, until_ns: int) -> None:
        """Refuse new connections of a kind (RFC 9293, section 3.5.2: a SYN that is reset)."""
        self._refused_until_ns[kind] = max(until_ns, self._refused_until_ns.get(kind, 0))

    def connect(
        self, port: int, kind: LinkKind, done: Callable[[Connection | None], None]
    ) -> None:
        """Open a connection; `done` gets it after one round trip, or None if it is refused."""
        number = next(self._numbers)
        peer = FIRST_CLIENT_PORT + number
        connection = Connection(
            self.kernel, self._schedule, self._entropy, number, peer, kind, self._nth
        )
        one_way_ns = round(connection.up.link.latency_ms * MILLISECOND)
        start_ns = self.kernel.now_ns

        def arrive() -> None:
            accept = self._listeners.get(port)
            if accept is None or self.kernel.now_ns < self._refused_until_ns.get(kind, 0):
                self.kernel.call_at(start_ns + 2 * one_way_ns, lambda: done(None))
                return
            self.connections.append(connection)
            self.kernel.call_at(start_ns + 2 * one_way_ns, lambda: done(connection))
            # The server's accept() returns with the last part of the handshake.
            self.kernel.call_at(start_ns + 3 * one_way_ns, lambda: accept(connection))

        self.kernel.call_at(start_ns + one_way_ns, arrive)
