"""The server's clock: replaces `datetime` in the modules of the server and its SDK.

`datetime.now()` asks the system in C, where no patch of `time` reaches it. The replacement asks
`time.time_ns()`, which is virtual in a simulated trial, and which the schedule may set.
"""

import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from race_harness.model.schedule import ServerTiming
from race_harness.model.trace import Trace
from race_harness.server.wall_clock import WallClock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _AnyDatetime(type(datetime)):  # type: ignore[misc]
    """Instances of the real class count too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class ServerDatetime(datetime, metaclass=_AnyDatetime):
    """`datetime` with the clock of a trial."""

    clock: WallClock

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        moment = _EPOCH + timedelta(microseconds=cls.clock.stamp_us())
        # Like a server whose local time is UTC.
        return moment.astimezone(tz) if tz is not None else moment.replace(tzinfo=None)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now()

    @staticmethod
    def start(timing: ServerTiming, trace: Trace) -> None:
        """Start the clock at the beginning of a trial."""
        ServerDatetime.clock = WallClock(timing, trace, lambda: time.time_ns() // 1000)


class LeaseTime:
    """Replaces `time` in the server's lease module, which stores by it when a lease ends."""

    @staticmethod
    def time() -> float:
        return time.time() + ServerDatetime.clock.ahead_us() / 1e6


def install() -> None:
    """Put the replacements into every module of the server and the SDK that has the real ones."""
    lease: Any = sys.modules.get("openhands.agent_server.conversation_lease")  # from 1.19.1
    if lease is not None:
        lease.time = LeaseTime
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "openhands":
            for attribute, value in list(vars(module).items()):
                if value is datetime:
                    setattr(module, attribute, ServerDatetime)
