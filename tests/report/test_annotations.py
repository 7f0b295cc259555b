"""What GitHub's runner is told, and that no text can make it obey anything else."""

from pathlib import Path

import pytest

from race_harness.model.evidence import Evidence
from race_harness.model.source_line import SourceLine
from race_harness.report.annotations import MOST, Annotation, commands, line_of, of_voids, place_in

VOTE = SourceLine("Votes.vote", "Votes.count = before + 1", "/work/votes.py", 8)
FIRST = SourceLine("test_votes", "Votes.count = 0", "/work/tests/test_votes.py", 7)
LAST = SourceLine("test_votes", "assert Votes.count == 2", "/work/tests/test_votes.py", 13)
LINES = (VOTE, LAST, FIRST)
TEST = "tests/test_votes.py::test_votes[a-1]"


def failed(where: str | None) -> list[Evidence]:
    return [Evidence("failed", "test-failed", error="AssertionError", where=where)]


def test_an_annotation_is_one_line_that_nothing_in_it_can_end() -> None:
    one = Annotation("error", "race: 50 %, a,b", "100 %\r\n::error::\x1b[2Jno", ("a,b:c.py", 3))
    assert one.command() == (
        "::error file=a%2Cb%3Ac.py,line=3,title=race%3A 50 %25%2C a%2Cb"
        "::100 %25\\r%0A::error::\\x1b[2Jno"
    )
    assert Annotation("warning", "race", "late").command() == "::warning title=race::late"


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\x0b", "\x0c", "\x1c", "\r", "\n"])
def test_no_character_breaks_the_line(character: str) -> None:
    text = f"a{character}::add-mask::b"
    command = Annotation("error", text, text, (text, 1)).command()
    assert len(command.splitlines()) == 1
    assert command.startswith("::error ")


@pytest.mark.parametrize(
    ("test", "evidence", "line"),
    [
        (TEST, failed("test_votes: assert Votes.count == 2"), LAST),
        (TEST, failed("Votes.vote: Votes.count = before + 1"), VOTE),
        # Nothing tells where, or nobody knows that line: where the test begins.
        (TEST, failed("no line of the test"), FIRST),
        (TEST, failed(None), FIRST),
        (TEST, [], FIRST),
        ("tests/test_votes.py::TestMore::test_votes", [], None),
        # A scenario has no file.
        (None, failed("test_votes: assert Votes.count == 2"), None),
    ],
)
def test_the_line_that_failed(
    test: str | None, evidence: list[Evidence], line: SourceLine | None
) -> None:
    assert line_of(test, evidence, LINES) == line


def test_only_a_file_of_the_workspace_has_a_place() -> None:
    assert place_in(Path("/work"), LAST) == ("tests/test_votes.py", 13)
    assert place_in(Path("/work/tests"), LAST) == ("test_votes.py", 13)
    assert place_in(Path("/elsewhere"), LAST) is None
    assert place_in(Path("/work"), None) is None


def test_of_each_level_as_many_are_told_as_github_shows() -> None:
    errors = [Annotation("error", "race", str(number)) for number in range(MOST)]
    assert len([*commands(errors)]) == MOST
    *told, left = commands([*errors, *errors[:2], Annotation("warning", "race", "w")])
    assert len(told) == MOST + 1
    assert left == "race: 2 more are in no annotation, since GitHub shows 10 of each kind"
    assert [*commands([])] == []


def test_what_has_no_verdict_says_why() -> None:
    one = of_voids("t.py::t", ["its setup failed", "skipped"], "error", ("t.py", 1))
    assert one.message == "2 repetitions have no verdict, the first because: its setup failed"
