"""The network: TCP connections in memory, byte for byte, on virtual time."""

from collections import Counter
from functools import partial
from itertools import count
from typing import Final

from race_harness.model.schedule import Link, LinkKind
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.model.trace import Trace
from race_harness.network.connection import Connection, Connections
from race_harness.network.dialect import Dialect
from race_harness.network.loopback import HOST
from race_harness.network.tap import Taps
from race_harness.sim.endpoint import Endpoint, State
from race_harness.sim.kernel import MILLISECOND, SECOND, Kernel

FIRST_CLIENT_PORT: Final = 50_001
FIRST_ASIDE_PORT: Final = 60_001
"""The first port of clients that connect aside."""
ASIDE: Final = NetworkSchedule(Link(0.57), Link(0.67))
"""Their links: odd latencies, so that nothing arrives at the same instant as something else by
chance."""

SYN_AGAIN_NS: Final = 1 * SECOND
"""Virtual nanoseconds after which a client repeats its SYN where the listener's backlog is full;
each further wait is twice as long (RFC 6298, section 2)."""


class SimNetwork(Connections):
    """Listeners and connections of one trial."""

    def __init__(
        self,
        kernel: Kernel,
        schedule: NetworkSchedule,
        entropy: int,
        dialect: Dialect | None = None,
    ) -> None:
        super().__init__(kernel, dialect or Dialect(), kernel.violations.append, schedule.gateway)
        self.kernel = kernel
        self._schedule = schedule
        self._entropy = entropy
        self._listeners: dict[int, Endpoint] = {}
        self._numbers = count()
        self._nth: Counter[LinkKind] = Counter()
        self.aside: dict[int, int] = {}
        """Ports that lead to another port by links that neither the schedule nor any listener
        sees."""
        self._unheard = Taps(Trace(kernel.trace.now_ns), Dialect(), kernel.violations.append)
        self._numbers_aside = count()
        self._held_back: dict[int, int] = {}
        """Until when nothing comes to the machine that listens at a port."""

    def follow(self, schedule: NetworkSchedule) -> None:
        """Use the links of another schedule from now on; the count of connections starts again."""
        self._schedule = schedule
        self._nth.clear()
        self.gatekeeper.follow(schedule.gateway)
        for connection in self.connections:
            if connection.alive:
                connection.follow(schedule)
                self.guard(connection)

    def listen(self, port: int, listener: Endpoint) -> None:
        """Let this endpoint accept connections to the port."""
        self._listeners[port] = listener

    def unlisten(self, port: int) -> None:
        """Refuse further connections, and reset those that were not accepted."""
        listener = self._listeners.pop(port)
        while listener.accepted:
            listener.accepted.popleft().close(reset=True)

    def perish(self, port: int) -> None:
        """Close the sockets of the process that listened there: it is gone."""
        self._held_back.pop(port, None)
        listener = self._listeners.get(port)
        if listener is not None:
            listener.perish()
        for connection in self.connections:
            # Sockets that it closed itself send nothing more.
            if isinstance(connection.down.sender, Endpoint):
                connection.down.sender.perish()

    def hold_back(self, port: int, until_ns: int) -> None:
        """Let nothing come to the machine that listens there until then, and no connection be
        opened."""
        self._held_back[port] = until_ns
        for connection in self.connections:
            connection.up.stall(until_ns)

    def connect(self, client: Endpoint, port: int) -> None:
        """Open a connection from `client`, which learns the result after one round trip."""
        connection = self._made_aside() if port in self.aside else self._made()
        peer = connection.peer
        client.state = State.CONNECTING
        client.over = client.write_shut = client.told = False
        client.name, client.peer_name = (HOST, peer), (HOST, port)
        self._ask(_Opening(connection, client, port, self.kernel.now_ns), SYN_AGAIN_NS)

    def _made(self) -> Connection:
        number = next(self._numbers)
        connection = Connection(
            *(self.taps, self.kernel, self._schedule, self._entropy, number),
            *(FIRST_CLIENT_PORT + number, self._nth),
        )
        self.guard(connection)
        return connection

    def _made_aside(self) -> Connection:
        number = next(self._numbers_aside)
        return Connection(
            *(self._unheard, self.kernel, ASIDE, self._entropy, number),
            *(FIRST_ASIDE_PORT + number, Counter()),
        )

    def _ask(self, opening: "_Opening", again_ns: int) -> None:
        kernel, one_way_ns = self.kernel, opening.connection.handshake_ns
        asked_ns = kernel.now_ns

        def arrive() -> None:
            aside = self.aside.get(opening.port)
            port = opening.port if aside is None else aside
            listener = self._listeners.get(port)
            until_ns = self._held_back.get(port, 0)
            if kernel.now_ns < until_ns:
                kernel.call_at(until_ns - one_way_ns, partial(self._ask, opening, again_ns))
            elif listener is None:
                kernel.call_at(asked_ns + 2 * one_way_ns, opening.refused)
            elif len(listener.accepted) > listener.backlog:
                kernel.call_at(asked_ns + again_ns, partial(self._ask, opening, 2 * again_ns))
            else:
                if aside is None:
                    self.connections.append(opening.connection)
                    opening.connection.on_kind = partial(self._may_hang_up, opening)
                kernel.call_at(asked_ns + 2 * one_way_ns, opening.connected)
                # The server's accept() returns with the last part of the handshake.
                kernel.call_at(asked_ns + 3 * one_way_ns, partial(opening.accepted, listener))

        kernel.call_at(asked_ns + one_way_ns, arrive)

    def _may_hang_up(self, opening: "_Opening", kind: LinkKind) -> None:
        """Before the client sends its first bytes, do what would have met its SYN."""
        one_way_ns = round(opening.connection.up.link.latency_ms * MILLISECOND)
        if self.refuses(kind, opening.connection.path, opening.asked_ns + one_way_ns):
            at_ns = max(self.kernel.now_ns, opening.asked_ns + 2 * one_way_ns)
            self.kernel.call_at(at_ns, opening.connection.reset)
        elif self.gatekeeper.full(opening.connection):
            connection = opening.connection
            says = self.gatekeeper.turned_away(kind, connection.peer)
            connection.turn_away()
            at_ns = self.kernel.now_ns + one_way_ns
            if says is None:
                self.kernel.call_at(at_ns + one_way_ns, connection.reset)
            else:
                self.kernel.call_at(at_ns, partial(connection.say_and_leave, says))


class _Opening:
    """A connection that is being opened."""

    def __init__(self, connection: Connection, client: Endpoint, port: int, asked_ns: int) -> None:
        self.connection = connection
        self.port = port
        self.asked_ns = asked_ns
        self._client = client

    def refused(self) -> None:
        client = self._client
        if client.state is State.CONNECTING:
            client.refuse()

    def connected(self) -> None:
        client, connection = self._client, self.connection
        if client.state is not State.CONNECTING:
            # The client has given up.
            connection.alive = False
            connection.up.finish()
            return
        client.join(connection.client_writes, connection.up, connection.down)
        client.on_close.append(connection.client_left)

    def accepted(self, listener: Endpoint) -> None:
        connection = self.connection
        server = Endpoint(listener.kernel)
        server.name, server.peer_name = (HOST, self.port), (HOST, connection.peer)
        server.join(connection.server_writes, connection.down, connection.up)
        server.on_close.append(connection.server_left)
        if listener.state is State.LISTENING:
            server.options.update(listener.options)
            listener.accepted.append(server)
            listener.changed()
        else:
            server.close(reset=True)
