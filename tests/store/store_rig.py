"""Records to be put together, exported, and looked into."""

import json
from pathlib import Path
from typing import Any

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement, TrialResult
from race_harness.store.series import Series
from race_harness.store.store import Store

SERIES = Series(0, "1.10.0", "1.10.0", "sim", "fake", "", "final-events", 7, drawn=True)


def trial(number: int, digest: str | None = None) -> TrialResult:
    return TrialResult(number, ("late",), digest or f"d{number}", 1.5, 12.0)


def failure(digest: str) -> Failure:
    says = "3 events persisted before run() returned"
    return Failure(
        schedule=Schedule("final-events"),
        judgement=Judgement(("late",), (Evidence("late", says, ({"id": "4"},)),)),
        digest=digest,
        client="1.10.0",
        resolved_version="1.10.0",
        server="fake",
        world="sim",
        happenings=({"at_ms": 0.0, "lane": "client", "what": "run-called"},),
        stacks={},
    )


def shard(path: Path, *trials: TrialResult, series: Series = SERIES, ended: bool = True) -> Path:
    """A record with these trials of one and the same campaign, the first failure kept whole."""
    with Store(path) as store:
        campaign = store.campaign("soak", {"reps": 6}, identity="one plan")
        record = campaign.series(series)
        for each in trials:
            record.trial(each)
        record.failure(failure(trials[0].digest), Path("late.json"))
        if ended:
            campaign.end()
    return path


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that a record says, without the numbers that its rows have there."""
    asked = {
        "campaigns": "SELECT campaigns.id, command, plan, began, ended, ending, python "
        "FROM campaigns JOIN environments ON environments.id = environment ORDER BY campaigns.id",
        "trials": "SELECT campaign, client, scenario, world, drawn, number, digest, verdicts, "
        "virtual_s, wall_ms, void, schedule FROM trials JOIN series ON series.id = series "
        "ORDER BY campaign, position, world, server, scenario, drawn, number",
        "failures": "SELECT campaign, scenario, number, cause, path, document FROM failures "
        "JOIN series ON series.id = series ORDER BY campaign, scenario, number",
    }
    with Store(path, must_exist=True) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store.execute("PRAGMA foreign_key_check").fetchall() == []
        return {name: store.execute(sql).fetchall() for name, sql in asked.items()}


def confirmed(document: str) -> list[str]:
    return list(json.loads(document)["confirmed"])
