"""The judge, with real workers."""

import pytest

from race_harness.bisect.by_number import BetweenEnds, NumberQuestion, compared
from race_harness.bisect.judged import Point
from race_harness.bisect.judging import Judge
from race_harness.bisect.questions import Drawn, ScenarioQuestion
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


@pytest.mark.slow
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
