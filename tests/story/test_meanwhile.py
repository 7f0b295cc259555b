"""What else goes on in a trial, in every telling: acts, spoiled answers, other calls, refusals."""

import re
from dataclasses import replace

import pytest
from story_rig import Happening, at, persisted, poll, seen, with_run

from race_harness.model.evidence import Evidence, StateField
from race_harness.model.failure import Failure
from race_harness.model.schedule import (
    Act,
    Caller,
    ConnectionLink,
    Fault,
    Interleaving,
    LineStall,
    Moment,
    Network,
    OtherAct,
    ProcessEvent,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
    Turn,
    Watcher,
)
from race_harness.model.verdict import Judgement
from race_harness.story.drawing import drawing
from race_harness.story.facts import blamed_call, since_run
from race_harness.story.fields import differences
from race_harness.story.mermaid import sequence_diagram
from race_harness.story.perfetto import trace_events
from race_harness.story.timeline import timeline_text
from race_harness.story.words import in_words


def told(failure: Failure) -> list[str]:
    """The table's rows, wide enough that none wraps."""
    lines = timeline_text(failure, width=250).splitlines()
    return [" ".join(line.split()) for line in lines if re.match(r"\s*\d+\.\d ", line)]


def column(failure: Failure, words: str) -> str:
    lines = timeline_text(failure, width=250).splitlines()
    (heading,) = [line for line in lines if "client thread" in line]
    (line,) = [line for line in lines if re.match(r"\s*\d+\.\d ", line) and words in line]
    names = ("client", "socket", "REST", "server")
    return [n for n in names if heading.index(n) <= line.index(words)][-1]


def judged(
    failure: Failure, verdict: str, fact: str, *events: str, call: int | None = None
) -> Failure:
    evidence = Evidence(verdict, fact, tuple({"id": event} for event in events), call, calls=2)
    return replace(failure, judgement=Judgement((verdict,), (evidence,)))


def act(at_ms: float, what: str, name: str, **detail: str) -> Happening:
    return at(at_ms, "client", f"act-{what}", act=name, **detail)


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


# -- what new connections meet


@pytest.mark.parametrize(
    ("detail", "row", "words"),
    [
        (
            {"action": "refuse", "for_ms": 750.0},
            "fault: refuse for 750.0 ms",
            "the socket connection could not be made again for 750.0 ms.",
        ),
        (
            {"action": "reject", "code": 4001, "peer": 2},
            "fault: reject 4001",
            "the socket connection was refused with code 4001 when it came back",
        ),
        (
            {"action": "close", "code": 1012, "peer": 2},
            "fault: close 1012",
            "the socket connection was closed with code 1012",
        ),
        (
            {"action": "stall", "way": "down", "for_ms": 9.0, "peer": 2},
            "fault: stall to the client for 9.0 ms",
            "the socket connection stalled on the way to the client.",
        ),
        (
            {"action": "half-open", "way": "up", "peer": 2},
            "fault: half-open to the server",
            "the socket connection went silent on the way to the server without either end",
        ),
        (
            {"action": "idle-closed", "peer": 2},
            "fault: idle-closed",
            "the socket connection was closed by the gateway, since it had been idle for too long",
        ),
        (
            {"action": "turned-away", "peer": 2},
            "fault: turned-away",
            "the socket connection was turned away by the gateway, which takes no",
        ),
        (
            {"action": "interject", "peer": 2},
            "fault: interject",
            "the socket connection carried a frame of the gateway's own, which is no JSON.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals_and_codes_are_told(
    failure: Failure, detail: dict[str, object], row: str, words: str
) -> None:
    fault = at(3.0, "network", "fault", link="socket", **detail)
    changed = with_run(failure, fault, at(9.0, "client", "run-returned"))
    assert told(changed)[1] == f"3.0 {row}"
    text = in_words(changed)
    assert f"At 3.0 ms {words}" in text
    after = "no socket was subscribed after that"
    # A refusal says by itself for how long; of a rejection one wants to know what came next.
    comes_back = detail["action"] not in ("refuse", "stall", "interject")
    assert (after in text) is comes_back
    back = with_run(
        failure, fault, at(5.0, "socket", "subscribed", peer=3), at(9.0, "client", "run-returned")
    )
    assert ("the next was subscribed at 5.0 ms" in in_words(back)) is comes_back


# -- several calls


def two_calls(failure: Failure) -> Failure:
    """The second returns while its only event is on the way."""
    return replace(
        failure,
        happenings=(
            at(0.0, "client", "run-called", call=1),
            at(1.0, "server", "run-started", run=1),
            *poll(1, 2.0, "running"),
            at(5.0, "server", "run-ended", run=1, status="finished"),
            at(6.0, "client", "run-returned", call=1),
            at(100.0, "client", "run-called", call=2),
            at(101.0, "server", "run-started", run=2),
            *poll(2, 102.0, "finished"),
            persisted(104.0, "e", "MessageEvent"),
            at(105.0, "server", "run-ended", run=2, status="stuck"),
            at(106.0, "client", "run-returned", call=2),
            *seen(109.0, "e"),
        ),
    )


def test_each_call_has_its_number(failure: Failure) -> None:
    rows = told(two_calls(failure))
    assert [row for row in rows if "run() no." in row] == [
        "0.0 run() no. 1 called",
        "6.0 run() no. 1 returns",
        "100.0 run() no. 2 called",
        "106.0 run() no. 2 returns",
    ]
    assert "1.0 run 1 started" in rows
    assert not [row for row in told(failure) if "run() no." in row]


def test_a_call_that_never_ends_is_told_though_another_did(failure: Failure) -> None:
    whole = two_calls(failure).happenings
    hang = [h for h in whole if not (h["what"] == "run-returned" and h["call"] == 2)]
    rows = told(replace(failure, happenings=tuple(hang)))
    assert rows[-1].endswith("run() has not returned")
    assert not any("has not returned" in row for row in told(two_calls(failure)))


@pytest.mark.parametrize(
    ("call", "begin", "end"),
    [
        (2, 6, 12),
        (1, 0, 5),
        (None, 0, 5),
        # As it would be if the trial knew of a third.
        (3, None, None),
    ],
)
def test_the_blamed_call_is_the_one_that_the_evidence_names(
    failure: Failure, call: int | None, begin: int | None, end: int | None
) -> None:
    subject = judged(two_calls(failure), "late", "seen-late", "e", call=call)
    assert blamed_call(subject) == (begin, end)


def test_the_words_are_about_the_blamed_call(failure: Failure) -> None:
    text = in_words(judged(two_calls(failure), "late", "seen-late", "e", call=2))
    assert "The server assigned `stuck`" in text
    assert "The only poll, at 103.0 ms (asked at 102.0), said `finished`" in text
    assert "run() returned at 106.0 ms" in text
    assert "reached the client 3.0 ms later" in text
    first = in_words(judged(two_calls(failure), "early", "run-not-over", call=1))
    assert "The server assigned `finished`" in first
    assert "run() returned at 6.0 ms" in first


def test_two_calls_at_once_are_two_slices(failure: Failure) -> None:
    changed = replace(
        failure,
        happenings=(
            at(0.0, "client", "run-called", call=1),
            at(3.0, "client", "run-called", call=2),
            at(5.0, "client", "run-returned", call=1),
            at(9.0, "client", "run-raised", call=2, error="x"),
        ),
    )
    events = trace_events(changed)["traceEvents"]
    slices = [(e["ts"], e["dur"]) for e in events if e["ph"] == "X" and e["name"] == "run()"]
    assert slices == [(0, 5_000), (3_000, 6_000)]
    assert drawing(changed).findall(".//g[@class='bar']") != []


@pytest.mark.parametrize("tell", [sequence_diagram, in_words, timeline_text, trace_events])
def test_every_telling_takes_all_of_it_at_once(failure: Failure, tell: object) -> None:
    extra = (
        act(101.5, "called", "interrupt"),
        at(101.6, "rest", "fault", action="truncate", number=2),
        at(101.7, "network", "fault", action="reject", link="socket", code=4004, peer=9),
        at(101.8, "client", "callback-raised", event="e"),
    )
    both = sorted([*two_calls(failure).happenings, *extra], key=lambda h: h["at_ms"])
    assert str(tell(replace(failure, happenings=tuple(both))))  # type: ignore[operator]


# -- the schedule's fields in words


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (
            Schedule("x", caller=Caller(acts=(Act("pause", Moment("run-started", 1, 5.0)),))),
            "caller.acts[0] = pause at run-started + 5.0 ms (benign: none)",
        ),
        (
            Schedule("x", rest=(RestFault("status", "run", status=429, acted=False),)),
            "rest[0] = 429 to request run no. 1 since run-called, kept from the server "
            "(benign: none)",
        ),
        (
            Schedule("x", rest=(RestFault("delay", nth=2, times=3, since="start", delay_ms=7.5),)),
            "rest[0] = 7.5 ms more for request conversation no. 2 to 4 (benign: none)",
        ),
        (
            Schedule("x", network=Network(faults=(Fault("refuse", for_ms=40.0),))),
            "network.faults[0] = refuse (40.0 ms) of socket at run-called (benign: none)",
        ),
        (
            Schedule(
                "x", network=Network(faults=(Fault("reject", Moment("subscribed", 2), code=4001),))
            ),
            "network.faults[0] = reject (code 4001) of socket at subscribed no. 2 (benign: none)",
        ),
        (
            Schedule("x", network=Network(connections=(ConnectionLink(300.0, kind="rest"),))),
            "network.connections[0] = rest no. 2: latency_ms 300.0 (benign: none)",
        ),
        (
            Schedule("x", script=Script(later=(Turn(outcome="stuck", tool_calls=2),))),
            "script.later[0] = tool_calls 2, outcome stuck (benign: none)",
        ),
        (
            Schedule("x", interleaving=Interleaving(stalls=(LineStall("C.f", "x = 1", 2, 9.0),))),
            "interleaving.stalls[0] = 9.0 ms in C.f at `x = 1` no. 2 (benign: none)",
        ),
    ],
    ids=lambda value: value.split(" = ")[0] if isinstance(value, str) else "",
)
def test_what_differs_from_benign_is_readable(schedule: Schedule, says: str) -> None:
    assert differences(schedule) == [says]


def test_what_happens_to_the_process_of_the_server_is_told_in_every_form(
    failure: Failure,
) -> None:
    event = ProcessEvent("freeze", Moment("run-started", after_ms=50.0), 1_500.0)
    failure = with_run(
        failure, at(160.0, "server", "frozen", for_ms=1_500.0), at(1_660.0, "server", "thawed")
    )
    schedule = replace(failure.schedule, server=ServerTiming(process=(event,)))
    failure = replace(failure, schedule=schedule)
    assert any("the process is frozen for 1500.0 ms" in row for row in told(failure))
    assert any("the process goes on" in row for row in told(failure))
    assert column(failure, "the process is frozen") == "server"
    assert "the server's process was frozen for 1500.0 ms." in in_words(failure)
    paused = with_run(failure, at(160.0, "server", "frozen", for_ms=1_500.0, clock="stands"))
    assert any("the process is frozen, and its clock stands, for 1500" in r for r in told(paused))
    words = "the server's machine stood still, and its clock with it, for 1500.0 ms."
    assert words in in_words(paused)
    dead = with_run(
        failure,
        at(160.0, "server", "crashed", for_ms=1_500.0),
        at(1_660.0, "server", "restarted", status="error"),
    )
    assert any("the process dies, for 1500.0 ms" in row for row in told(dead))
    assert any("started again: status error" in row for row in told(dead))
    assert "At 1660.0 ms it was back, and its status was `error`." in in_words(dead)
    stepped = with_run(failure, at(160.0, "server", "clock-stepped", by_ms=-1_500.0))
    assert any("the clock is set by -1500.0 ms" in row for row in told(stepped))
    assert "the server's clock was set by -1500.0 ms." in in_words(stepped)
    full = with_run(
        failure,
        at(160.0, "server", "disk-filled", for_ms=1_500.0),
        at(165.0, "server", "unwritten", event="e-lost", kind="MessageEvent"),
        at(170.0, "server", "unsaved"),
        at(1_660.0, "server", "disk-freed"),
        at(1_670.0, "server", "saved"),
    )
    for says in ("the disk is full, for 1500.0 ms", "the disk has space again"):
        assert any(says in row for row in told(full))
    for says in ("MessageEvent cannot be written", "the state cannot be saved", "is saved again"):
        assert any(says in row for row in told(full))
    assert "the disk of the server's machine was full, for 1500.0 ms" in in_words(full)
    gone = with_run(failure, at(1_660.0, "server", "restarted", status=None))
    assert any("started again: knows no conversation" in row for row in told(gone))
    assert "did not know the conversation any more." in in_words(gone)
    says = "server.process[0] = freeze (1500.0 ms) at run-started + 50.0 ms (benign: none)"
    assert says in differences(schedule)
    schedule = replace(schedule, server=ServerTiming(process=(replace(event, clock="stands"),)))
    says = "server.process[0] = freeze (1500.0 ms, clock and all) at run-started + 50.0 ms"
    assert f"{says} (benign: none)" in differences(schedule)
    step = ProcessEvent("clock-step", Moment("run-started"), by_ms=1_500.0)
    schedule = replace(schedule, server=ServerTiming(process=(step,)))
    says = "server.process[0] = clock-step (+1500.0 ms) at run-started (benign: none)"
    assert says in differences(schedule)
