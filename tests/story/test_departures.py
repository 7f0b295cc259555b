"""What a story says of the schedule: new connections, several calls, its fields in words."""

from dataclasses import replace

import pytest
from meanwhile_rig import act, column, judged, told
from story_rig import at, persisted, poll, seen, with_run

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
    ProcessEvent,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
    Turn,
)
from race_harness.story.drawing import drawing
from race_harness.story.facts import blamed_call
from race_harness.story.fields import differences
from race_harness.story.mermaid import sequence_diagram
from race_harness.story.perfetto import trace_events
from race_harness.story.timeline import timeline_text
from race_harness.story.words import in_words

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
