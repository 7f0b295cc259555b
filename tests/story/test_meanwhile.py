"""What else goes on in a trial, in every telling: acts, spoiled answers, other calls, refusals."""

from dataclasses import replace

import pytest
from meanwhile_rig import act, column, told
from story_rig import at, persisted, with_run

from race_harness.model.evidence import Evidence, StateField
from race_harness.model.failure import Failure
from race_harness.model.schedule import (
    Moment,
    OtherAct,
    Schedule,
    Watcher,
)
from race_harness.model.verdict import Judgement
from race_harness.story.facts import since_run
from race_harness.story.fields import differences
from race_harness.story.perfetto import trace_events
from race_harness.story.words import in_words

# -- acts


def test_what_another_thread_does_is_one_row_while_nothing_comes_between(failure: Failure) -> None:
    changed = with_run(
        failure,
        act(3.0, "called", "pause"),
        act(9.0, "returned", "pause"),
        at(10.0, "client", "run-returned"),
    )
    assert told(changed)[1:] == ["3.0 pause() called, returns at 9.0", "10.0 run() returns"]
    assert column(changed, "pause()") == "client"
    assert "At 3.0 ms another thread called pause()." in in_words(changed)


@pytest.mark.parametrize(
    ("name", "ends", "row", "words"),
    [
        ("run", {"status": 409}, "→ 409", "asked for a run, which the server refused (409)."),
        ("pause", {"status": 200}, "→ 200", "paused."),
        (
            "confirm",
            {"error": "gone"},
            "→ no answer",
            "confirmed the waiting action, and got no answer.",
        ),
        ("reject", {"status": 200}, "→ 200", "rejected the waiting action."),
        ("message", {"status": 200}, "→ 200", "sent a message."),
    ],
)
def test_what_somebody_else_does_is_told_with_its_answer(
    failure: Failure, name: str, ends: dict[str, object], row: str, words: str
) -> None:
    what = "answered" if "status" in ends else "unanswered"
    asked = at(3.0, "other", "asked", act=name, number=1)
    answered = at(4.0, "other", what, act=name, number=1, **ends)
    changed = with_run(failure, asked, answered, at(9.0, "client", "run-returned"))
    rows = [line for line in told(changed) if "somebody else" in line]
    assert f"somebody else: {name} asked for" in rows[0]
    assert row in rows[-1]
    assert column(changed, f"somebody else: {name}") == "server"
    assert f"At 3.0 ms somebody else {words}" in in_words(changed)
    # A schedule names it as well.
    act = OtherAct(name, Moment("run-ended"))  # type: ignore[arg-type]
    (line,) = differences(Schedule("x", others=(act,)))
    assert line == f"others[0] = {name} at run-ended (benign: none)"


def test_who_looks_on_is_told_when_it_comes_and_not_what_it_is_given(failure: Failure) -> None:
    comes = at(3.0, "watcher", "attached", client=2)
    given = at(4.0, "watcher", "given", client=2, event="e-system")
    shown = at(9.5, "watcher", "shown", client=2, events=["e-system"])
    changed = with_run(failure, comes, given, at(9.0, "client", "run-returned"), shown)
    rows = [line for line in told(changed) if "client 2" in line]
    assert len(rows) == 1
    assert "client 2, which looks on is connected" in rows[0]
    fails = at(3.0, "watcher", "attach-failed", client=2, error="ValueError: gone")
    refused = with_run(failure, fails, at(9.0, "client", "run-returned"))
    assert any("client 2, which looks on raises ValueError: gone" in row for row in told(refused))
    (line,) = differences(Schedule("x", watchers=(Watcher(Moment("run-ended")),)))
    assert line == "watchers[0] = one from run-ended (benign: none)"


def test_what_the_caller_does_by_itself_is_no_other_thread(failure: Failure) -> None:
    changed = with_run(
        failure,
        at(8.0, "client", "run-returned"),
        act(9.0, "called", "send-message"),
        act(10.0, "raised", "send-message", error="OSError: gone"),
    )
    words = in_words(changed)
    assert "another thread" not in words
    assert "send_message() raised OSError: gone." in words


def test_the_state_is_one_row_for_each_side_with_what_is_stale(failure: Failure) -> None:
    shown = {"execution_status": "running", "cost": 0.01, "title": None}
    changed = with_run(
        failure,
        at(8.0, "client", "run-returned"),
        act(9.0, "called", "state"),
        at(9.0, "server", "state", values={**shown, "execution_status": "finished"}),
        at(9.5, "client", "state-read", values=shown, errors={"stats": "KeyError: no"}),
        act(9.5, "returned", "state"),
    )
    assert told(changed)[-2:] == ["8.0 run() returns", "9.5 state: running, stats raises"]
    differs = Evidence(
        "stale-state", "state-differs", differences=(StateField("cost", "0.01", "0.02"),)
    )
    stale = replace(changed, judgement=Judgement(("stale-state",), (differs,)))
    assert told(stale)[-2:] == [
        "9.0 state: finished, cost 0.01",
        "9.5 state: running, cost 0.01, stats raises",
    ]


@pytest.mark.parametrize("values", [None, "odd", [1], {"execution_status": None}])
def test_a_state_of_an_odd_file_is_told_all_the_same(failure: Failure, values: object) -> None:
    odd = with_run(
        failure,
        at(8.0, "client", "run-returned"),
        at(9.0, "client", "state-read", values=values, errors="odd"),
        at(9.5, "client", "act-raised"),
    )
    assert any(row.startswith("9.0 state:") for row in told(odd))
    assert "something raised" in in_words(odd)


def test_an_act_that_takes_time_or_fails_is_told_where_it_ends(failure: Failure) -> None:
    changed = with_run(
        failure,
        act(3.0, "called", "send-message"),
        at(4.0, "server", "run-started", run=1),
        act(5.0, "raised", "send-message", error="OSError: the\nend"),
        at(10.0, "client", "run-returned"),
    )
    rows = told(changed)
    assert rows[1:4] == [
        "3.0 send_message() called",
        "4.0 run started",
        "5.0 send_message() raises OSError: the end",
    ]
    assert "At 3.0 ms another thread called send_message()." in in_words(changed)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("send-message", "send_message()"),
        ("pause", "pause()"),
        ("interrupt", "interrupt()"),
        ("close", "close()"),
    ],
)
def test_acts_are_told_as_the_calls_that_they_are(failure: Failure, name: str, words: str) -> None:
    changed = with_run(failure, act(3.0, "called", name), at(9.0, "client", "run-returned"))
    assert f"3.0 {words} called" in told(changed)
    assert f"another thread called {words}." in in_words(changed)


def test_an_act_is_a_slice_of_its_own(failure: Failure) -> None:
    changed = with_run(
        failure,
        act(3.0, "called", "pause"),
        act(4.0, "called", "close"),
        act(6.0, "returned", "pause"),
        act(7.0, "raised", "close", error="x"),
        at(9.0, "client", "run-returned"),
    )
    slices = {
        event["name"]: (event["ts"], event["dur"])
        for event in trace_events(changed)["traceEvents"]
        if event["ph"] == "X"
    }
    assert slices["pause()"] == (3_000, 3_000)
    assert slices["close()"] == (4_000, 3_000)


def test_a_callback_that_raises_is_told_as_a_fault_and_ends_its_slice(failure: Failure) -> None:
    changed = with_run(
        failure,
        persisted(1.0, "e", "MessageEvent"),
        at(2.0, "client", "callback", event="e", kind="X"),
        at(5.0, "client", "callback-raised", event="e"),
        at(9.0, "client", "run-returned"),
    )
    assert "5.0 the user's callback raises" in told(changed)
    assert column(changed, "the user's callback raises") == "socket"
    (callback,) = [
        event
        for event in trace_events(changed)["traceEvents"]
        if event["ph"] == "X" and event["name"] == "callback #1"
    ]
    assert (callback["ts"], callback["dur"]) == (2_000, 3_000)


# -- single answers of REST


def spoiled(failure: Failure, answer: str, **detail: object) -> Failure:
    return with_run(
        failure,
        at(3.0, "rest", "request", method="GET", route="GET events/search", number=7),
        at(3.0, "rest", "fault", number=7, **detail),
        at(4.0, "rest", answer, number=7, **({"status": 503} if answer == "answer" else {})),
        at(9.0, "client", "run-returned"),
    )


@pytest.mark.parametrize(
    ("detail", "row", "words"),
    [
        (
            {"action": "status", "status": 503},
            "refused by the proxy: 503",
            "was answered 503 by the proxy",
        ),
        (
            {"action": "delay", "delay_ms": 250.0},
            "held up for 250.0 ms",
            "was held up for 250.0 ms",
        ),
        ({"action": "timeout"}, "swallowed by the proxy", "was never answered"),
        (
            {"action": "truncate"},
            "its answer breaks off",
            "the answer to GET events/search broke off",
        ),
        ({"action": "empty"}, "answered with an empty page", "was answered with an empty page"),
        (
            {"action": "gave-up", "after_s": 1.5},
            "answered 504 by the gateway after 1.5 s",
            "the gateway answered 504 to GET events/search, after 1.5 s",
        ),
        ({"action": "melt"}, "melt", "met a melt"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_proxy_does_is_told_with_its_request(
    failure: Failure, detail: dict[str, object], row: str, words: str
) -> None:
    changed = spoiled(failure, "answer", **detail)
    (line,) = [line for line in told(changed) if "fault:" in line]
    assert line == f"3.0 fault: GET events/search {row}"
    assert column(changed, "fault:") == "REST"
    text = in_words(changed)
    assert "At 3.0 ms " in text
    assert words in text
    # It is no fault of a connection.
    assert "connection" not in text


def test_a_request_without_an_answer_ends_unanswered(failure: Failure) -> None:
    rows = told(spoiled(failure, "unanswered", action="timeout"))
    assert rows[-2].startswith("4.0 GET events/search → no answer")


# -- lengths are no instants


def test_a_length_of_time_is_not_counted_from_run(failure: Failure) -> None:
    """However late `run()` was called, the fault lasts as long as it does."""
    early = with_run(
        failure,
        *spoiled(failure, "answer", action="delay", delay_ms=250.0).happenings[1:-1],
        at(5.0, "network", "fault", action="refuse", link="socket", for_ms=40.0),
        at(9.0, "client", "run-returned"),
    )
    late = replace(
        early,
        happenings=tuple({**h, "at_ms": h["at_ms"] + 500} for h in early.happenings),
    )
    for each in (early, late):
        moved = since_run(each)
        assert [h["at_ms"] for h in moved.happenings] == [h["at_ms"] for h in early.happenings]
        assert [h["delay_ms"] for h in moved.happenings if "delay_ms" in h] == [250.0]
        assert [h["for_ms"] for h in moved.happenings if "for_ms" in h] == [40.0]
    assert in_words(early) == in_words(late)
    assert told(early) == told(late)
    assert "held up for 250.0 ms" in in_words(late)
    assert "for 40.0 ms" in in_words(late)


def test_the_times_of_the_evidence_are_instants(failure: Failure) -> None:
    facts = {"id": "e", "persisted_ms": 510.0, "visible_ms": None, "delay_ms": 3.0}
    evidence = Evidence("late", "so", (facts,))
    changed = replace(
        failure,
        judgement=Judgement(("late",), (evidence,)),
        happenings=(at(500.0, "client", "run-called"),),
    )
    (moved,) = since_run(changed).judgement.evidence[0].events
    assert moved == {"id": "e", "persisted_ms": 10.0, "visible_ms": None, "delay_ms": 3.0}
