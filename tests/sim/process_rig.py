"""What the tests of a server's process share."""

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import (
    Schedule,
    ServerTiming,
)
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial


def trial(*events, **more):
    schedule = Schedule("test", server=ServerTiming(process=events), **more)
    return run_trial(schedule, ReferenceAdapter(), UvicornSite())


def times(trial, lane, what):
    return [h.at_ns / 1e9 for h in trial.happenings if (h.lane, h.what) == (lane, what)]


def run_by(version, schedule, bug="none"):
    adapter = ReferenceAdapter(bug)
    adapter.server_version = version
    return run_trial(schedule, adapter, UvicornSite())
