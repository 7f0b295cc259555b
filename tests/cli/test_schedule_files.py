"""A schedule of one's own: run, compared, shown and exported, and many files replayed at once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cli_rig import Race, error_of

from race_harness.model.failure import Failure, read_schedule
from race_harness.model.schedule import Schedule
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.soak.plan import Plan
from race_harness.store.store import Store

PLAIN = {"server": {"publish_ms": 400.0}, "network": {"socket": {"latency_ms": 90.0}}}

pytestmark = pytest.mark.usefixtures("ready")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "slow-socket.json"
    path.write_text(json.dumps(PLAIN))
    return path


def test_the_first_repetition_is_the_file_and_the_others_have_other_entropy() -> None:
    given = Schedule("any", entropy=7)
    drawn = list(draw_schedules(library.given(given), 3, 120))
    assert drawn[0] == given
    assert len({schedule.entropy for schedule in drawn}) == 120
    assert {replace(schedule, entropy=0) for schedule in drawn} == {Schedule("any")}
    assert drawn[:7] == list(draw_schedules(library.given(given), 3, 7))
    assert drawn[1] != next(iter(draw_schedules(library.given(given), 4, 2)))


def test_a_plain_schedule_is_run_under_the_name_of_its_file(
    race: Race, plain: Path, tmp_path: Path
) -> None:
    options = ("--schedule", plain, "--reps", 5, "--json", "n.json", "--record", "r.db")
    assert race("run", "reference:poll", *options).returncode == 1
    assert race("run", "reference", *options).returncode == 0
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert (numbers["scenario"], numbers["clients"][0]["passed"]) == ("slow-socket", 5)
    (failed,) = (tmp_path / ".race" / "failures").glob("slow-socket-*.json")
    assert Failure.read(failed).schedule.server.publish_ms == 400.0
    with Store(tmp_path / "r.db") as store:
        rows = store.execute(
            "SELECT drawn, schedule FROM trials JOIN series ON series.id = series"
        ).fetchall()
    assert len(rows) == 10
    # No seed gives them: they are kept, and are in no rate of a scenario.
    for drawn, schedule in rows:
        assert not drawn
        assert Schedule.from_dict(json.loads(schedule)).network.socket.latency_ms == 90.0


def test_the_schedule_of_a_failure_is_compared(race: Race, late: Failure, tmp_path: Path) -> None:
    late.write(tmp_path / "late.json")
    done = race("compare", "reference:poll", "reference", "--schedule", "late.json", "--reps", 5)
    assert done.returncode == 0
    assert "final-events, seed 0" in done.stdout
    assert "0 / 5 = 0.0 %" in done.stdout
    assert "5 / 5 = 100.0 %" in done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "plain.json holds neither a failure nor a schedule"),
        ("{}", "plain.json holds neither a failure nor a schedule"),
        ("{", "plain.json is not a whole JSON file"),
        ('{"sever": {}}', "plain.json: schedule field 'sever'"),
        ('{"server": {"think_ms": -1}}', "plain.json: schedule field 'server.think_ms'"),
        ('{"schedule": {}}', "plain.json has schema None"),
    ],
)
def test_what_is_no_schedule_is_one_line(race: Race, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "plain.json").write_text(text)
    for command in (("run", "reference", "--schedule"), ("show",), ("export",)):
        assert says in error_of(race(*command, "plain.json"), 2)


def test_a_scenario_and_a_schedule_are_two_things(race: Race, plain: Path) -> None:
    done = race("run", "reference", "--scenario", "clean", "--schedule", plain)
    assert "give --scenario or --schedule, not both" in error_of(done, 2)


def test_a_soak_takes_one_too_and_goes_on_with_it(race: Race, plain: Path, tmp_path: Path) -> None:
    clients = ("reference:poll", "reference")
    options = ("--schedule", plain, "--no-confirm", "--json", "n.json", "--record", "r.db")
    assert race("soak", *clients, "--reps", 3, *options).returncode == 1
    (found,) = json.loads((tmp_path / "n.json").read_text())["scenarios"]
    assert found["scenario"] == "slow-socket"
    assert [client["passed"] for client in found["clients"]] == [0, 3]
    with Store(tmp_path / "r.db") as store:
        (plan,) = store.execute("SELECT plan FROM campaigns").fetchone()
        rows = store.execute("SELECT schedule FROM trials").fetchall()
    assert Plan.from_dict(json.loads(plan)).schedule == read_schedule(plain)
    entropies = {json.loads(schedule)["entropy"] for (schedule,) in rows}
    assert (len(rows), len(entropies)) == (6, 3)
    says = error_of(race("soak", *clients, "--reps", 3, *options, "--baseline", "r.db"), 2)
    assert "--baseline compares scenarios: a single schedule has none" in says
    says = error_of(race("soak", "reference", "--reps", 3, *options, "--resume"), 2)
    assert "nothing to resume" in says


def test_what_was_not_run_is_shown_without_a_verdict(race: Race, plain: Path) -> None:
    done = race("show", plain)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "a schedule of slow-socket, which has not been run",
        "what differs from a benign schedule:",
        "  server.publish_ms = 400.0 (benign: 0.5)",
        "  network.socket.latency_ms = 90.0 (benign: 0.5)",
        f"run: race run CLIENT --schedule {plain}",
    ]
    says = error_of(race("show", plain, "--mermaid"), 2)
    assert f"has not been run: race run CLIENT --schedule {plain} first" in says


def test_what_was_not_run_is_exported_without_a_verdict(
    race: Race, plain: Path, tmp_path: Path
) -> None:
    assert race("export", plain).returncode == 0
    text = (tmp_path / "test_race.py").read_text()
    assert "A schedule of slow-socket, which has not been run." in text
    assert "def test_slow_socket() -> None:" in text
    assert "server.publish_ms = 400.0 (benign: 0.5)" in text
    compile(text, "test_race.py", "exec")


def test_a_name_in_a_file_is_no_path(race: Race, tmp_path: Path) -> None:
    (tmp_path / "evil.json").write_text(json.dumps({**PLAIN, "scenario": "../../evil"}))
    assert race("run", "reference:poll", "--schedule", "evil.json", "--reps", 1).returncode == 1
    (kept,) = (tmp_path / ".race" / "failures").glob("*.json")
    assert kept.name.startswith("_._.._evil-")


def test_many_files_are_replayed_at_once(
    race: Race, late: Failure, early: Failure, tmp_path: Path
) -> None:
    for name, failure in (("late", late), ("early", early), ("again", late)):
        failure.write(tmp_path / f"{name}.json")
    done = race("replay", "late.json", "early.json", "again.json")
    assert done.returncode == 0
    *lines, last = done.stdout.splitlines()
    assert lines == [
        f"{name}.json: reproduced; {verdict}, the file's ({verdict}) in 1 and its digest in 1 of 1"
        for name, verdict in (("late", "late"), ("early", "early"), ("again", "late"))
    ]
    assert last == "3 of 3 reproduced"


def test_one_of_many_that_is_not_reproduced_is_told(
    race: Race, late: Failure, early: Failure, tmp_path: Path
) -> None:
    late.write(tmp_path / "late.json")
    early.write(tmp_path / "early.json")
    done = race("replay", "late.json", "early.json", "--client", "reference:poll")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 of 2 reproduced"
    assert "early.json: NOT reproduced" in done.stdout


def test_an_unreadable_one_of_many_runs_none(race: Race, late: Failure, tmp_path: Path) -> None:
    late.write(tmp_path / "late.json")
    assert "cannot read gone.json" in error_of(race("replay", "late.json", "gone.json"), 2)


def test_bad_usage_ends_with_a_full_stop_before_the_way_out(race: Race) -> None:
    says = error_of(race("run", "reference", "--wrong"), 2)
    assert says.strip().endswith("). See: race run --help")
