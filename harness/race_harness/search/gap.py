"""The gap of a schedule: by how much its times may change without changing its verdict.

A verdict depends on which of two things is first. In the simulation one nanosecond can decide
that; on a machine, where every act takes some time, it may turn out the other way. A schedule has
a *gap* if its verdict stays the same while its times change by up to that much. Large changes do
not cover small ones: if a thing fits between two others for only a millisecond, it may be too
early now and too late after a large change, and only a small change puts it in between.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from race_harness.model.paths import put
from race_harness.model.schedule import Schedule
from race_harness.search.times import moved, times_of

SCALES: Final = (1.0, 0.1, 0.01)
"""The sizes of the changes in neighbours in which all times differ at once, as shares of the
gap."""
TOGETHER: Final = 10
"""How many neighbours there are at each scale. They are a sample, which may miss a narrow
window."""

_MACHINE_MS: Final = {
    "start_ms": 20.0,
    "think_ms": 5.0,
    "tool_ms": 5.0,
    "persist_ms": 10.0,
    "publish_ms": 5.0,
    "snapshot_ms": 10.0,
}
"""How much longer a real server on a busy machine takes for each of its acts."""
_LOOPBACK_MS: Final = 5.0
"""How much longer a request takes, each way."""


def neighbours(schedule: Schedule, gap_ms: float) -> Iterator[Schedule]:
    """Yield schedules whose times differ from this one's by the gap at most, the likeliest to
    matter first.

    First comes the schedule with all that a machine adds; then all times at once, each up or down
    at random, with other entropy; then every single time by the whole gap, up and down. No time is
    below zero. The same schedule always gives the same neighbours.
    """
    times = dict(times_of(schedule))
    yield _on_machine(schedule)
    for number, scale in enumerate(SCALES * TOGETHER):
        coin = random.Random(f"{schedule.entropy} {number}")
        other = schedule
        for path, value in times.items():
            by_ms = coin.choice((-1, 1)) * gap_ms * scale * (coin.random() if scale < 1 else 1.0)
            other = put(other, path, moved(path, value, by_ms))
        yield replace(other, entropy=coin.getrandbits(62))
    for path, value in times.items():
        for by_ms in (gap_ms, -gap_ms):
            to = moved(path, value, by_ms)
            if to != value:
                yield put(schedule, path, to)


def _on_machine(schedule: Schedule) -> Schedule:
    server, rest = schedule.server, schedule.network.rest
    slower = {name: getattr(server, name) + by_ms for name, by_ms in _MACHINE_MS.items()}
    link = replace(rest, latency_ms=rest.latency_ms + _LOOPBACK_MS)
    return replace(
        schedule,
        server=replace(server, **slower),
        network=replace(schedule.network, rest=link),
    )
