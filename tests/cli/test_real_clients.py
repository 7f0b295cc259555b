"""What the whole thing is for: two releases of the real client, told apart.

Their environments are made in the user's own cache; the first time takes a minute and the network.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Pools, Race, call

from race_harness.workers.pool import Workers


@pytest.fixture(scope="module")
def pools(workers: Callable[[str], Workers]) -> Iterator[Pools]:
    """Those of these tests alone: releases take seconds to import, and much memory."""
    with Pools(workers) as pools:
        yield pools


def compare(folder: Path, *options: object) -> list[dict[str, Any]]:
    done = call(folder, "compare", "1.10.0", "1.11.1", "--json", "-", *options)
    assert done.returncode == 0, done.stderr
    clients: list[dict[str, Any]] = json.loads(done.stdout)["clients"]
    assert [client["resolved_version"] for client in clients] == ["1.10.0", "1.11.1"]
    return clients


@pytest.fixture(scope="module")
def delayed(
    pools: Pools, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    """Folder and numbers of a comparison."""
    folder = tmp_path_factory.mktemp("delayed")
    with pools.lending():
        return folder, compare(folder, "--scenario", "delayed-callback", "--reps", 10)


@pytest.mark.index
def test_a_delayed_callback_always_fails_1_10_0_and_never_1_11_1(
    delayed: tuple[Path, list[dict[str, Any]]],
) -> None:
    _, (broken, fixed) = delayed
    assert (broken["passed"], fixed["passed"]) == (0, 10)
    assert broken["verdicts"] == {"late": 10}
    # Its second poll; three terminal polls.
    assert broken["virtual_s"]["p50"] == pytest.approx(1.0, abs=0.1)
    assert fixed["virtual_s"]["p50"] == pytest.approx(3.0, abs=0.1)


@pytest.mark.usefixtures("ready")
@pytest.mark.index
def test_final_events_are_missing_in_1_10_0_in_two_ways_and_never_in_1_11_1(
    tmp_path: Path,
) -> None:
    broken, fixed = compare(tmp_path, "--scenario", "final-events", "--reps", 40)
    assert broken["passed"] < 40
    assert broken["verdicts"]["late"] > 0
    assert broken["verdicts"]["early"] > 0
    assert fixed["verdicts"] == {"ok": 40}


@pytest.mark.usefixtures("ready")
@pytest.mark.index
def test_what_1_10_0_fails_on_the_fake_it_fails_on_the_real_server_of_its_release(
    race: Race, delayed: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder, (broken, _) = delayed
    # What comes of it is written into the file.
    file = Path(shutil.copy(folder / broken["first_failure"], tmp_path))
    assert "-late-" in file.name

    done = race("replay", file, "--server", "real")
    assert done.returncode == 0, done.stderr
    assert "sim world, real server" in done.stdout
    assert "this is sim×real: only the verdict can be the same" in done.stdout

    done = race("confirm", file, "--combination", "sim-real", "--tries", 2, "--json", "-")
    assert done.returncode == 0, done.stderr
    confirmed = json.loads(done.stdout)["confirmed"]["sim×real"]
    assert (confirmed["reproduced"], confirmed["tries"]) == (2, 2)
    assert (confirmed["resolved_version"], confirmed["server_version"]) == ("1.10.0", "1.10.0")


@pytest.mark.nightly
def test_on_the_real_server_a_campaign_repeats_and_the_fix_passes(
    race: Race, race_process: Race
) -> None:
    """In other workers, and in another process that told them what to do."""
    options = ("--scenario", "delayed-callback", "--reps", 2, "--server", "real", "--json", "-")
    one, other = (run("run", "1.11.1", *options) for run in (race_process, race))
    assert one.returncode == 0, one.stderr
    first, second = (json.loads(done.stdout) for done in (one, other))
    assert (first["world"], first["server"]) == ("sim", "real")
    assert first["clients"][0]["verdicts"] == {"ok": 2}
    digests = [numbers["clients"][0]["campaign_digest"] for numbers in (first, second)]
    assert digests[0] == digests[1]


@pytest.mark.index
def test_the_reference_client_beside_the_server_of_a_release(race: Race) -> None:
    options = ("--scenario", "final-events", "--reps", 3, "--server", "real:1.10.0")
    right = race("run", "reference", *options, "--json", "-")
    assert right.returncode == 0, right.stderr
    assert json.loads(right.stdout)["clients"][0]["verdicts"] == {"ok": 3}
    eager = race("run", "reference:eager", *options)
    assert eager.returncode == 1
    assert "early: client reference:eager" in eager.stderr
    assert "confirmed on the real server (1 of 1)" in eager.stderr
