"""The judge, with real workers."""

import shutil
from pathlib import Path

import pytest

from race_harness.bisect.by_number import BetweenEnds, NumberQuestion, compared
from race_harness.bisect.judged import Point
from race_harness.bisect.judging import Judge
from race_harness.bisect.questions import Drawn, ScenarioQuestion, ScheduleQuestion
from race_harness.campaign.finding import ForTest
from race_harness.model.errors import UsageError
from race_harness.model.schedule import Interleaving, LineStall, Schedule
from race_harness.search import library
from race_harness.statistics.sequential import SequentialTest
from race_harness.store.store import Store


@pytest.mark.slow
def test_what_is_judged_is_recorded_with_its_schedules() -> None:
    question = ScenarioQuestion(
        library.load("final-events"), 0, 20, SequentialTest(0.01, 0.5, 0.05, 0.05)
    )
    with Store(None) as store:
        judge = Judge(question, record=store.campaign("bisect", {}))
        names = ("reference", "reference:eager")
        judged = [judge(Point(name, name, name)) for name in names]
        assert [one.judgement for one in judged] == ["good", "bad"]
        rows = store.execute(
            "SELECT client, drawn, count(*), sum(verdicts = 'ok'), count(schedule) FROM trials "
            "JOIN series ON series.id = series GROUP BY series.id"
        ).fetchall()
        assert rows == [
            (name, 0, one.reps, one.passed, one.reps)
            for name, one in zip(names, judged, strict=True)
        ]
        ((client, verdicts),) = store.execute(
            "SELECT client, trials.verdicts FROM failures JOIN trials USING (series, number) "
            "JOIN series ON series.id = series"
        ).fetchall()
        assert client == "reference:eager"
        assert verdicts != "ok"


@pytest.mark.nightly
def test_the_ends_are_measured_and_what_is_between_is_like_one_of_them() -> None:
    """The right client is at the one end, and one that trusts a poll at the other."""
    question = NumberQuestion("late", Drawn(library.load("final-events"), 0, 100), 0.01, 0.01)
    judge = Judge(question)
    points = [Point(name, name, name) for name in ("reference:poll", "reference")]
    more, fewer = map(judge, points)
    assert (more.judgement, fewer.judgement) == ("measured", "measured")
    assert sum(number or 0 for number in more.numbers) > 0 == sum(map(bool, fewer.numbers))
    between = compared(question, ("poll", more), ("right", fewer))
    assert isinstance(between, BetweenEnds)
    judge.question = between
    again = [judge(point) for point in points]
    assert [one.judgement for one in again] == ["bad", "good"]
    assert again[0].shown_by == between.of_end(more).shown_by
    assert judge.failures["reference:poll"].judgement.headline == "late"


VOTES = Path(__file__).parents[1] / "workers" / "votes.py"
HUNG = "import threading\n\n\ndef test_a():\n    threading.Event().wait()\n"
HELD_UP = LineStall("Votes.do_POST", "Votes.count = before + 1", for_ms=50.0)


@pytest.fixture
def votes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The flaky test of the documentation, in a project of its own."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(VOTES, tmp_path / "test_votes.py")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "test_votes.py"


@pytest.mark.slow
def test_a_test_of_ones_own_is_judged(votes: Path) -> None:
    stalled = Schedule("as typed", interleaving=Interleaving(stalls=(HELD_UP,)))
    question = ScheduleQuestion(stalled, "failed", 4)
    here = Point("installed", "installed", "installed")
    judge = Judge(question, finder=ForTest("test_votes.py"))
    flaky = judge(here)
    assert (flaky.judgement, flaky.reps) == ("bad", 4)
    assert "the first: AssertionError: assert 1 == 2" in flaky.says
    assert judge.failures["installed"].schedule.test == "test_votes.py::test_every_vote_counts"
    # What fails otherwise than it is asked about cannot tell.
    (votes.parent / "test_hung.py").write_text(HUNG)
    other = Judge(question, finder=ForTest("test_votes.py", error="KeyError"))(here)
    assert other.judgement == "unclear"
    assert "it fails otherwise: AssertionError: assert 1 == 2" in other.says
    hung = Judge(question, finder=ForTest("test_hung.py", error="KeyError"))(here)
    assert "it fails otherwise: hang" in hung.says
    meant = Judge(question, finder=ForTest("test_votes.py", error="assert 1 == 2"))(here)
    assert meant.judgement == "bad"
    flaky_lines = "        before = Votes.count\n        Votes.count = before + 1\n"
    right = "        with LOCK:\n" + flaky_lines.replace("        ", "            ")
    text = votes.read_text()
    assert flaky_lines in text
    votes.write_text(text.replace(flaky_lines, right) + "\n\nLOCK = threading.Lock()\n")
    repaired = Judge(question, finder=ForTest("test_votes.py"))(here)
    assert repaired.judgement == "good"
    gone = Judge(question, finder=ForTest("test_votes.py::test_nothing"))(here)
    assert gone.judgement == "unclear"
    assert "test_nothing" in gone.says


def test_another_file_is_another_question(votes: Path) -> None:
    before = ForTest("test_votes.py").identity()
    assert ForTest("test_votes.py").identity() == before
    votes.write_text("def test_a():\n    pass\n")
    assert ForTest("test_votes.py").identity() != before
    with pytest.raises(UsageError, match=r"there is no file nowhere\.py"):
        ForTest("nowhere.py").identity()
