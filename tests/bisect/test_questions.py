"""The rules by which trials say good, bad, or nothing."""

import json

import pytest

from race_harness.bisect.questions import Conclusion, Question, ScenarioQuestion, ScheduleQuestion
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.statistics.sequential import SequentialTest

SCHEDULE = Schedule("final-events", 3)


def trials(*outcomes: str) -> list[TrialResult]:
    """Verdicts with a comma between them; `void` for a trial without any."""
    return [
        TrialResult(
            index,
            () if outcome == "void" else tuple(outcome.split(",")),
            "d",
            1.0,
            1.0,
            Void("unreached", "the server was gone") if outcome == "void" else None,
        )
        for index, outcome in enumerate(outcomes)
    ]


def of_scenario(reps: int = 1_000) -> ScenarioQuestion:
    test = SequentialTest(0.001, 0.02)
    return ScenarioQuestion(library.load("final-events"), 5, reps, test)


def by_scenario(*outcomes: str, all_run: bool = False) -> Conclusion | None:
    return of_scenario().answer(trials(*outcomes), all_run=all_run)


def by_schedule(*outcomes: str) -> Conclusion:
    question = ScheduleQuestion(SCHEDULE, "late", len(outcomes))
    answer = question.answer(trials(*outcomes), all_run=True)
    assert answer is not None
    return answer


def test_a_scenario_that_fails_often_is_bad_at_once() -> None:
    answer = by_scenario(*["ok"] * 40, *["late,out-of-order", "early", "late"] * 20)
    assert answer == Conclusion(
        "bad", "60 of 100 fail: early 20, late 40, out-of-order 20", shown_by=40
    )


def test_the_schedule_that_is_shown_is_the_first_that_failed_void_ones_counted() -> None:
    answer = by_scenario(*["void"] * 3, *["ok"] * 40, *["late"] * 60)
    assert answer is not None
    assert answer.shown_by == 43


def test_a_scenario_that_never_fails_is_good_after_enough_trials() -> None:
    assert by_scenario(*["ok"] * 200) is None
    assert by_scenario(*["ok"] * 300) == Conclusion("good", "none of 300 fails")


def test_what_is_in_between_cannot_tell_in_the_end() -> None:
    between = ["ok"] * 199 + ["late"]
    assert by_scenario(*between) is None
    answer = by_scenario(*between, all_run=True)
    assert answer == Conclusion("unclear", "undecided: 1 of 200 fail: late 1; raise --reps")


def by_verdict(*outcomes: str) -> Conclusion | None:
    test = SequentialTest(0.001, 0.02)
    question = ScenarioQuestion(library.load("final-events"), 5, 1_000, test, "missed-callback")
    assert question.title == "missed-callback in final-events, seed 5"
    assert "of the rate of missed-callback, every 100 trials" in question.rule
    return question.answer(trials(*outcomes), all_run=False)


def test_only_the_verdict_that_is_asked_for_is_bad() -> None:
    answer = by_verdict(*["late", "lost,missed-callback"] * 50)
    assert answer == Conclusion(
        "bad", "100 of 100 fail: lost 50, late 50, missed-callback 50", shown_by=1
    )


def test_whoever_fails_otherwise_is_good_then() -> None:
    assert by_verdict(*["late"] * 300) == Conclusion("good", "300 of 300 fail: late 300")


def test_void_trials_count_for_nothing() -> None:
    answer = by_scenario(*["ok"] * 300, *["void"] * 20)
    assert answer == Conclusion("good", "none of 300 fails; 20 void")
    answer = by_scenario(*["ok"] * 40, *["void"] * 60)
    assert answer is not None
    assert answer.judgement == "unclear"
    assert "60 of 100 trials are void, most of them: the server was gone" in answer.says


@pytest.mark.slow
def test_the_chunks_of_a_scenario_are_the_schedules_of_its_campaign() -> None:
    question = of_scenario(reps=130)
    expected = list(draw_schedules(library.load("final-events"), 5, 130))
    for _ in range(2):
        chunks = [list(chunk) for chunk in question.chunks()]
        assert [len(chunk) for chunk in chunks] == [100, 30]
        assert [schedule for chunk in chunks for schedule in chunk] == expected


def test_a_schedule_that_shows_the_verdict_is_bad() -> None:
    answer = by_schedule("late", *["ok"] * 9)
    assert answer == Conclusion("bad", "late in itself, late in 0 of 9 around it", 0)
    assert by_schedule("lost,late", "ok").judgement == "bad"


def test_so_are_enough_of_those_around_it() -> None:
    answer = by_schedule("ok", *["ok"] * 17, "late", "late")
    assert answer == Conclusion("bad", "late in 2 of 19 around it", 18)


def test_none_of_them_is_good() -> None:
    answer = by_schedule(*["ok"] * 20)
    assert answer == Conclusion("good", "late in 0 of 19 around it")
    assert by_schedule("ok").judgement == "good"
    # A few that end otherwise or do not count are other troubles.
    assert by_schedule(*["ok"] * 16, "early", "void", "early", "void").judgement == "good"


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        (["early", *["ok"] * 9], "ends in early here; late in 0 of 9"),
        (["void", *["ok"] * 9], "void here: the server was gone"),
        (["ok", "late", *["ok"] * 98], "too few show it: late in 1 of 99"),
        (["ok", *["early"] * 5, "ok"], "end otherwise: 5 of 6 fail: early 5"),
        (["ok", *["void"] * 5, "ok"], "end otherwise: none of 1 fails; 5 void"),
    ],
)
def test_anything_else_cannot_tell(outcomes: list[str], reason: str) -> None:
    answer = by_schedule(*outcomes)
    assert answer.judgement == "unclear"
    assert reason in answer.says
    assert answer.shown_by is None


def test_without_a_verdict_any_failure_is_bad() -> None:
    question = ScheduleQuestion(SCHEDULE, None, 20)

    def judged(*outcomes: str) -> Conclusion | None:
        return question.answer(trials(*outcomes), all_run=True)

    assert judged("early", *["ok"] * 19) == Conclusion(
        "bad", "a failure in itself, a failure in 0 of 19 around it", 0
    )
    assert judged("ok", "late", "early", *["ok"] * 17) == Conclusion(
        "bad", "a failure in 2 of 19 around it", 1
    )
    assert judged(*["ok"] * 20) == Conclusion("good", "a failure in 0 of 19 around it")


def test_what_decides_an_answer_is_in_the_identity() -> None:
    asked: list[Question] = [
        of_scenario(),
        of_scenario(reps=500),
        ScenarioQuestion(library.load("clean"), 5, 1_000, SequentialTest(0.001, 0.02)),
        ScenarioQuestion(library.load("clean"), 6, 1_000, SequentialTest(0.001, 0.02)),
        ScenarioQuestion(library.load("clean"), 6, 1_000, SequentialTest(0.002, 0.02)),
        ScenarioQuestion(library.load("clean"), 6, 1_000, SequentialTest(0.002, 0.02, beta=0.1)),
        ScenarioQuestion(library.load("clean"), 6, 1_000, SequentialTest(0.002, 0.02), "late"),
        ScheduleQuestion(SCHEDULE, "late", 20),
        ScheduleQuestion(SCHEDULE, "late", 21),
        ScheduleQuestion(SCHEDULE, "early", 20),
        ScheduleQuestion(SCHEDULE, None, 20),
        ScheduleQuestion(SCHEDULE, "late", 20, share=0.1),
    ]
    identities = {json.dumps(question.identity(), sort_keys=True) for question in asked}
    assert len(identities) == len(asked)
    assert of_scenario().identity() == of_scenario().identity()


def test_the_rules_are_stated() -> None:
    rule = of_scenario().rule
    assert all(said in rule for said in ("Wald", "0.001", "0.02", "0.01", "1000 trials"))
    rule = ScheduleQuestion(SCHEDULE, "late", 20).rule
    assert all(said in rule for said in ("late", "0.05", "19 around"))
