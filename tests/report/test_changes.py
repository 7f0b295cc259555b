"""What is worse than in a baseline, and that what is not stays unsaid."""

from dataclasses import replace

import pytest
from report_rig import fill, series, trials

from race_harness.model.errors import UsageError
from race_harness.report.changes import changes
from race_harness.store.store import Store


def test_a_client_that_fails_more_often_is_told_and_one_that_does_not_is_not() -> None:
    with Store(None) as store:
        for night, failed in (("monday", 0), ("tuesday", 60)):
            campaign = store.campaign("soak", {}, name=night)
            # All take the same time.
            timed = [replace(one, virtual_s=1.0) for one in trials(100 - failed, failed)]
            fill(campaign, series("1.9.0", "final-events"), timed)
            fill(campaign, series("1.10.0", "final-events"), trials(100))
        found = changes(store, "monday")
        assert found.baseline == "monday"
        (worse,) = found.regressions
        assert (worse.kind, worse.client, worse.scenario) == ("pass rate", "1.9.0", "final-events")
        assert worse.before == "100 / 100 = 100.0 % (1.9.0)"
        assert worse.after == "40 / 100 = 40.0 %"
        assert worse.p < 1e-9
        # Better is no regression.
        assert changes(store, "tuesday", "monday").regressions == ()
        with pytest.raises(UsageError, match="no baseline 'sunday'"):
            changes(store, "sunday")
