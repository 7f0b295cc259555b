"""What the whole thing is for: two releases of the real client, told apart.

Their environments are made in the user's own cache; the first time takes a minute and the network.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RACE = [sys.executable, "-m", "harness.cli"]


def compare(folder: Path, *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*RACE, "compare", "1.10.0", "1.11.1", "--json", "-", *options],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    clients: list[dict[str, Any]] = json.loads(done.stdout)["clients"]
    assert [client["resolved_version"] for client in clients] == ["1.10.0", "1.11.1"]
    return clients


def test_a_delayed_callback_always_fails_1_10_0_and_never_1_11_1(tmp_path: Path) -> None:
    broken, fixed = compare(tmp_path, "--scenario", "delayed-callback", "--reps", "20")
    assert (broken["passed"], fixed["passed"]) == (0, 20)
    assert broken["verdicts"] == {"late": 20}
    # Its second poll; three terminal polls.
    assert broken["virtual_s"]["p50"] == pytest.approx(1.0, abs=0.1)
    assert fixed["virtual_s"]["p50"] == pytest.approx(3.0, abs=0.1)


def test_final_events_are_missing_in_1_10_0_in_two_ways_and_never_in_1_11_1(
    tmp_path: Path,
) -> None:
    broken, fixed = compare(tmp_path, "--scenario", "final-events", "--reps", "100")
    assert broken["passed"] < 100
    assert broken["verdicts"]["late"] > 0
    assert broken["verdicts"]["early"] > 0
    assert fixed["verdicts"] == {"ok": 100}
