"""How long `race report` takes on a record of a million trials.

    uv run python benchmarks/report.py [--trials 1000000]

builds a record of ten releases on twenty scenarios, in five campaigns with some hundreds of
failures, and calls the command. It should take less than 30 seconds. CPU seconds are told as well,
since a machine may have other things to do.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from race_harness.model.failure import Failure
from race_harness.store.series import Series
from race_harness.store.store import Store

RELEASES = [f"1.{minor}.0" for minor in range(40, 50)]
SCENARIOS = [f"scenario-{number:02}" for number in range(20)]
CAMPAIGNS = 5
FAILURES = 400

FINDING = Path(__file__).parents[1] / "docs/results/findings/first-snapshot.json"


def build(path: Path, trials: int) -> None:
    """Fill a record, through its tables where a million calls would take minutes."""
    entropy = np.random.default_rng(7)
    each = trials // (CAMPAIGNS * len(RELEASES) * len(SCENARIOS))
    failure = Failure.read(FINDING)
    began = datetime.now(UTC) - timedelta(days=CAMPAIGNS)
    with Store(path) as store:
        kept = 0
        for night in range(CAMPAIGNS):
            campaign = store.campaign("soak", {}, name=f"night {night}")
            store.execute(
                "UPDATE campaigns SET began = ? WHERE id = ?",
                ((began + timedelta(days=night)).isoformat(), campaign.id),
            )
            for place, release in enumerate(RELEASES):
                for scenario in SCENARIOS:
                    series = campaign.series(
                        Series(place, release, release, "sim", "fake", "", scenario, night, True)
                    )
                    rate = 1.0 if entropy.random() < 0.6 else float(entropy.random())
                    with store.writing():
                        store.connection.executemany(
                            "INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
                            _trials(series.id, each, rate, entropy),
                        )
                        if rate < 1 and kept < FAILURES:
                            found = _variant(failure, release, scenario, kept)
                            document = json.dumps(found.to_dict())
                            store.execute(
                                "INSERT INTO failures (series, number, cause, path, document) "
                                "VALUES (?, 0, ?, ?, ?)",
                                (series.id, found.cause, "f.json", document),
                            )
                            kept += 1
            campaign.end()


def _trials(
    series: int, count: int, rate: float, entropy: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    passed = entropy.random(count) < rate
    virtual_s = entropy.lognormal(0.0, 0.5, count)
    wall_ms = entropy.lognormal(2.5, 0.3, count)
    for number in range(count):
        verdicts = "ok" if passed[number] else "early late"
        yield (
            *(series, number, verdicts, f"{series:08x}{number:024x}"),
            *(float(virtual_s[number]), float(wall_ms[number])),
        )


def _variant(failure: Failure, release: str, scenario: str, number: int) -> Failure:
    """One of thirty causes."""
    says = f"what is found in the case of {chr(ord('a') + number % 30)}"
    entry = replace(failure.judgement.evidence[0], fact=says)
    return replace(
        failure,
        client=release,
        resolved_version=release,
        schedule=replace(failure.schedule, scenario=scenario),
        judgement=replace(failure.judgement, evidence=(entry,)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=1_000_000)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as folder:
        record, page = Path(folder) / "record.db", Path(folder) / "report.html"
        began = time.perf_counter()
        build(record, trials)
        print(f"record: {record.stat().st_size / 1e6:.0f} MB, {time.perf_counter() - began:.0f} s")
        command = [sys.executable, "-m", "race_harness.cli", "report", "--record", str(record)]
        began = time.perf_counter()
        subprocess.run([*command, "-o", str(page)], check=True)
        elapsed_s = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"race report on {trials:,} trials: {elapsed_s:.1f} wall s, "
            f"{used.ru_utime + used.ru_stime:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MB; "
            f"page {page.stat().st_size / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
