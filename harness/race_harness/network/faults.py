"""Faults: what the network does when the trial reaches a moment that the schedule names."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from race_harness.model.moments import Moments
from race_harness.model.schedule import Fault, LinkKind
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
        for index, fault in enumerate(faults):
            moments.when_there(fault.at, partial(self._come, fault, index))
        if any(fault.action == "reject" for fault in faults):
            self._clock.trace.listeners.append(self._notice)

    def _come(self, fault: Fault, index: int, peer: int | None) -> None:
        self._clock.do(partial(self._plan, fault, index, peer))

    def _plan(self, fault: Fault, index: int, peer: int | None) -> None:
        if fault.at.after_ms:
            at_ns = self._clock.now_ns + round(fault.at.after_ms * MILLISECOND)
            self._clock.call_at(at_ns, lambda: self._strike(fault, index, peer))
        else:
            self._strike(fault, index, peer)

    def _strike(self, fault: Fault, index: int, peer: int | None) -> None:
        # The number of the fault gives its moment. Other faults are recorded as they always were.
        which: dict[str, Any] = {"fault": index} if fault.at.of_wire else {}
        until_ns = self._clock.now_ns + round(fault.for_ms * MILLISECOND)
        if fault.action == "refuse":
            self._record(fault.action, fault.link, for_ms=fault.for_ms, **which)
            self._network.refuse(fault, until_ns)
            return
        if fault.action == "reject":
            self._rejections.append(fault)
            return
        connection = self._struck(fault, peer)
        if connection is None:
            return
        if fault.action == "close":
            self._close(connection, fault, which)
            return
        if fault.way != "both":
            which["way"] = fault.way
            # Its length distinguishes it from a stall for good.
            which |= {"for_ms": fault.for_ms} if fault.action == "stall" else {}
        self._record(fault.action, connection.kind or fault.link, peer=connection.peer, **which)
        if fault.action == "reset":
            connection.reset()
            return
        if fault.action == "interject":
            connection.interject()
            return
        ways = {"up": [connection.up], "down": [connection.down]}
        for pipe in ways.get(fault.way, [connection.up, connection.down]):
            if fault.action == "half-open":
                pipe.drop()
            else:
                pipe.stall(until_ns)

    def _struck(self, fault: Fault, peer: int | None) -> Connection | None:
        if not fault.there:
            return self._network.struck(fault)
        connection = None if peer is None else self._network.by_peer(peer)
        return connection if connection is not None and connection.alive else None

    def _notice(self, happening: Happening) -> None:
        if happening.what == "subscribed":
            self._clock.do(partial(self._subscribed, happening.detail["peer"]))

    def _subscribed(self, peer: int) -> None:
        connection = self._network.by_peer(peer)
        for fault in self._rejections:
            if connection is not None and self._network.names(fault, connection):
                self._rejections.remove(fault)
                self._close(connection, fault, {})
                return

    def _close(self, connection: Connection, fault: Fault, which: dict[str, Any]) -> None:
        kind = connection.kind or fault.link
        self._record(fault.action, kind, peer=connection.peer, code=fault.code, **which)
        connection.close(fault.code)

    def _record(self, action: str, link: LinkKind, **detail: Any) -> None:
        self._clock.trace.record("network", "fault", action=action, link=link, **detail)
