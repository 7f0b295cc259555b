"""The story of a test: its threads side by side, the lines that they ran, and who got between."""

import json
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import tostring

import pytest
from story_rig import Happening, at

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement
from race_harness.story.drawing import drawing
from race_harness.story.facts import names_of, since_run
from race_harness.story.interleaving import meetings
from race_harness.story.lanes import Lanes
from race_harness.story.mermaid import sequence_diagram
from race_harness.story.page import html_page
from race_harness.story.perfetto import trace_events
from race_harness.story.row import Tone
from race_harness.story.rows import tell
from race_harness.story.timeline import short_story, timeline_text
from race_harness.story.words import in_words

TEST = "test_votes.py::test_every_vote_counts"
ONE, OTHER = "Thread-4 (serve)", "Thread-5 (serve)"
READS, STORES = "before = Votes.count", "Votes.count = before + 1"


def line(at_ms: float, by: str, text: str, function: str = "Votes.do_POST") -> Happening:
    names = ["count"] if "count" in text else []
    stores = names if text.startswith("Votes.count =") else []
    return at(
        *(at_ms, "thread", "line"),
        function=function,
        line=text,
        names=names,
        stores=stores,
        round=1,
        by=by,
    )


def asked(at_ms: float, number: int, by: str) -> Happening:
    told = {"method": "POST", "route": "POST /", "number": number}
    return at(at_ms, "rest", "request", **told, peer=number, by=by)


def begun() -> list[Happening]:
    return [
        at(1.0, "client", "test-called", call=1, by="MainThread"),
        line(1.0, "MainThread", "voter.join()", "test_every_vote_counts"),
        asked(2.0, 1, "Thread-2 (post)"),
    ]


def ended() -> list[Happening]:
    error = "AssertionError: assert 1 == 2"
    where = "test_every_vote_counts: assert Votes.count == 2"
    return [
        at(7.0, "rest", "answer", number=1, status=204, by=ONE),
        at(9.0, "client", "test-failed", call=1, error=error, where=where, by="MainThread"),
    ]


def failure_with(*happenings: Happening, **fields: Any) -> Failure:
    evidence = (Evidence("failed", "test-failed", error="AssertionError", where="somewhere"),)
    made = Failure(
        schedule=Schedule(TEST),
        judgement=Judgement(("failed",), evidence),
        digest="d" * 32,
        client="installed",
        resolved_version="installed",
        server="own",
        world="sim",
        happenings=happenings,
        stacks={},
    )
    return replace(made, **fields)


@pytest.fixture
def lost() -> Failure:
    """One thread reads, the other reads and stores, and then the first stores."""
    return failure_with(
        *begun(),
        line(3.0, ONE, READS),
        line(4.0, OTHER, READS),
        line(4.0, OTHER, STORES),
        line(5.0, ONE, STORES),
        line(5.0, ONE, "self.end_headers()"),
        *ended(),
    )


@pytest.fixture
def right() -> Failure:
    """One after the other."""
    return failure_with(
        *begun(),
        *(line(3.0, ONE, text) for text in (READS, STORES)),
        *(line(4.0, OTHER, text) for text in (READS, STORES)),
        *ended(),
    )


def rows(failure: Failure, *, everything: bool = False) -> list[tuple[str, str, Tone]]:
    told = tell(since_run(failure), names_of(failure), everything=everything).rows
    return [(row.column, row.text, row.tone) for row in told]


def test_threads_that_run_lines_have_columns_and_the_wire_is_between(lost: Failure) -> None:
    assert [lane.heading for lane in Lanes(lost).all] == ["MainThread", ONE, OTHER, "network"]
    assert rows(lost) == [
        ("thread MainThread", "the test begins", Tone.CALLED),
        ("thread MainThread", "voter.join()", Tone.PLAIN),
        ("network", "POST / of Thread-2 arrives", Tone.PLAIN),
        (f"thread {ONE}", f"do_POST: {READS}", Tone.CONCERNED),
        (f"thread {OTHER}", f"do_POST: {READS}", Tone.PLAIN),
        (f"thread {OTHER}", f"do_POST: {STORES}", Tone.CONCERNED),
        (f"thread {ONE}", f"do_POST: {STORES}", Tone.CONCERNED),
        (f"thread {ONE}", "do_POST: self.end_headers()", Tone.PLAIN),
        ("network", "POST / of Thread-2 → 204, by Thread-4", Tone.PLAIN),
        (
            "thread MainThread",
            "the test fails: AssertionError: assert 1 == 2 at "
            "test_every_vote_counts: assert Votes.count == 2",
            Tone.ENDED,
        ),
    ]


def test_who_got_between_is_said_and_nothing_where_nobody_did(
    lost: Failure, right: Failure
) -> None:
    (found,) = meetings(lost)
    assert [lost.happenings[place]["line"] for place in found.places] == [READS, STORES, STORES]
    assert (
        f"Thread-4 ran `{READS}` (2.0 ms), then Thread-5 ran `{STORES}` (3.0 ms), and only then "
        f"Thread-4 went on to `{STORES}` (4.0 ms): Thread-5 got between two lines of "
        "Votes.do_POST, and all three are about `count`."
    ) in in_words(lost)
    assert "Thread-5 got between two lines" in short_story(lost)
    assert "got between" not in short_story(right)
    assert meetings(right) == []
    assert "got between" not in in_words(right)
    assert Tone.CONCERNED not in [tone for _, _, tone in rows(right)]


def test_of_two_that_enclose_each_other_the_inner_one_is_told(lost: Failure) -> None:
    """The test itself sets what its threads change, and looks at it in the end."""
    test = "test_every_vote_counts"
    sets = line(1.5, "MainThread", "Votes.count = 0", test)
    looks = line(8.0, "MainThread", "assert Votes.count == 2", test)
    inner, last = lost.happenings[2:-1], lost.happenings[-1]
    whole = replace(lost, happenings=(*lost.happenings[:2], sets, *inner, looks, last))
    (found,) = meetings(whole)
    assert [whole.happenings[place]["line"] for place in found.places] == [READS, STORES, STORES]
    # With no other one, it is all that can be told.
    alone = [each for each in inner if each.get("by") != ONE]
    wide = replace(lost, happenings=(*lost.happenings[:2], sets, *alone, looks, last))
    (found,) = meetings(wide)
    assert wide.happenings[found.before]["line"] == "Votes.count = 0"


@pytest.mark.parametrize(
    ("first", "between", "second", "is_told"),
    [
        (READS, STORES, READS, True),
        (STORES, READS, STORES, True),
        (STORES, STORES, READS, True),
        (READS, READS, READS, False),
        (READS, READS, STORES, False),
        (STORES, STORES, STORES, False),
    ],
)
def test_only_what_no_order_without_interruption_does_is_told(
    first: str, between: str, second: str, is_told: bool
) -> None:
    three = (line(3.0, ONE, first), line(4.0, OTHER, between), line(5.0, ONE, second))
    assert bool(meetings(failure_with(*begun(), *three, *ended()))) == is_told


def test_another_round_of_a_function_is_no_interruption() -> None:
    """A loop that reads again finds what others have done meanwhile, as it should."""
    again = {**line(5.0, ONE, STORES), "round": 2}
    three = (line(3.0, ONE, READS), line(4.0, OTHER, STORES), again)
    assert meetings(failure_with(*begun(), *three, *ended())) == []


def test_lines_that_follow_each_other_are_one_row_until_another_thread_comes_in(
    right: Failure,
) -> None:
    texts = [text for _, text, _ in rows(right)]
    assert texts.count(f"do_POST: {READS}; {STORES}") == 2
    everything = [text for _, text, _ in rows(right, everything=True)]
    assert everything.count(f"do_POST: {STORES}") == 2


def test_a_long_stretch_tells_its_first_lines_and_its_last() -> None:
    many = [line(3.0, ONE, f"step_{number}()") for number in range(9)]
    (told,) = [text for column, text, _ in rows(failure_with(*begun(), *many)) if ONE in column]
    assert told == "do_POST: step_0(); step_1(); … 6 lines …; step_8()"


def test_a_stall_and_a_death_stand_in_their_thread() -> None:
    stall = {"function": "Votes.do_POST", "line": STORES, "for_ms": 50.0, "thread": ONE, "by": ONE}
    death = {"error": "KeyError: 1", "where": "work: x", "thread": OTHER, "by": OTHER}
    failure = failure_with(
        *begun(),
        at(3.0, "client", "line-stalled", **stall),
        at(4.0, "client", "thread-died", **death),
        *ended(),
    )
    columns = {text.partition(" ")[0]: column for column, text, _ in rows(failure)}
    assert columns["stalled"] == f"thread {ONE}"
    assert columns["thread"] == f"thread {OTHER}"
    assert f"At 2.0 ms Thread-4 stood still for 50.0 ms in Votes.do_POST, at `{STORES}`" in (
        in_words(failure)
    )


def test_a_file_that_does_not_say_by_whom_still_has_a_story() -> None:
    stall = {"function": "f", "line": "x", "for_ms": 5.0, "thread": "main"}
    failure = failure_with(
        at(1.0, "client", "test-called", call=1),
        at(2.0, "client", "line-stalled", **stall),
        at(3.0, "client", "test-failed", call=1, error="E", where="w"),
    )
    assert {column for column, _, _ in rows(failure)} == {"thread MainThread"}


HANG = Evidence("hang", "test-hung", stopped="deadlock: every thread waits")
STACK = (
    '  File "/x/test_a.py", line 3, in work\n    with a, b:\n  File "/x/race_harness/sim/y.py"\n'
)


def test_a_hang_ends_with_where_each_thread_waits() -> None:
    stopped = {"error": "Stopped: deadlock", "where": "test_a: run()", "by": "MainThread"}
    failure = failure_with(
        at(1.0, "client", "test-called", call=1, by="MainThread"),
        line(2.0, "one", "with a, b:", "work"),
        at(2.0, "client", "test-failed", call=1, **stopped),
        judgement=Judgement(("hang",), (HANG,)),
        stacks={"1 one (waits: lock)": STACK},
    )
    assert rows(failure)[-2:] == [
        ("thread one", "waits (lock): work: with a, b:", Tone.FAULT),
        ("thread MainThread", "the test hangs: deadlock: every thread waits", Tone.ENDED),
    ]
    assert "Stopped" not in timeline_text(failure)
    assert "race_harness/sim" not in timeline_text(failure)
    assert "one waits (lock) in work: with a, b:." in in_words(failure)


def test_many_threads_share_a_column_and_are_still_told_apart() -> None:
    lines = [line(3.0, f"t{number}", "work()") for number in range(9)]
    failure = failure_with(*begun(), *lines, *ended())
    headings = [lane.heading for lane in Lanes(failure).all]
    assert headings == ["MainThread", "t0", "t1", "t2", "t3", "other threads", "network"]
    told = [text for column, text, _ in rows(failure) if column == "others"]
    assert told == [f"t{number}: do_POST: work()" for number in range(4, 9)]


def test_a_long_story_keeps_what_matters(lost: Failure) -> None:
    # Two threads in turn, so that each line is a row.
    noise = [line(2.5, (ONE, OTHER)[number % 2], f"step_{number}()") for number in range(200)]
    long = replace(lost, happenings=(*begun(), *noise, *lost.happenings[3:]))
    told = rows(long)
    assert len(told) < 60
    assert [tone for _, _, tone in told].count(Tone.CONCERNED) == 3
    assert [text for _, text, tone in told if tone is Tone.FOLDED] == [
        "… 160 rows, which --all shows"
    ]
    assert len(rows(long, everything=True)) > 200


def test_the_diagram_has_the_threads_as_participants(lost: Failure) -> None:
    diagram = sequence_diagram(lost)
    assert "participant T2 as Thread-4 (serve)" in diagram
    assert "Note over T3: 3.0 do_POST#58; before = Votes.count<br/>3.0 ◆ do_POST" in diagram
    assert "T2->>N: 6.0 POST / of Thread-2 → 204, by Thread-4" in diagram
    assert diagram.splitlines()[-2].startswith("    Note over T1,N: 8.0 the test fails")


def test_the_drawing_and_the_page_have_a_lane_for_each_thread(lost: Failure) -> None:
    drawn = tostring(drawing(since_run(lost)), encoding="unicode")
    for heading in ("MainThread", ONE, OTHER, "network"):
        assert drawn.count(f">{heading}</text>") == 1
    assert drawn.count('class="row concerned"') == 3
    assert "<title>the test: 0.0 to 8.0 ms</title>" in drawn
    assert "Milliseconds since the test began" in html_page(lost)


def test_the_trace_has_a_track_for_each_thread(lost: Failure) -> None:
    events = trace_events(lost)["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert list(names.values()) == ["MainThread", ONE, OTHER, "network"]
    marked = [(names[e["tid"]], e["name"]) for e in events if e["name"].startswith("◆")]
    assert marked == [(ONE, f"◆ {READS}"), (OTHER, f"◆ {STORES}"), (ONE, f"◆ {STORES}")]
    assert json.dumps(events)
