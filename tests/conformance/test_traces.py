"""Whatever the real server was seen to do, the fake can do, to the last place in order.

The clients are the real ones, each of the release that was recorded.
"""

import pytest
from recorded import RELEASES, SCHEDULES, session

from race_harness.campaign.resolve import find_client
from race_harness.conformance.labels import labels_of, recorded
from race_harness.conformance.sessions import as_told
from race_harness.workers.pool import Workers

NEWEST = RELEASES[-1]


@pytest.mark.parametrize(
    "version",
    [*(pytest.param(one, marks=pytest.mark.nightly) for one in RELEASES if one != NEWEST), NEWEST],
)
@pytest.mark.index
def test_the_fake_does_what_the_real_server_did(version: str) -> None:
    client = find_client(version, lambda _: None)
    with Workers(client.python, client.adapter, 1) as workers:
        workers.wait_ready()
        for number in (0, 1):
            result, trial = workers.run_whole(SCHEDULES[version, number])
            assert result.void is None
            done = as_told(labels_of(recorded(trial.happenings)))
            assert list(map(str, done)) == list(map(str, session(version, number)))


def test_schedules_are_small() -> None:
    for schedule in SCHEDULES.values():
        assert len(schedule.non_default_fields()) <= 13
        assert schedule.departures() == ()
