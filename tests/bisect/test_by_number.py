"""A bisect by a number: how many events a verdict concerns."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from packaging.version import Version

from race_harness.bisect import session
from race_harness.bisect.bisecting import Kind
from race_harness.bisect.by_number import Around, NumberQuestion
from race_harness.bisect.judged import Judged, Point
from race_harness.bisect.questions import Conclusion, Question
from race_harness.bisect.result import BisectReport, in_words
from race_harness.campaign.finding import ForScenarios
from race_harness.environments.releases import Published
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult

CONTROL = Schedule("socket-lost", 3)

Numbers = Callable[[int, int], int | None]
"""How many events are concerned, by release (1.0.0 is 0) and trial; None: the trial is void."""


def results(numbers: Sequence[int | None]) -> list[TrialResult]:
    """Trials which all fail in the same verdict, unless nothing is concerned."""
    gone = Void("unreached", "the server was gone")
    return [
        TrialResult(n, (), "", 0.0, 1.0, gone)
        if number is None
        else TrialResult(
            n, ("lost", "missed-callback"), "d", 1.0, 1.0, concerned={"missed-callback": number}
        )
        if number
        else TrialResult(n, ("lost",), "d", 1.0, 1.0, concerned={"lost": 4})
        for n, number in enumerate(numbers)
    ]


def asked(reps: int = 100) -> NumberQuestion:
    return NumberQuestion("missed-callback", Around(CONTROL, reps), 0.01, 0.01)


@pytest.fixture
def bisect(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BisectReport]:
    """A bisect of twelve releases, whose trials are as `numbers` says."""
    monkeypatch.setenv("RACE_HOME", str(tmp_path / "home"))
    published = [Published(Version(f"1.{n}.0"), None, yanked=False) for n in range(12)]
    monkeypatch.setattr("race_harness.bisect.ranges.published", lambda: published)

    def run(
        numbers: Numbers, kind: Kind = "first-good", reps: int = 100, *, fresh: bool = True
    ) -> BisectReport:
        class FakeJudge:
            def __init__(self, question: Question, **_: Any) -> None:
                self.question = question
                self.failures: Mapping[str, Any] = {}

            def __call__(self, point: Point) -> Judged:
                release = int(point.client.split(".")[1])
                found: list[TrialResult] = []
                for chunk in self.question.chunks():
                    trials = range(len(found), len(found) + len(chunk))
                    some = results([numbers(release, trial) for trial in trials])
                    found += some
                    answer = self.question.answer(found, all_run=False)
                    if answer is not None:
                        break
                answer = answer or self.question.answer(found, all_run=True)
                assert answer is not None
                return Judged(answer.judgement, answer.says, len(found), numbers=answer.numbers)

        monkeypatch.setattr(session, "Judge", FakeJudge)
        ends = ("1.11.0", "1.0.0") if kind == "first-good" else ("1.0.0", "1.11.0")
        report, _ = session.run(
            asked(reps),
            ends,
            kind,
            repository=None,
            paths=[],
            finder=ForScenarios(),
            jobs=1,
            fresh=fresh,
            record=cast(Any, None),
            say=lambda _line: None,
        )
        return report

    return run


def border(report: BisectReport) -> tuple[str, str] | None:
    boundary = report.outcome.boundary
    return boundary and (boundary[0].client, boundary[1].client)


@pytest.mark.parametrize("step", [1, 4, 7, 11])
def test_a_step_from_thirteen_to_two_is_found_where_it_is(
    bisect: Callable[..., BisectReport], step: int
) -> None:
    """Both fail, in one verdict."""
    report = bisect(lambda release, _trial: 13 if release < step else 2)
    assert (report.outcome.ending, border(report)) == ("found", (f"1.{step - 1}.0", f"1.{step}.0"))
    judged = report.judged["1.0.0"][1]
    assert (judged.judgement, judged.says) == ("bad", "missed-callback 13 a trial")
    assert judged.shown_by == CONTROL
    assert next(iter(in_words(report))) == f"first good one: 1.{step}.0"


def test_so_is_one_for_the_worse(bisect: Callable[..., BisectReport]) -> None:
    report = bisect(lambda release, _trial: 2 if release < 5 else 13, "first-bad")
    assert border(report) == ("1.4.0", "1.5.0")


def test_a_step_among_noise_is_found_where_it_is(bisect: Callable[..., BisectReport]) -> None:
    """1 to 9 events, drawn anew for each release, and four more before the fix."""
    noise = random.Random(7)
    report = bisect(lambda release, _trial: noise.randint(1, 9) + (4 if release < 7 else 0))
    assert border(report) == ("1.6.0", "1.7.0")
    assert report.outcome.judged[6].judgement == "bad"


def test_it_goes_on_from_what_was_measured(bisect: Callable[..., BisectReport]) -> None:
    def step(release: int, _trial: int) -> int:
        return 13 if release < 4 else 2

    bisect(step)
    report = bisect(step, fresh=False)
    assert border(report) == ("1.3.0", "1.4.0")
    assert all(judged.known for _, judged in report.judged.values())


def test_no_step_is_no_difference(bisect: Callable[..., BisectReport]) -> None:
    report = bisect(lambda _release, trial: trial % 7)
    assert (report.outcome.ending, border(report)) == ("no-difference", None)
    assert list(in_words(report)) == [
        "no difference: 1.0.0 has missed-callback 2.95 a trial (0 to 6), 1.11.0 missed-callback "
        "2.95 a trial (0 to 6), and both the same in each of 100 trials; nothing between them was "
        "tried"
    ]
    assert set(report.judged) == {"1.0.0", "1.11.0"}
    tested = report.to_dict()["tested"]
    assert [each["judgement"] for each in tested] == ["measured", "measured"]


@pytest.mark.parametrize("seed", range(12))
def test_noise_is_no_step(bisect: Callable[..., BisectReport], seed: int) -> None:
    noise = random.Random(seed)
    report = bisect(lambda _release, _trial: noise.randint(0, 13), reps=200)
    assert report.outcome.ending == "no-difference"
    (said,) = in_words(report)
    assert said.startswith(("no clear difference: ", "too few trials to tell "))
    assert ("raise --reps" in said) == said.startswith("too few")


def test_a_few_trials_that_tell_are_too_few(bisect: Callable[..., BisectReport]) -> None:
    report = bisect(lambda release, trial: 13 if release < 4 and trial < 5 else 2)
    (said,) = in_words(report)
    assert said.startswith("too few trials to tell whether they differ: 1.0.0 has")
    assert "1.0.0 has more in 5 and 1.11.0 in 0 of 100 trials; raise --reps" in said
    report = bisect(lambda release, trial: 13 if release < 4 and trial < 14 else 2)
    assert border(report) == ("1.3.0", "1.4.0")


def test_ends_the_other_way_round_are_called_that(bisect: Callable[..., BisectReport]) -> None:
    report = bisect(lambda release, _trial: 2 if release < 5 else 13, "first-good")
    assert report.outcome.ending == "reversed"


def test_an_end_whose_trials_are_void_cannot_tell(bisect: Callable[..., BisectReport]) -> None:
    report = bisect(lambda release, trial: None if release == 11 and trial % 3 else 13)
    assert report.outcome.ending == "unclear-end"
    (said,) = in_words(report)
    assert said.startswith("1.11.0, an end of the range, cannot tell: 66 of 100 trials are void")


def test_ends_without_a_trial_in_common_say_nothing(
    bisect: Callable[..., BisectReport],
) -> None:
    report = bisect(lambda release, trial: None if (trial + release) % 2 else 13)
    (said,) = in_words(report)
    assert said.startswith("1.0.0 and 1.11.0 have no trial in common that is not void")


def test_what_is_half_way_in_each_trial_cannot_tell(
    bisect: Callable[..., BisectReport],
) -> None:
    report = bisect(lambda release, _trial: 12 if release < 5 else 7 if release == 5 else 2)
    assert (report.outcome.ending, border(report)) == ("left", ("1.4.0", "1.6.0"))
    # More trials would not help.
    assert report.outcome.judged[5].says == (
        "undecided: missed-callback 7 a trial, nearer to the end with more in 0 of 0 trials that "
        "tell"
    )


def test_what_is_between_is_asked_no_longer_than_it_takes(
    bisect: Callable[..., BisectReport],
) -> None:
    report = bisect(lambda release, _trial: 13 if release < 4 else 2, reps=300)
    reps = {client: judged.reps for client, (_, judged) in report.judged.items()}
    assert (reps.pop("1.0.0"), reps.pop("1.11.0")) == (300, 300)
    assert set(reps.values()) == {100}


def test_a_verdict_that_is_not_about_events_counts_once() -> None:
    question = NumberQuestion("stall", Around(CONTROL, 3), 0.01, 0.01)
    trials = [
        TrialResult(0, ("stall",), "d", 1.0, 1.0, concerned={"stall": 1}),
        TrialResult(1, ("ok",), "d", 1.0, 1.0),
        TrialResult(2, ("late",), "d", 1.0, 1.0, concerned={"late": 3}),
    ]
    assert question.answer(trials, all_run=True) == Conclusion(
        "measured", "stall 0.333 a trial (0 to 1)", numbers=(1, 0, 0)
    )


def test_the_rule_is_stated() -> None:
    question = asked(130)
    assert (
        question.title
        == "events of missed-callback in a schedule of socket-lost and 129 around it"
    )
    assert all(said in question.rule for said in ("Dixon and Mood", "all 130", "0.75", "0.01"))
    assert [len(chunk) for chunk in question.chunks()] == [100, 30]


def test_errors_that_make_no_test_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        NumberQuestion("late", Around(CONTROL, 3), 1.5, 0.01)
