"""The reference client passes schedules that it, or the oracle, once got wrong, or would without
being told how long narrow links were busy.

Most were found by running all families of faults together; `hard_schedules.json` has them by name.
"""

import json
from pathlib import Path

import pytest

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import passes
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial

HARD = json.loads(Path(__file__).with_name("hard_schedules.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def site() -> UvicornSite:
    return UvicornSite()


@pytest.mark.parametrize("name", HARD)
def test_it_passes_a_hard_schedule(name: str, site: UvicornSite) -> None:
    schedule = Schedule.from_dict({"scenario": name, **HARD[name]})
    judgement = run_trial(schedule, ReferenceAdapter(), site).judgement
    assert judgement is not None
    assert passes(judgement.verdicts), [each.says for each in judgement.evidence]
