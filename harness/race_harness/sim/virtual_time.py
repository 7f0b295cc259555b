"""Clocks and sleeps: virtual in a trial, real outside.

Every trial begins at the same instant. CPU clocks give the virtual time since then, which is the
same in each trial; they do not leave out the time that a thread waits.
"""

import ctypes
import datetime
import gc
import time
from collections.abc import Callable
from typing import Any, Final

from race_harness.sim import kernel as kernels
from race_harness.sim.kernel import SECOND

EPOCH_S: Final = 1_767_225_600
"""2026-01-01T00:00:00Z, when every trial begins by its own clock."""
MONOTONIC_S: Final = 1_000
"""What `time.monotonic()` says when a trial begins."""

_STARTS_S: Final = {
    "time": EPOCH_S,
    "monotonic": MONOTONIC_S,
    "perf_counter": MONOTONIC_S,
    "process_time": 0,
    "thread_time": 0,
}
"""The clocks of `time`, each with its reading in seconds when a trial begins."""

_IDS: Final = {
    getattr(time, f"CLOCK_{name}"): start_s
    for name, start_s in {
        "REALTIME": EPOCH_S,
        "MONOTONIC": MONOTONIC_S,
        "MONOTONIC_RAW": MONOTONIC_S,
        "BOOTTIME": MONOTONIC_S,
        "PROCESS_CPUTIME_ID": 0,
        "THREAD_CPUTIME_ID": 0,
    }.items()
    if hasattr(time, f"CLOCK_{name}")
}
"""The same for `time.clock_gettime()`, by clock id."""


def _clock(name: str, start_ns: int) -> dict[str, Callable[..., Any]]:
    real, real_ns = getattr(time, name), getattr(time, f"{name}_ns")

    def seconds() -> Any:
        kernel = kernels.active
        return real() if kernel is None else (start_ns + kernel.read_clock()) / SECOND

    def nanoseconds() -> Any:
        kernel = kernels.active
        return real_ns() if kernel is None else start_ns + kernel.read_clock()

    return {name: seconds, f"{name}_ns": nanoseconds}


def _sleep(real: Callable[[float], None]) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        kernel = kernels.active
        if kernel is None:
            real(seconds)
        elif seconds < 0:
            raise ValueError("sleep length must be non-negative")
        else:
            kernel.block("sleep", kernel.after(seconds))

    return sleep


def _clock_gettime(real: Callable[[int], Any], per_second: int) -> Callable[[int], Any]:
    def gettime(clock: int, /) -> Any:
        kernel = kernels.active
        if kernel is None or clock not in _IDS:
            return real(clock)
        now_ns = _IDS[clock] * SECOND + kernel.read_clock()
        return now_ns if per_second == SECOND else now_ns / SECOND

    return gettime


def _of_now(real: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes seconds since the epoch and, without them, the present."""

    def told(seconds: float | None = None, /) -> Any:
        return real(time.time() if seconds is None else seconds)

    return told


def _of_now_struct(real: Callable[..., Any], leading: int) -> Callable[..., Any]:
    """A function whose last argument is a `struct_time` and, without it, the present."""

    def told(*args: Any) -> Any:
        return real(*args) if len(args) > leading else real(*args, time.localtime())

    return told


def loop_time(real: Callable[[Any], float]) -> Callable[[Any], float]:
    """The clock of an event loop, straight from the kernel: loops ask several times a turn."""
    start_ns = MONOTONIC_S * SECOND

    def of_loop(loop: Any) -> float:
        kernel = kernels.active
        return real(loop) if kernel is None else (start_ns + kernel.read_clock()) / SECOND

    return of_loop


STAND_INS: Final[dict[str, Callable[..., Any]]] = {
    name: function
    for clock, start_s in _STARTS_S.items()
    for name, function in _clock(clock, start_s * SECOND).items()
} | {
    "sleep": _sleep(time.sleep),
    "clock_gettime": _clock_gettime(time.clock_gettime, 1),
    "clock_gettime_ns": _clock_gettime(time.clock_gettime_ns, SECOND),
    "localtime": _of_now(time.localtime),
    "gmtime": _of_now(time.gmtime),
    "ctime": _of_now(time.ctime),
    "asctime": _of_now_struct(time.asctime, 0),
    "strftime": _of_now_struct(time.strftime, 1),
}
"""By their names in `time`."""

_REAL_NOW: Final = datetime.datetime.__dict__["now"]
_REAL_UTCNOW: Final = datetime.datetime.__dict__["utcnow"]
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _moment(kernel: kernels.Kernel) -> datetime.datetime:
    """The present, in UTC."""
    now_us = (EPOCH_S * SECOND + kernel.read_clock()) // 1_000
    return _EPOCH + datetime.timedelta(microseconds=now_us)


def _as(cls: type[datetime.datetime], at: datetime.datetime) -> datetime.datetime:
    if cls is datetime.datetime:
        return at
    return cls(
        *(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, at.tzinfo),
        fold=at.fold,
    )


def _now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
    kernel = kernels.active
    if kernel is None:
        return _REAL_NOW.__get__(None, cls)(tz)  # type: ignore[no-any-return]
    at = _moment(kernel)
    # Without a zone, `now()` gives local time.
    return _as(cls, at.astimezone().replace(tzinfo=None) if tz is None else at.astimezone(tz))


def _utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
    kernel = kernels.active
    if kernel is None:
        return _REAL_UTCNOW.__get__(None, cls)()  # type: ignore[no-any-return]
    return _as(cls, _moment(kernel).replace(tzinfo=None))


def install_dates() -> None:
    """Make `datetime.now()` and `utcnow()` ask for the time of a trial.

    They ask the system in C, and many modules hold the class, so this changes the class's own
    dictionary. `today()`, of dates too, asks `time.time()`.
    """
    (entries,) = (
        each for each in gc.get_referents(datetime.datetime.__dict__) if isinstance(each, dict)
    )
    entries["now"] = classmethod(_now)
    entries["utcnow"] = classmethod(_utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
