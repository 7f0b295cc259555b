"""Wraps an adapter to capture the JSON bodies that its servers send."""

from functools import partial
from typing import Any

from race_harness.clients import (
    Adapter,
    attached,
    dialect_of,
    host_of,
    may_start_processes,
    source_of,
)
from race_harness.conformance.shapes import Bodies, Capture
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.server import Persistent, Restartable, Server


class CapturingAdapter:
    """Captures into `bodies`, unless that is None."""

    def __init__(self, adapter: Adapter) -> None:
        self.version = adapter.version
        self.source = source_of(adapter)
        self.dialect = dialect_of(adapter)
        self.child_processes = may_start_processes(adapter)
        self.connect = adapter.connect
        self.host = host_of(adapter)
        self.attach = partial(attached, adapter)
        self.bodies: Bodies | None = None
        self._adapter = adapter

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        server = self._adapter.serve(schedule, trace)
        return server if self.bodies is None else _Captured(server, self.bodies)


class _Captured:
    def __init__(self, server: Server, bodies: Bodies) -> None:
        assert server.app is not None
        self.app = Capture(server.app, bodies)
        self.aclose: Any = server.aclose
        if isinstance(server, Restartable):
            self.restart: Any = server.restart
        if isinstance(server, Persistent):
            self.keep: Any = server.keep
