"""race-harness: deterministic race reproduction for clients that mix REST and a WebSocket.

Import from here; everything below is private and may change in any release. The names are loaded
when they are first used, so importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from race_harness.model.supported import complaint
from race_harness.model.version import __version__

if TYPE_CHECKING:
    from race_harness.clients import Adapter, Client, SeenEvent
    from race_harness.model.errors import (
        ClientUnavailable,
        HarnessError,
        UsageError,
        WorldBroken,
    )
    from race_harness.model.scenario import Scenario
    from race_harness.model.schedule import Schedule
    from race_harness.model.trace import Trace
    from race_harness.network.dialect import Dialect
    from race_harness.server import Server
    from race_harness.server.rest_proxy import RestProxy
    from race_harness.testing import assert_schedule_passes


__all__ = [
    "Adapter",
    "Client",
    "ClientUnavailable",
    "Dialect",
    "HarnessError",
    "RestProxy",
    "Scenario",
    "Schedule",
    "SeenEvent",
    "Server",
    "Trace",
    "UsageError",
    "WorldBroken",
    "__version__",
    "assert_schedule_passes",
]

_MODULES: Final = {
    "Adapter": "clients",
    "Client": "clients",
    "ClientUnavailable": "model.errors",
    "Dialect": "network.dialect",
    "HarnessError": "model.errors",
    "RestProxy": "server.rest_proxy",
    "Scenario": "model.scenario",
    "Schedule": "model.schedule",
    "SeenEvent": "clients",
    "Server": "server",
    "Trace": "model.trace",
    "UsageError": "model.errors",
    "WorldBroken": "model.errors",
    "assert_schedule_passes": "testing",
}


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562). Raises ImportError: it is not for this machine."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if (says := complaint()) is not None:
        raise ImportError(says)
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
