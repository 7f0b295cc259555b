"""A small record, filled by hand as the commands fill it."""

import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement, TrialResult
from race_harness.store.series import Series
from race_harness.store.store import CampaignRecord, Store

HOSTILE = '<script>alert(1)</script><b onclick="alert(1)">&amp;|`*'
"""A client's name, and a scenario's."""

SAYS = "2 events </script><script>alert(2)</script> vanished\x00"

CONFIRMED = Failure.read(Path(__file__).parents[2] / "docs/results/findings/first-snapshot.json")

EARLY = Failure(
    schedule=Schedule("final-events"),
    judgement=Judgement(("early",), (Evidence("early", SAYS, ({"id": "4"},)),)),
    digest="failed",
    client="1.9.0",
    resolved_version="1.9.0",
    server="fake",
    world="sim",
    happenings=(
        {"at_ms": 0.0, "lane": "client", "what": "run-called"},
        {"at_ms": 2.0, "lane": "client", "what": "run-returned"},
    ),
    stacks={},
)


def series(client: str, scenario: str, seed: int = 0, **other: object) -> Series:
    # A place among the clients of a campaign, of its own.
    position = zlib.crc32(client.encode())
    made = Series(position, client, client, "sim", "fake", "", scenario, seed, drawn=True)
    return replace(made, **other)  # type: ignore[arg-type]


def trials(passed: int, failed: int = 0, void: int = 0) -> Iterable[TrialResult]:
    """In this order; each takes as many virtual seconds as its number, and ten wall ms."""
    kinds = [("ok",)] * passed + [("late", "out-of-order")] * failed + [()] * void
    for number, verdicts in enumerate(kinds):
        void = None if verdicts else Void("unreached", "the connection was refused")
        digest = "failed" if "late" in verdicts else f"d{number}"
        yield TrialResult(number, verdicts, digest, float(number), 10.0, void)


def fill(
    campaign: CampaignRecord, of: Series, results: Iterable[TrialResult], *failures: Failure
) -> None:
    record = campaign.series(of)
    for result in results:
        record.trial(result)
    for failure in failures:
        record.failure(failure, Path(f".race/failures/{of.client}.json"))


def searched(campaign: CampaignRecord, of: Series, failure: Failure) -> None:
    record = campaign.series(replace(of, drawn=False))
    result = TrialResult(0, failure.judgement.verdicts, failure.digest, 1.0, 9.0)
    record.next_trial(result, failure.schedule)
    record.failure(failure)


def example(store: Store) -> None:
    """Two nights, the first of which was run twice, and a hunt."""
    for night, seed in (("monday", 1), ("monday again", 1), ("tuesday", 2)):
        campaign = store.campaign("soak", {}, name=night)
        # 1.10.0 comes before 1.9.0 in the alphabet alone.
        fill(campaign, series("1.10.0", "final-events", seed), trials(10))
        failure = [EARLY] if night == "monday" else []
        fill(campaign, series("1.9.0", "final-events", seed), trials(6, 4, 2), *failure)
        fill(campaign, series("1.10.0", "clean", seed), trials(10))
        if night != "monday again":
            campaign.end()
    hunt = store.campaign("hunt", {}, name="hunt")
    searched(hunt, series(CONFIRMED.client, "cut-at-run"), CONFIRMED)
    hunt.end()


def hostile(store: Store) -> None:
    """Every name is markup."""
    campaign = store.campaign("soak", {}, name=HOSTILE)
    bad = replace(EARLY, client=HOSTILE, resolved_version=HOSTILE, schedule=Schedule(HOSTILE))
    fill(campaign, series(HOSTILE, HOSTILE), trials(3, 2), bad)
    campaign.end(HOSTILE)
