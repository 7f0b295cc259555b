"""The question of a bisect, from the arguments of the command."""

import json
from pathlib import Path
from typing import Any

import pytest

from race_harness.bisect.posed import about_scenario, about_schedule
from race_harness.model.errors import UsageError

FINDING = Path(__file__).parents[2] / "docs" / "results" / "findings" / "first-snapshot.json"


@pytest.mark.parametrize(
    ("options", "verdict"),
    [({}, "early"), ({"verdict": "lost"}, "lost"), ({"any_verdict": True}, None)],
)
def test_the_verdict_of_a_file_unless_another_is_asked_for(
    options: dict[str, Any], verdict: str | None
) -> None:
    question, server = about_schedule(FINDING, 3, 0.05, **options)
    assert (question.identity()["verdict"], server) == (verdict, "fake")


def test_of_a_plain_schedule_any_failure_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "slow-socket.json"
    path.write_text(json.dumps({"network": {"socket": {"latency_ms": 90.0}}}))
    question, server = about_schedule(path, 3, 0.05)
    assert (question.identity()["verdict"], server) == (None, "fake")
    assert question.title == "a failure in a schedule of slow-socket and 2 around it"
    question, _ = about_schedule(path, 3, 0.05, verdict="late")
    assert question.identity()["verdict"] == "late"


@pytest.mark.parametrize("name", ["ok", "void", "Late", "slow"])
def test_a_verdict_that_nobody_can_look_for(name: str) -> None:
    says = rf"no verdict '{name}' to look for; there are: hang, .*, explained$"
    with pytest.raises(UsageError, match=says):
        about_schedule(FINDING, 3, 0.05, verdict=name)
    with pytest.raises(UsageError, match=says):
        about_scenario("clean", 100, 0, (0.001, 0.02), (0.01, 0.01), name)


def test_one_verdict_and_any_are_two_questions() -> None:
    with pytest.raises(UsageError, match="give --verdict or --any-verdict, not both"):
        about_schedule(FINDING, 3, 0.05, verdict="late", any_verdict=True)
