"""Evidence as facts: its words, its kind, and the cause that it makes."""

from dataclasses import replace

import pytest

from race_harness.model.evidence import FACTS, Cause, Evidence, StateField
from race_harness.model.verdict import Judgement

TWO = ({"id": "a"}, {"id": "b"})

SENTENCES = [
    (
        Evidence("hang", "never-returned", call=2, calls=3, stopped="deadlock after 5 s"),
        "call 2 of run() never returned (deadlock after 5 s)",
        "call # of run() never returned (deadlock after # s)",
    ),
    (
        Evidence("unrun", "no-run", call=1),
        "run() returned and the server never began a run for it",
        "run() returned and the server never began a run for it",
    ),
    (
        Evidence("early", "run-not-over", call=1, begun=True),
        "run() returned while the server's run was still going on",
        "run() returned while the server's run was still going on",
    ),
    (
        Evidence("early", "run-not-over", call=1, begun=False),
        "run() returned while the server's run had not begun",
        "run() returned while the server's run had not begun",
    ),
    (
        Evidence("spurious-error", "failure-not-raised", call=1, status="stuck"),
        "run() returned as if all were well, but the run ended in 'stuck'",
        "run() returned as if all were well, but the run ended in 'stuck'",
    ),
    (
        Evidence("spurious-error", "run-lost", call=2, calls=3),
        "call 2 of run() returned although the server had died in the middle of its run",
        "call # of run() returned although the server had died in the middle of its run",
    ),
    (
        Evidence("server-stall", "left-running", call=1),
        "the server, started again, says for ever that the run in which it died is going on",
        "the server, started again, says for ever that the run in which it died is going on",
    ),
    (
        Evidence("server-stall", "left-unsaved", call=1),
        "the server, whose disk was full, says for ever that the run is going on",
        "the server, whose disk was full, says for ever that the run is going on",
    ),
    (
        Evidence("late", "seen-late", TWO[:1], call=1),
        "1 event persisted before run() returned, visible only afterwards",
        "# events persisted before run() returned, visible only afterwards",
    ),
    (
        Evidence("early", "unseen-at-return", TWO[:1], call=1),
        "1 event persisted before run() returned, and not visible then",
        "# events persisted before run() returned, and not visible then",
    ),
    (
        Evidence(
            "spurious-error",
            "gave-up-early",
            call=1,
            error="TimeoutError: 3 polls",
            after_s=1.005,
            timeout_s=2.0,
        ),
        "run() raised 'TimeoutError: 3 polls' after 1.00 s, before its timeout of 2 s",
        "run() raised 'TimeoutError: # polls' after # s, before its timeout of # s",
    ),
    (
        Evidence("spurious-error", "raised", call=1, error="OSError: gone"),
        "run() raised 'OSError: gone' although the run did not fail",
        "run() raised 'OSError: gone' although the run did not fail",
    ),
    (
        Evidence("stall", "timeout-overrun", call=1, after_s=3.14159, timeout_s=2.5),
        "run() ended after 3.14 s, its timeout was 2.5 s",
        "run() ended after # s, its timeout was # s",
    ),
    (
        Evidence("stall", "ended-late", call=1, ended="raised", after_s=12.34),
        "run() raised 12.3 s after the server was done",
        "run() raised # s after the server was done",
    ),
    (
        Evidence("failed", "test-failed", error="AssertionError: assert 1 == 2", where="f: x"),
        "AssertionError: assert 1 == 2 at f: x",
        "AssertionError at f: x",
    ),
    (
        Evidence("error", "teardown-failed", error="OSError: 7", where="f: close()"),
        "teardown: OSError: 7 at f: close()",
        "teardown: OSError at f: close()",
    ),
    (
        Evidence("thread-died", "thread-died", error="KeyError: 3", where="f: x", thread="t-1"),
        "thread 't-1' died of KeyError: 3 at f: x",
        "thread 't-#' died of KeyError at f: x",
    ),
    (
        Evidence("hang", "test-hung", stopped="virtual-time limit: 300 s"),
        "the test never ended (virtual-time limit: 300 s)",
        "the test never ended (virtual-time limit: # s)",
    ),
    (
        Evidence("lost", "never-seen", TWO),
        "2 events persisted and never visible",
        "# events persisted and never visible",
    ),
    (
        Evidence("missed-callback", "no-callback", TWO),
        "2 events in state.events that no callback was given",
        "# events in state.events that no callback was given",
    ),
    (
        Evidence("duplicate-callback", "given-twice", TWO[:1]),
        "1 event given to the callback more than once",
        "# events given to the callback more than once",
    ),
    (
        Evidence("duplicate-callback", "shown-twice", TWO, client=2),
        "client 2, which looks on: 2 events shown more than once",
        "client 2, which looks on: # events shown more than once",
    ),
    (
        Evidence("out-of-order", "callbacks-swapped", TWO),
        "callbacks came in another order than the server's log",
        "callbacks came in another order than the server's log",
    ),
    (
        Evidence("late", "own-message-late", TWO[:1], act="send_message()"),
        "the caller's own message was not visible when send_message() returned",
        "the caller's own message was not visible when send_message() returned",
    ),
    (
        Evidence("stall", "act-held", act="pause()", after_s=35.0, by="client"),
        "pause() took 35.0 s: the client held it up",
        "pause() took # s: the client held it up",
    ),
    (
        Evidence(
            "server-stall", "request-held", act="GET conversation", after_s=37.0, by="server"
        ),
        "the server held GET conversation up for 37.0 s",
        "the server held GET conversation up for # s",
    ),
    (
        Evidence("server-stall", "frame-late", TWO, after_s=12.0, by="server"),
        "2 events published up to 12.0 s late: the server held them up",
        "# events published up to # s late: the server held them up",
    ),
    (
        Evidence("stall", "shown-late", TWO, after_s=12.0, by="client"),
        "2 events reached the caller up to 12.0 s after the frame, while the run went on: the "
        "client held them up",
        "# events reached the caller up to # s after the frame, while the run went on: the client "
        "held them up",
    ),
    (
        Evidence(
            "stale-state",
            "state-differs",
            differences=(
                StateField("execution_status", '"running"', '"finished"'),
                StateField("cost", "0.01", "0.02"),
                StateField("stats", "raises RuntimeError: no"),
            ),
        ),
        'state shows execution_status "running" instead of "finished", cost 0.01 instead of 0.02; '
        "reading state.stats raises RuntimeError: no",
        'state shows execution_status "running" instead of "finished", cost # instead of #; '
        "reading state.stats raises RuntimeError: no",
    ),
    (
        Evidence("hang", "act-never-returned", act="pause()", stopped="the limit"),
        "pause() never returned (the limit)",
        "pause() never returned (the limit)",
    ),
    (
        Evidence(
            "explained",
            "act-raised",
            act="send_message()",
            error="HTTPStatusError: 503",
            reason="POST events was spoiled (status 503)",
            undone=("run() 2 of 2",),
        ),
        "send_message() raised 'HTTPStatusError: 503', because POST events was spoiled (status "
        "503); so run() 2 of 2 did not happen",
        "send_message() raised 'HTTPStatusError: #', because POST events was spoiled (status #); "
        "so run() # of # did not happen",
    ),
    (
        Evidence("out-of-order", "events-swapped", TWO),
        "state.events is in another order than the server's log",
        "state.events is in another order than the server's log",
    ),
]


@pytest.mark.parametrize(
    ("evidence", "says", "kind_says"), SENTENCES, ids=[entry.fact for entry, _, _ in SENTENCES]
)
def test_a_fact_in_words_and_without_its_numbers(
    evidence: Evidence, says: str, kind_says: str
) -> None:
    assert evidence.says == says
    assert evidence.kind.kind_says == kind_says


def test_every_fact_is_told() -> None:
    assert {entry.fact for entry, _, _ in SENTENCES} == set(FACTS)


@pytest.mark.parametrize("evidence", [entry for entry, _, _ in SENTENCES], ids=lambda e: e.fact)
def test_the_json_form_holds_all_and_the_words(evidence: Evidence) -> None:
    data = evidence.to_dict()
    assert data["says"] == evidence.says
    assert None not in data.values()
    assert Evidence.from_dict(data) == evidence


@pytest.mark.parametrize(
    ("says", "call"),
    [
        ("run() returned while the server's run was still going on", None),
        ("call 2 of run() never returned (a deadlock)", 2),
    ],
)
def test_a_sentence_of_an_older_file_is_told_as_it_is(says: str, call: int | None) -> None:
    read = Evidence.from_dict({"verdict": "early", "says": says, "events": [{"id": "a"}]})
    assert (read.says, read.call, read.events) == (says, call, ({"id": "a"},))


def cause(*evidence: Evidence) -> Cause:
    verdicts = tuple(dict.fromkeys(entry.verdict for entry in evidence))
    return Judgement(verdicts, evidence).cause


@pytest.mark.parametrize(
    "change",
    [
        {"events": TWO},
        {"call": 3},
        {"calls": 7},
        {"after_s": 17.0},
        {"timeout_s": 1.5},
        {"error": "OSError: 111 of 12 events"},
        {"stopped": "after 9 s"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_numbers_make_no_other_cause(change: dict[str, object]) -> None:
    one = Evidence(
        "late",
        "seen-late",
        TWO[:1],
        call=2,
        calls=2,
        error="OSError: 98 of 1 event",
        stopped="after 5 s",
        after_s=1.0,
        timeout_s=2.0,
    )
    assert cause(replace(one, **change)) == cause(one)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "lost"},
        {"fact": "never-seen"},
        {"calls": 1},
        {"ended": "raised"},
        {"error": "TypeError: no"},
        {"stopped": "the limit"},
        {"status": "error"},
        {"begun": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_no_number_makes_another_cause(change: dict[str, object]) -> None:
    one = Evidence("late", "seen-late", TWO, call=1, calls=2)
    assert cause(replace(one, **change)) != cause(one)  # type: ignore[arg-type]


def test_an_older_file_has_the_cause_of_a_new_one_in_words() -> None:
    new = Evidence("late", "seen-late", TWO, call=1)
    old = Evidence("late", new.says, TWO[:1])
    assert str(cause(old)) == str(cause(new))


def test_no_cause_without_a_failure() -> None:
    for verdicts in ((), ("ok",)):
        assert not Judgement(verdicts).cause
    assert str(Cause()) == ""


@pytest.mark.parametrize(
    ("other", "same"),
    [("0361c9ae-8107-44fc-ae10-72064f559a5a", True), ("conversation-a", False)],
)
def test_an_error_is_the_same_in_another_conversation(other: str, same: bool) -> None:
    def raised(conversation: str) -> Evidence:
        return Evidence("spurious-error", "raised", call=1, error=f"Error: 504 for {conversation}")

    mine = raised("bafe0c1d-dead-4eef-8bad-c0ffeec0ffee")
    assert (mine.kind == raised(other).kind) == same
