"""`race soak` as people and CI call it."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cli_rig import RACE, Pools, Race, error_of

from race_harness.model.failure import Failure
from race_harness.model.verdict import TrialResult
from race_harness.soak.plan import Plan, PlannedClient, Shard
from race_harness.store.series import Series
from race_harness.store.store import Store

SMALL = ["soak", "reference:eager", "--scenario", "clean", "--jobs", "1"]


def trials(path: Path) -> list[tuple[object, ...]]:
    with Store(path, must_exist=True) as store:
        return store.execute(
            "SELECT scenario, position, number, verdicts, digest, void FROM trials "
            "JOIN series ON series.id = series ORDER BY scenario, position, number"
        ).fetchall()


@pytest.mark.slow
def test_with_one_scenario_it_tells_what_a_comparison_tells(
    race: Race, pools: Pools, tmp_path: Path
) -> None:
    asked = [*SMALL, "--reps", 12, "--seed", 5]
    soaked = race(*asked, "--record", "soak.db", "--json", "soak.json")
    assert soaked.returncode == 1
    with pools.lending():
        race("compare", *asked[1:], "--record", "compare.db", "--json", "compare.json")
    assert trials(tmp_path / "soak.db") == trials(tmp_path / "compare.db")
    told, compared = (
        json.loads((tmp_path / name).read_text()) for name in ("soak.json", "compare.json")
    )
    for document in (told, compared):
        for client in document["clients"]:
            del client["wall_ms"], client["trials_per_s"]
    assert compared == {key: told[key] for key in compared}
    assert told["scenarios"][0]["decisions"][0]["decision"] is None
    # And says it, with how to see the first failure again.
    assert "0 / 12 = 0.0 %" in soaked.stdout
    replay = next(line for line in soaked.stdout.splitlines() if "race replay" in line)
    assert Failure.read(tmp_path / replay.split()[-1]).judgement.headline != "ok"

    # The same again is no regression, and a client that once passed has regressed.
    again = [*asked, "--record", "soak.db", "--markdown"]
    # A rate that is let pass is no failure.
    same = race(*again, "--baseline", told["campaign"][:8], "--fail-under", 0)
    assert same.returncode == 0
    assert "no worse" in same.stdout
    with Store(tmp_path / "good.db") as store:
        series = store.campaign("soak", {}, name="good").series(
            Series(0, "reference:eager", "0.0.9", "sim", "fake", "", "clean", 5, drawn=True)
        )
        for number in range(12):
            series.trial(TrialResult(number, ("ok",), f"{number}", 1.0, 1.0))
    worse = race(*again, "--baseline", "good.db", "--json", "worse.json")
    assert worse.returncode == 5
    assert "REGRESSED: pass rate, 100.0 points less, McNemar exact p = 2.4e-04" in worse.stdout
    (found,) = json.loads((tmp_path / "worse.json").read_text())["scenarios"][0]["regressions"]
    assert found["client"] == "reference:eager"


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_where_it_was(
    race: Race, pools: Pools, tmp_path: Path
) -> None:
    """Killed twice, each time after some trials; the third call brings what is missing.

    Then it tells what a comparison tells that was not killed, as a soak does by the test above.
    """
    asked = ["reference", "reference:eager", "--scenario", "clean", "--reps", "40"]
    arguments = ["soak", *asked, "--no-confirm"]
    torn, whole = tmp_path / "torn.db", tmp_path / "whole.db"
    coin = random.Random(1832)
    there = 0
    for attempt in range(2):
        resume = ["--resume"] if attempt else []
        process = subprocess.Popen(
            [*RACE, *arguments, *resume, "--record", str(torn)],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        enough = there + coin.randrange(5, 20)
        while process.poll() is None and count(torn) < enough:
            time.sleep(0.01)
        assert process.poll() is None, "it was over too soon"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        there = len(trials(torn))
        assert enough <= there < 80
    resumed = race(*arguments, "--resume", "--record", torn, "--json", "torn.json")
    assert resumed.returncode == 1
    with pools.lending():
        race("compare", *asked, "--record", whole, "--json", "whole.json")
    assert trials(torn) == trials(whole)
    with Store(torn) as store:
        assert store.execute("SELECT ending FROM campaigns").fetchall() == [("finished",)]
    first, second = (
        json.loads((tmp_path / name).read_text())["clients"]
        for name in ("torn.json", "whole.json")
    )
    assert [one["campaign_digest"] for one in first] == [one["campaign_digest"] for one in second]
    assert [one["first_failure"] for one in first] == [one["first_failure"] for one in second]
    assert "nothing to resume" in error_of(race(*arguments, "--resume", "--record", torn), 2)


def count(path: Path) -> int:
    """Trials in a record that somebody else is writing, or is about to make."""
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader,
    ):
        return int(reader.execute("SELECT count(*) FROM trials").fetchone()[0])
    return 0


@pytest.mark.slow
def test_a_part_goes_on_with_the_campaign_of_all_parts(race: Race, tmp_path: Path) -> None:
    done = race(
        *SMALL, "--reps", 104, "--shard", "2/2", "--name", "tonight", "--record", "part.db"
    )
    assert done.returncode == 1
    assert [row[2] for row in trials(tmp_path / "part.db")] == [100, 101, 102, 103]
    with Store(tmp_path / "part.db") as store:
        ((identity, text),) = store.execute("SELECT id, plan FROM campaigns").fetchall()
    plan = Plan((PlannedClient("reference:eager", "0.1.0"),), ("clean",), reps=104)
    assert Plan.from_dict(json.loads(text)) == plan
    assert identity == replace(plan, shard=Shard(1, 2)).identity("tonight")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say how much: --for 2h, --reps 10000, or --decide"),
        (["--for", "soon"], "--for 'soon' is no time"),
        (["--reps", 1, "--shard", "3/2"], "--shard '3/2' is no part"),
        (["--reps", 1, "--scenario", "nothing"], "no scenario 'nothing'"),
        (["--reps", 1, "--baseline", "nothing"], "no baseline 'nothing'"),
        (["--reps", 1, "--resume"], "nothing to resume"),
        (["--reps", 1, "--markdown", "--json", "-"], "give --json a file"),
        (["--reps", 1, "--fail-under", 2], "--fail-under"),
    ],
)
def test_bad_usage_costs_no_trial(
    race: Race, tmp_path: Path, arguments: list[object], said: str
) -> None:
    done = race("soak", "reference", "--record", tmp_path / "r.db", *arguments)
    assert said in error_of(done, 2)


def test_files_for_tls_go_together(race: Race) -> None:
    asked = ("soak", "reference", "--reps", 1)
    for options in (("--dask-ca", "a"), ("--dask", "tls://127.0.0.1:9", "--dask-cert", "a")):
        assert "go together" in error_of(race(*asked, *options), 2)
