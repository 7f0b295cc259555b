"""Which campaign is gone on with, and what is said if there is none."""

from dataclasses import replace

import pytest
from soak_rig import PLAN

from race_harness.model.errors import UsageError
from race_harness.soak.plan import PlannedClient
from race_harness.soak.resume import find_unfinished
from race_harness.store.store import Store


def test_the_newest_unfinished_one_of_this_plan_is_meant() -> None:
    with Store(None) as store:
        first, second, other, done = (
            store.campaign("soak", plan.to_dict(), name=name, identity=name)
            for name, plan in (
                ("first", PLAN),
                ("second", PLAN),
                ("other", replace(PLAN, seed=9)),
                ("done", PLAN),
            )
        )
        store.campaign("run", PLAN.to_dict())
        for began, campaign in enumerate((first, second, other, done)):
            store.execute(
                "UPDATE campaigns SET began = ? WHERE id = ?", (f"2026-0{began + 1}", campaign.id)
            )
        done.end()
        second.end("out of time")
        assert find_unfinished(store, PLAN, None) == "second"
        assert find_unfinished(store, PLAN, "first") == "first"
        with pytest.raises(UsageError, match=r"nothing to resume.*named 'done'"):
            find_unfinished(store, PLAN, "done")


def test_a_client_that_has_moved_on_is_told() -> None:
    then = replace(PLAN, clients=(PlannedClient("latest", "1.58.1"),))
    now = replace(PLAN, clients=(PlannedClient("latest", "1.58.2"),))
    with Store(None) as store:
        store.campaign("soak", then.to_dict())
        with pytest.raises(UsageError, match=r"latest was 1\.58\.1 when .* is 1\.58\.2 now"):
            find_unfinished(store, now, None)


def test_a_harness_that_has_moved_on_is_told() -> None:
    with Store(None) as store:
        store.campaign("soak", PLAN.to_dict())
        store.execute("UPDATE environments SET fingerprint = 'other'")
        with pytest.raises(UsageError, match="the source of race-harness is not what began"):
            find_unfinished(store, PLAN, None)


def test_a_plan_of_another_release_is_passed_over() -> None:
    with Store(None) as store:
        store.campaign("soak", {"clients": "other"})
        with pytest.raises(UsageError, match="nothing to resume"):
            find_unfinished(store, PLAN, None)
