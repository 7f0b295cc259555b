"""The proxy in front of an application, which spoils the requests that the schedule names."""

from starlette.types import ASGIApp, Receive, Scope, Send

from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.network.dialect import Dialect
from race_harness.server.handover import Handover
from race_harness.server.rest_faults import RestFaults, SpoilingProxy


class RestProxy:
    """Wraps the application of one trial. `dialect` knows the names of its routes."""

    def __init__(self, app: ASGIApp, schedule: Schedule, trace: Trace, dialect: Dialect) -> None:
        self._app = app
        self._faults = RestFaults(schedule.rest, trace)
        self._dialect = dialect

    def keep(self, handover: Handover) -> None:
        """Go on where a process before this one has stopped; see `server.Persistent`."""
        self._faults.keep(handover)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            app = spoiled(
                app, self._faults, scope, self._dialect.route(scope["method"], scope["path"])
            )
        await app(scope, receive, send)


def spoiled(app: ASGIApp, faults: RestFaults, scope: Scope, route: str) -> ASGIApp:
    """Return the application for one request, which spoils the request if it is to have a
    fault."""
    fault = faults.of_request(route)
    if fault is None:
        return app
    client = scope.get("client")
    faults.record(fault, client[1] if client else 0)
    return SpoilingProxy(app, fault)
