"""A program alone on the kernel, without a server. Imports little: some processes import it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from race_harness.model.schedule import Interleaving
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.sim.children import Children
from race_harness.sim.choice import choice_of
from race_harness.sim.endpoint import Endpoint, State
from race_harness.sim.inside import inside
from race_harness.sim.kernel import MILLISECOND, SECOND, Kernel
from race_harness.sim.strands import Choice
from race_harness.sim.tcp import SimNetwork

DAY_S = 86_400


class Alone:
    """A kernel without a server, for one program."""

    def __init__(
        self,
        *,
        seed: int | None = None,
        choice: Choice | None = None,
        entropy: int = 0,
        limit_s: float = DAY_S,
        max_steps: int = 400_000,
        network: NetworkSchedule | None = None,
        child_processes: bool = False,
    ) -> None:
        choice = choice or choice_of(Interleaving(seed))
        self.kernel = Kernel(choice, limit_ns=round(limit_s * SECOND), max_steps=max_steps)
        self.network = SimNetwork(self.kernel, network or NetworkSchedule(), entropy)
        self._entropy = entropy
        self._children = Children(self.kernel) if child_processes else None

    def run(self, program: Callable[[], Any]) -> Any:
        """What the program returns; None if the trial had to be stopped."""
        values: list[Any] = [None]

        def main() -> None:
            values.append(program())

        with inside(self.kernel, self.network, self._entropy, self._children):
            self.kernel.run(main)
        return values[-1]

    def at(self, milliseconds: float, action: Callable[[], object]) -> None:
        """Do something at an instant of the trial, outside every strand."""
        self.kernel.call_at(round(milliseconds * MILLISECOND), lambda: void(action()))

    def listener(self, port: int, backlog: int = 128) -> Endpoint:
        """Somebody who listens there."""
        listener = Endpoint(self.kernel)
        listener.state, listener.backlog = State.LISTENING, backlog
        self.network.listen(port, listener)
        return listener

    def client(self, port: int, first_bytes: bytes = b"") -> Endpoint:
        """Somebody who connects to there, and sends these bytes when it is connected."""
        client = Endpoint(self.kernel)
        sent = False

        class Speaking:
            def changed(self) -> None:
                nonlocal sent
                if first_bytes and client.state is State.CONNECTED and not sent:
                    sent = True
                    client.write(first_bytes)

            def closed(self) -> None: ...

        client.watches.append(Speaking())
        self.network.connect(client, port)
        return client

    @property
    def now_s(self) -> float:
        return self.kernel.now_ns / SECOND


def void(_value: object) -> None:
    """Drop a value, where a callback may not return one."""


FIRST_BYTES = {
    "rest": b"GET / HTTP/1.1\r\n\r\n",
    "socket": b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n",
    "raw": b"\x10\x0c\x00\x04MQTT",
}
"""Of a client, by what its connection is for."""


def start(*bodies: Callable[[], object]) -> list[threading.Thread]:
    """A thread for each, which runs."""
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    return threads


def run_alone(program: Callable[[], Any], **options: Any) -> Any:
    """The answer of a program that has to end by itself."""
    alone = Alone(**options)
    answer = alone.run(program)
    assert alone.kernel.stop_reason is None, alone.kernel.stop_reason
    assert alone.kernel.violations == []
    return answer


def in_loop(coroutine_function: Callable[[], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    """The coroutine alone on the kernel, in an event loop."""
    return run_alone(lambda: asyncio.run(coroutine_function()), **options)


def run_strands(alone, *bodies):
    """Run bodies as strands, and wait for all of them."""

    def program():
        for strand in [alone.kernel.spawn(body, body.__name__) for body in bodies]:
            alone.kernel.join(strand)

    alone.run(program)
