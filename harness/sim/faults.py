"""Faults: what the network does, when the trial reaches a moment that the schedule names."""

import struct
from collections import Counter

from harness.schedule import Fault
from harness.sim.kernel import MILLISECOND, Kernel
from harness.sim.network import Network
from harness.trace import Happening

MOMENTS = {
    ("client", "run-called"): "run-called",
    ("server", "run-requested"): "run-requested",
    ("server", "run-started"): "run-started",
    ("server", "run-ended"): "run-ended",
    ("server", "persisted"): "persisted",
    ("server", "snapshot"): "snapshot-sent",
    ("socket", "frame-sent"): "frame-sent",
    ("socket", "subscribed"): "subscribed",
}
"""Lane and name of a happening, to the name that schedules use for it."""


class Faults:
    """Listens to the trace and strikes at the moments of the schedule's faults."""

    def __init__(self, kernel: Kernel, network: Network, faults: tuple[Fault, ...]) -> None:
        self._kernel = kernel
        self._network = network
        self._faults = faults
        self._seen: Counter[str] = Counter()
        self._run_requests: set[int] = set()
        if faults:
            kernel.trace.listeners.append(self._notice)

    def _notice(self, happening: Happening) -> None:
        moment = self._moment(happening)
        if moment is None:
            return
        self._seen[moment] += 1
        for fault in self._faults:
            if fault.at.what == moment and fault.at.nth == self._seen[moment]:
                if fault.at.after_ms:
                    at_ns = self._kernel.now_ns + round(fault.at.after_ms * MILLISECOND)
                    self._kernel.call_at(at_ns, lambda fault=fault: self._strike(fault))  # type: ignore[misc]
                else:
                    self._strike(fault)

    def _moment(self, happening: Happening) -> str | None:
        if happening.lane == "rest":
            number = happening.detail.get("number", 0)
            if happening.what == "request" and happening.detail["route"] == "POST run":
                self._run_requests.add(number)
            answered = happening.what == "answer" and number in self._run_requests
            return "run-answered" if answered else None
        return MOMENTS.get((happening.lane, happening.what))

    def _strike(self, fault: Fault) -> None:
        connection = self._network.newest(fault.link)
        if connection is None:
            return
        self._kernel.trace.record(
            "network", "fault", action=fault.action, link=fault.link, peer=connection.peer
        )
        if fault.action == "reset":
            connection.reset()
        elif fault.action == "half-open":
            connection.up.drop()
            connection.down.drop()
        elif fault.action == "stall":
            until_ns = self._kernel.now_ns + round(fault.for_ms * MILLISECOND)
            connection.up.stall(until_ns)
            connection.down.stall(until_ns)
        else:
            # As a proxy or load balancer does: it says goodbye to both sides and hangs up.
            connection.down.send(close_frame(fault.code, masked=False))
            connection.up.send(close_frame(fault.code, masked=True))
            connection.down.finish()
            connection.up.finish()
            connection.alive = False


def close_frame(code: int, *, masked: bool) -> bytes:
    """A WebSocket close frame without a reason (RFC 6455, sections 5.2 and 5.5.1).

    The mask of zeros that a client's frame gets here is a legal one.
    """
    payload = struct.pack("!H", code)
    if masked:
        return bytes([0x88, 0x80 | len(payload)]) + bytes(4) + payload
    return bytes([0x88, len(payload)]) + payload
