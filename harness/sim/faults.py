"""Faults: what the network does, when the trial reaches a moment that the schedule names."""

import struct
from collections.abc import Sequence
from typing import Any

from harness.moments import Moments
from harness.schedule import Fault
from harness.sim.kernel import MILLISECOND, Kernel
from harness.sim.network import Connection, Network
from harness.trace import Happening


class Faults:
    """Strikes at the moments of the schedule's faults."""

    def __init__(
        self, kernel: Kernel, network: Network, moments: Moments, faults: Sequence[Fault]
    ) -> None:
        self._kernel = kernel
        self._network = network
        self._rejections: list[Fault] = []
        for fault in faults:
            moments.when(fault.at, lambda fault=fault: self._plan(fault))  # type: ignore[misc]
        if any(fault.action == "reject" for fault in faults):
            kernel.trace.listeners.append(self._reject)

    def _plan(self, fault: Fault) -> None:
        if fault.at.after_ms:
            at_ns = self._kernel.now_ns + round(fault.at.after_ms * MILLISECOND)
            self._kernel.call_at(at_ns, lambda: self._strike(fault))
        else:
            self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        until_ns = self._kernel.now_ns + round(fault.for_ms * MILLISECOND)
        if fault.action == "refuse":
            self._record(fault, for_ms=fault.for_ms)
            self._network.refuse(fault.link, until_ns)
            return
        if fault.action == "reject":
            self._rejections.append(fault)
            return
        connection = self._network.newest(fault.link)
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

    def _reject(self, happening: Happening) -> None:
        if happening.what != "subscribed" or not self._rejections:
            return
        connection = self._network.by_peer(happening.detail["peer"])
        if connection is not None:
            self._close(connection, self._rejections.pop(0))

    def _close(self, connection: Connection, fault: Fault) -> None:
        """As a proxy or load balancer does: it says goodbye to both sides and hangs up."""
        self._record(fault, peer=connection.peer, code=fault.code)
        connection.down.send(close_frame(fault.code, masked=False))
        connection.up.send(close_frame(fault.code, masked=True))
        connection.down.finish()
        connection.up.finish()
        connection.alive = False

    def _record(self, fault: Fault, **detail: Any) -> None:
        self._kernel.trace.record(
            "network", "fault", action=fault.action, link=fault.link, **detail
        )


def close_frame(code: int, *, masked: bool) -> bytes:
    """A WebSocket close frame without a reason (RFC 6455, sections 5.2 and 5.5.1).

    The mask of zeros that a client's frame gets here is a legal one.
    """
    payload = struct.pack("!H", code)
    if masked:
        return bytes([0x88, 0x80 | len(payload)]) + bytes(4) + payload
    return bytes([0x88, len(payload)]) + payload
