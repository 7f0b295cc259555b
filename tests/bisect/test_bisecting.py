"""Bisecting with a judge that has its answers ready."""

from collections.abc import Mapping

import pytest

from race_harness.bisect.bisecting import Bisected, BisectObserver, Kind, bisect
from race_harness.bisect.judged import Judged, Judgement, Point

GOOD, BAD, UNCLEAR = (Judged(each, "said") for each in ("good", "bad", "unclear"))


def run(answers: str, kind: Kind = "first-bad", preferred: tuple[int, ...] = ()) -> Bisected:
    """One letter a client: `g`, `b` or `?`."""
    points = [Point(f"c{n}", f"k{n}", f"c{n}") for n in range(len(answers))]
    known: Mapping[str, Judged] = {"g": GOOD, "b": BAD, "?": UNCLEAR}
    by_client = {
        point.client: known[letter] for point, letter in zip(points, answers, strict=True)
    }
    return bisect(points, lambda point: by_client[point.client], kind, preferred=preferred)


def border(outcome: Bisected) -> tuple[str, str] | None:
    return outcome.boundary and (outcome.boundary[0].client, outcome.boundary[1].client)


def test_the_first_bad_one() -> None:
    outcome = run("gggggbbb")
    assert outcome.ending == "found"
    assert border(outcome) == ("c4", "c5")
    assert outcome.judged[outcome.after] is BAD
    assert list(outcome.judged)[:2] == [0, 7]


def test_the_first_good_one() -> None:
    outcome = run("bbbggggg", "first-good")
    assert (outcome.ending, border(outcome)) == ("found", ("c2", "c3"))


def test_two_neighbours_are_judged_and_nothing_else() -> None:
    outcome = run("gb")
    assert (outcome.ending, border(outcome)) == ("found", ("c0", "c1"))


@pytest.mark.parametrize("answers", ["gggg", "bbbb", "gbbg"])
def test_ends_that_do_not_differ_end_it_before_anything_between_is_tried(answers: str) -> None:
    outcome = run(answers)
    assert (outcome.ending, outcome.boundary) == ("no-change", None)
    assert set(outcome.judged) == {0, 3}


def test_ends_the_other_way_round() -> None:
    assert run("bbgg").ending == "reversed"
    assert run("ggbb", "first-good").ending == "reversed"
    assert run("bbgg").between == []


@pytest.mark.parametrize("answers", ["?gbb", "ggb?", "????"])
def test_an_end_that_cannot_tell(answers: str) -> None:
    outcome = run(answers)
    assert (outcome.ending, outcome.boundary) == ("unclear-end", None)


def test_the_range_that_is_left() -> None:
    outcome = run("gg???bbb")
    assert (outcome.ending, border(outcome)) == ("left", ("c1", "c5"))
    assert [point.client for point in outcome.between] == ["c2", "c3", "c4"]


def test_what_cannot_tell_elsewhere_leaves_the_answer_exact() -> None:
    outcome = run("g?g?g?gb?b?b")
    assert (outcome.ending, border(outcome)) == ("found", ("c6", "c7"))


def test_what_is_likely_next_is_told_before() -> None:
    told: list[tuple[str, list[str]]] = []
    points = [Point(str(n), str(n), str(n)) for n in range(17)]

    def judging(point: Point, likely: list[Point]) -> None:
        told.append((point.client, [each.client for each in likely]))

    def judge(point: Point) -> Judged:
        return GOOD if int(point.client) < 11 else BAD

    bisect(points, judge, observer=BisectObserver(judging))
    assert told == [
        ("0", ["16", "8"]),
        ("16", ["8"]),
        ("8", ["12", "4"]),
        ("12", ["14", "10"]),
        ("10", ["11", "9"]),
        ("11", []),
    ]


def test_what_the_judge_raises_ends_it() -> None:
    def judge(point: Point) -> Judged:
        raise OSError(point.client)

    with pytest.raises(OSError, match="a"):
        bisect([Point("a", "a", "a"), Point("b", "b", "b")], judge)


def test_judgements_survive_their_json_form() -> None:
    from dataclasses import replace

    from race_harness.bisect.judged import Times
    from race_harness.model.schedule import Schedule

    judgement: Judgement = "bad"
    judged = Judged(judgement, "why", 7, 3, Times(1.0, 2.0, 3.0), Schedule("final-events", 9))
    assert Judged.from_dict(judged.to_dict()) == replace(judged, known=True)
    assert Judged.from_dict(GOOD.to_dict()) == replace(GOOD, known=True)
    assert (judged.times + judged.times).all == 12.0
