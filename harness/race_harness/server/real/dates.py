"""The server's clock: `datetime` in the modules of the server and its SDK.

`datetime.now()` asks the system in C, out of reach of every patch on `time`. Its stand-in asks
`time.time_ns()`, which is virtual in a simulated trial.
"""

import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _AnyDatetime(type(datetime)):  # type: ignore[misc]
    """What the real class made is an instance, too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class ServerDatetime(datetime, metaclass=_AnyDatetime):
    """`datetime` with a clock that may be coarse, and otherwise never says the same twice."""

    resolution_us = 0
    _last_us = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        moment = _EPOCH + timedelta(microseconds=cls._tick())
        # Like a server whose local time is UTC.
        return moment.astimezone(tz) if tz is not None else moment.replace(tzinfo=None)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now()

    @classmethod
    def _tick(cls) -> int:
        now_us = time.time_ns() // 1000
        if cls.resolution_us:
            return now_us - now_us % cls.resolution_us
        # In virtual time much happens at one instant; a real clock tells events apart.
        ServerDatetime._last_us = max(now_us, ServerDatetime._last_us + 1)
        return ServerDatetime._last_us

    @classmethod
    def start(cls, clock_ms: float) -> None:
        """At the begin of a trial; `clock_ms` is the resolution of the clock, 0 for the finest."""
        ServerDatetime.resolution_us = round(clock_ms * 1000)
        ServerDatetime._last_us = 0


def install() -> None:
    """Put the stand-in into every module of the server and the SDK that holds the real class."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "openhands":
            for attribute, value in list(vars(module).items()):
                if value is datetime:
                    setattr(module, attribute, ServerDatetime)
