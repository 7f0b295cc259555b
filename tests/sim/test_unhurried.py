"""A server whose event loop is busy answers no ping, and the client gives its socket up."""

import pytest

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import Act, Caller, Moment, Schedule, ServerTiming
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial


class OldServer(ReferenceAdapter):
    server_version = "1.16.0"


class NewServer(ReferenceAdapter):
    server_version = "1.16.1"


@pytest.mark.parametrize(
    ("adapter", "acts", "lost_at_s"),
    [
        # Up to 1.16.0 a second `POST /run` keeps the loop busy until the step is over.
        (OldServer, (Act("run", Moment("run-started", after_ms=50)),), [40]),
        (OldServer, (), []),
        (NewServer, (Act("run", Moment("run-started", after_ms=50)),), []),
    ],
)
def test_a_ping_is_answered_when_the_loop_is_free(adapter, acts, lost_at_s):
    schedule = Schedule("test", server=ServerTiming(think_ms=70_000), caller=Caller(acts=acts))
    # The others ask after a silence, and up to 1.16.0 a new subscriber keeps the loop busy, too.
    happenings = run_trial(schedule, adapter("trusts-silence"), UvicornSite()).happenings
    over = next(each.at_ns for each in happenings if each.what == "run-ended")
    lost = [e.at_ns for e in happenings if e.what == "disconnected" and e.at_ns < over]
    assert [round(at_ns / 1e9) for at_ns in lost] == lost_at_s
