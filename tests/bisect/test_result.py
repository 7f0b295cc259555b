"""What is told of a bisect: numbers and sentences."""

from packaging.version import Version

from race_harness.bisect.bisecting import Kind, bisect
from race_harness.bisect.judged import Judged, Point, Times
from race_harness.bisect.questions import ScheduleQuestion
from race_harness.bisect.ranges import Range
from race_harness.bisect.result import BisectReport, in_words, time_in_words
from race_harness.environments.history import Commit
from race_harness.model.schedule import Schedule

QUESTION = ScheduleQuestion(Schedule("final-events"), "late", 20)
KNOWN = {
    "g": Judged("good", "none", 20, 20, Times(10, 3, 1)),
    "b": Judged("bad", "all", 20, 0, Times(20, 3, 1)),
    "?": Judged("unclear", "it does not build", times=Times(5)),
}


def report(answers: str, kind: Kind = "first-bad", *, commits: bool = False) -> BisectReport:
    points = [Point(f"1.{n}", f"release 1.{n}", f"1.{n}") for n in range(len(answers))]
    assert all(Version(point.client) for point in points)
    outcome = bisect(points, lambda point: KNOWN[answers[int(point.client[2:])]], kind)
    told = {
        point.client: Commit(f"{n}" * 9, (), "2026-02-05", f"change {n} (#{n})", f"tree {n}")
        for n, point in enumerate(points)
        if commits
    }
    found = Range(points, left_out=[("1.1.post1", "yanked")], commits=told)
    return BisectReport(QUESTION, "fake", [outcome], [found], 100.0)


def words(report: BisectReport) -> list[str]:
    return list(in_words(report))


def test_the_json_form() -> None:
    data = report("g?gbb").to_dict()
    assert data["schema"] == 1
    assert data["kind"] == "first-bad"
    assert data["boundary"] == ["1.2", "1.3"]
    assert data["ending"] == "found"
    tested = [(each["client"], each["judgement"]) for each in data["tested"]]
    assert tested == [("1.0", "good"), ("1.4", "bad"), ("1.2", "good"), ("1.3", "bad")]
    first = data["tested"][0]
    assert (first["reps"], first["passed"], first["seconds"]) == (20, 20, 14)
    assert data["skipped"] == [{"client": "1.1.post1", "reason": "yanked"}]
    assert data["seconds"] == {"install": 60, "start": 12, "trials": 4, "all": 100.0}
    assert "late" in data["rule"]


def test_what_cannot_tell_is_skipped_with_the_reason() -> None:
    data = report("g??b").to_dict()
    assert data["ending"] == "left"
    assert data["boundary"] == ["1.0", "1.3"]
    reasons = {each["client"]: each["reason"] for each in data["skipped"]}
    assert reasons == {
        "1.1.post1": "yanked",
        "1.1": "it does not build",
        "1.2": "it does not build",
    }
    assert words(report("g??b")) == [
        "first bad one: one of these 3, of which only the last could be judged: 1.1, 1.2, 1.3",
        "last good one before: 1.0",
    ]
    assert "1.1 to 1.9" in words(report("g????????b"))[0]


def test_the_answer_in_words() -> None:
    assert words(report("ggbb")) == ["first bad one: 1.2", "last good one before: 1.1"]
    assert words(report("bbgg", "first-good")) == [
        "first good one: 1.2",
        "last bad one before: 1.1",
    ]


def test_a_commit_with_all_that_is_known_of_it() -> None:
    found = report("ggbb", commits=True)
    assert words(found)[0] == "first bad one: 1.2 change 2 (#2) (2026-02-05, pull request #2)"
    assert found.to_dict()["commits"]["1.2"]["pull_request"] == 2
    assert report("ggbb").to_dict()["commits"] == {}


def test_a_range_without_a_change_is_told_plainly() -> None:
    (told,) = words(report("gggg"))
    assert told.startswith("no change at all: 1.0 is good, and so is 1.3")
    assert report("gggg").to_dict()["boundary"] is None


def test_ends_the_other_way_round_are_told_plainly() -> None:
    (told,) = words(report("bbgg"))
    assert told == (
        "the other way round: 1.0 is bad and 1.3 is good; --fixed looks for the first good one"
    )
    (told,) = words(report("ggbb", "first-good"))
    assert "without --fixed it looks for the first bad one" in told


def test_an_end_that_cannot_tell_is_told_with_the_reason() -> None:
    (told,) = words(report("?gbb"))
    assert told.startswith("1.0, an end of the range, cannot tell: it does not build")


def test_where_the_time_went() -> None:
    assert time_in_words(report("ggbb")) == (
        "4 judged in 100 s: installing 60 s, importing 12 s, 80 trials 4 s, all else 24 s"
    )
