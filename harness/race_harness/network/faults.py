"""Faults: what the network does, when the trial reaches a moment that the schedule names."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from race_harness.model.moments import Moments
from race_harness.model.schedule import Fault
from race_harness.model.trace import Happening
from race_harness.network.connection import Connection
from race_harness.network.pipe import MILLISECOND, Clock


class FaultyNetwork(Protocol):
    """What faults strike: its connections, and those that are yet to be made."""

    clock: Clock

    def struck(self, fault: Fault) -> Connection | None: ...

    def names(self, fault: Fault, connection: Connection) -> bool: ...

    def by_peer(self, peer: int) -> Connection | None: ...

    def refuse(self, fault: Fault, until_ns: int) -> None: ...


class Faults:
    """Strikes at the moments of the schedule's faults."""

    def __init__(self, network: FaultyNetwork, moments: Moments, faults: Sequence[Fault]) -> None:
        self._clock = network.clock
        self._network = network
        self._rejections: list[Fault] = []
        for fault in faults:
            moments.when(fault.at, partial(self._clock.do, partial(self._plan, fault)))
        if any(fault.action == "reject" for fault in faults):
            self._clock.trace.listeners.append(self._notice)

    def _plan(self, fault: Fault) -> None:
        if fault.at.after_ms:
            at_ns = self._clock.now_ns + round(fault.at.after_ms * MILLISECOND)
            self._clock.call_at(at_ns, lambda: self._strike(fault))
        else:
            self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        until_ns = self._clock.now_ns + round(fault.for_ms * MILLISECOND)
        if fault.action == "refuse":
            self._record(fault, for_ms=fault.for_ms)
            self._network.refuse(fault, until_ns)
            return
        if fault.action == "reject":
            self._rejections.append(fault)
            return
        connection = self._network.struck(fault)
        if connection is None:
            return
        if fault.action == "close":
            self._close(connection, fault)
            return
        self._record(fault, peer=connection.peer)
        if fault.action == "reset":
            connection.reset()
        elif fault.action == "half-open":
            connection.up.drop()
            connection.down.drop()
        else:
            connection.up.stall(until_ns)
            connection.down.stall(until_ns)

    def _notice(self, happening: Happening) -> None:
        if happening.what == "subscribed":
            self._clock.do(partial(self._subscribed, happening.detail["peer"]))

    def _subscribed(self, peer: int) -> None:
        connection = self._network.by_peer(peer)
        for fault in self._rejections:
            if connection is not None and self._network.names(fault, connection):
                self._rejections.remove(fault)
                self._close(connection, fault)
                return

    def _close(self, connection: Connection, fault: Fault) -> None:
        self._record(fault, peer=connection.peer, code=fault.code)
        connection.close(fault.code)

    def _record(self, fault: Fault, **detail: Any) -> None:
        self._clock.trace.record(
            "network", "fault", action=fault.action, link=fault.link, **detail
        )
