"""One trial in real time, seen from the worker that wants it."""

import shutil
import tempfile
from functools import cache, partial
from typing import Final

from race_harness.clients import Adapter
from race_harness.model.errors import WorldBroken
from race_harness.model.limits import own_delays_ns, work_s
from race_harness.model.schedule import Schedule
from race_harness.network.site import UvicornSite
from race_harness.realtime.processes import fork
from race_harness.realtime.trial_process import START_S, STOP_S, Played, play, played_of

LIMIT_S: Final = 120.0
"""Wall seconds that a trial may take beyond its settle time, the agent's work, callbacks and what
its faults delay. A client's own timeouts are 30 s as a rule."""

_PATIENCE_S: Final = 30.0
"""Wall seconds for everything else, after which a trial process counts as dead."""


def play_trial(schedule: Schedule, adapter: Adapter, *, limit_s: float | None = None) -> Played:
    """Play one trial over real sockets, in wall-clock time, against the adapter's server.

    It runs in processes forked from this one, which must have no threads that the trial needs and
    should have imported everything. This world must be able to do the schedule: nothing of
    `interleaving`, no fault `refuse`. Several processes may do this at once.

    `limit_s` replaces the limit in wall seconds that is right for the schedule.

    The `digest` is of the order of happenings and need not repeat; their times are real.

    Raises:
        NotPlayed: it cannot do the schedule, as has turned out.
        WorldBroken: the server, or the harness itself, failed; there is no verdict then.
    """
    site = _site()
    limit_s = _limit_s(schedule) if limit_s is None else limit_s
    home = tempfile.mkdtemp(prefix="race-")
    try:
        child = fork(partial(play, schedule, adapter, site, home, limit_s), leads_group=True)
        try:
            if not child.line.waits(START_S + limit_s + STOP_S + _PATIENCE_S):
                raise WorldBroken(
                    "the trial process does not end: none of its threads gets to run"
                )
            played = played_of(child.line.receive())
            child.end(_PATIENCE_S)
        except EOFError:
            child.end(_PATIENCE_S)
            raise WorldBroken(f"the trial process died, status {child.status}") from None
        finally:
            child.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return played


def _limit_s(schedule: Schedule) -> float:
    caller = schedule.caller
    own_s = own_delays_ns(schedule) / 1e9 + caller.pause_ms / 1e3
    looks_s = caller.runs * caller.looks_again_s
    return LIMIT_S + caller.settle_s + work_s(schedule) + own_s + looks_s


@cache
def _site() -> UvicornSite:
    """Loading its configuration is slow: once a process, before it forks."""
    return UvicornSite()
