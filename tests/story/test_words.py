"""The words must be true to the trace: order, times and what became of each event."""

from dataclasses import replace

import pytest
from story_rig import Happening, at, persisted, poll, seen, with_run

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.schedule import Fault, Moment, Network
from race_harness.model.verdict import Judgement
from race_harness.story.words import in_words


def judged(failure: Failure, verdict: str, *events: str, says: str = "so it is") -> Failure:
    evidence = Evidence(verdict, says, tuple({"id": event} for event in events))
    return replace(failure, judgement=Judgement((verdict,), (evidence,)))


def sent(at_ms: float, event: str) -> Happening:
    return at(at_ms, "socket", "frame-sent", event=event, kind="any", peer="client")


def test_a_late_event_is_told_whole(failure: Failure) -> None:
    assert in_words(failure) == (
        "The server assigned `finished` 2501.2 ms after run() was called, and had persisted 3 "
        "events by then. The last poll, at 3024.0 ms (asked at 3023.0), said `finished`, and "
        "run() returned at 3024.0 ms. When run() returned, #2 and #3 were persisted and not "
        "visible. The frames of #2 and #3 had not been sent yet and reached the client 2477.0 to "
        "2477.5 ms later."
    )


def test_times_count_from_run_wherever_it_was_called(failure: Failure) -> None:
    moved = tuple({**entry, "at_ms": entry["at_ms"] + 500} for entry in failure.happenings)
    assert in_words(replace(failure, happenings=moved)) == in_words(failure)


@pytest.mark.parametrize(
    ("after_return", "before_return", "says"),
    [
        (
            seen(9.0, "e"),
            [sent(3.0, "e")],
            "The frame of #1 was on the way and reached the client 4",
        ),
        (
            [at(9.0, "client", "visible", event="e")],
            [sent(3.0, "e"), at(4.0, "socket", "frame-delivered", event="e")],
            "#1 had reached the client already and became visible 4.0 ms later.",
        ),
        (
            [sent(6.0, "e"), *seen(7.0, "e")[:1], at(9.0, "client", "visible", event="e")],
            [],
            "had not been sent yet and reached the client 2.0 ms later; it became visible 4.0 ms",
        ),
        (
            [at(9.0, "client", "visible", event="e")],
            [sent(3.0, "e")],
            "The frame of #1 never arrived; it became visible 4.0 ms later.",
        ),
        (
            seen(5.0, "e"),
            [sent(3.0, "e")],
            "reached the client in the same instant, but after it.",
        ),
    ],
)
def test_a_late_event_was_somewhere(
    failure: Failure, after_return: list[Happening], before_return: list[Happening], says: str
) -> None:
    changed = with_run(
        failure,
        persisted(2.0, "e", "MessageEvent"),
        *before_return,
        at(5.0, "client", "run-returned"),
        *after_return,
    )
    assert says in in_words(judged(changed, "late", "e"))


@pytest.mark.parametrize(
    ("way", "says"),
    [
        ([], "no frame of it was ever sent"),
        ([sent(3.0, "e")], "the frame was sent and never arrived"),
        (
            [sent(3.0, "e"), at(4.0, "socket", "frame-delivered", event="e")],
            "the frame reached the client, which did not show it",
        ),
    ],
)
def test_a_lost_event_was_lost_somewhere(
    failure: Failure, way: list[Happening], says: str
) -> None:
    changed = with_run(
        failure, persisted(2.0, "e", "MessageEvent"), *way, at(9.0, "client", "run-returned")
    )
    text = in_words(judged(changed, "lost", "e"))
    assert f"#1 was persisted and never became visible: {says}." in text


@pytest.mark.parametrize(
    ("moment", "says"),
    [
        (
            Moment("request-answered", 2, request="POST /votes"),
            "At 3.0 ms, when POST /votes was answered for the 2nd time, the REST connection was",
        ),
        (
            Moment("request-sent", after_ms=1.5),
            "At 3.0 ms, 1.5 ms after a request was sent, the REST",
        ),
        (
            Moment("frame-up", 11, socket=2),
            "when the client sent a frame of socket no. 2 for the 11th time, the REST connection",
        ),
        (
            Moment("connection-opened", 3, link="raw"),
            "when a raw connection was opened for the 3rd time, the REST connection",
        ),
    ],
)
def test_a_fault_of_the_wire_tells_its_moment(failure: Failure, moment: Moment, says: str) -> None:
    network = Network(faults=(Fault("reset"), Fault("reset", moment, there=True)))
    changed = replace(
        with_run(
            failure,
            at(3.0, "network", "fault", action="reset", link="rest", peer=7, fault=1),
            at(5.0, "client", "run-returned"),
        ),
        schedule=replace(failure.schedule, network=network),
    )
    assert says in in_words(changed)
    # One whose number says nothing is told without.
    plain = replace(changed, schedule=failure.schedule)
    assert "At 3.0 ms the REST connection was reset." in in_words(plain)


def test_an_early_return_says_when_the_run_was(failure: Failure) -> None:
    early = judged(failure, "early")
    changed = with_run(
        early,
        *poll(1, 1.0, "idle"),
        at(3.0, "client", "run-returned"),
        at(10.0, "server", "run-started", run=1),
        at(20.0, "server", "run-ended", run=1, status="finished"),
    )
    text = in_words(changed)
    assert "The only poll, at 2.0 ms (asked at 1.0), said `idle`" in text
    assert "had not begun then: it began at 10.0 ms, 7.0 ms later, and ended at 20.0 ms." in text
    assert "assigned" not in text
    going_on = with_run(
        early, at(1.0, "server", "run-started", run=1), at(3.0, "client", "run-returned")
    )
    assert "The server's run had begun at 1.0 ms and never ended." in in_words(going_on)
    never = with_run(judged(failure, "unrun"), at(3.0, "client", "run-returned"))
    assert "run() returned at 3.0 ms; no poll had been answered. The server never began" in (
        in_words(never)
    )


def test_a_fault_says_whether_the_socket_came_back(failure: Failure) -> None:
    fault = at(1.0, "network", "fault", action="reset", link="socket", peer="client")
    back = at(700.0, "socket", "subscribed", peer="client")
    gone = with_run(failure, fault, at(9.0, "client", "run-returned"))
    assert "At 1.0 ms the socket connection was reset, and no socket was subscribed" in (
        in_words(gone)
    )
    assert "was reset; the next was subscribed at 700.0 ms." in in_words(
        replace(gone, happenings=(*gone.happenings, back))
    )
    stalled = with_run(failure, {**fault, "action": "stall", "link": "rest"})
    assert "the REST connection stalled. " in in_words(stalled)


def test_run_may_raise_or_never_end(failure: Failure) -> None:
    raised = with_run(failure, at(3.0, "client", "run-raised", error="Oh:\n no"))
    assert "run() raised Oh: no at 3.0 ms" in in_words(raised)
    hang = with_run(judged(failure, "hang", says="run() never returned"), *poll(1, 7.0, "idle"))
    assert "run() had not returned when the trial ended at 8.0 ms. run() never returned." in (
        in_words(hang)
    )


def test_callbacks_missed_and_doubled_are_told(failure: Failure) -> None:
    events = [persisted(1.0, "a", "MessageEvent"), persisted(2.0, "b", "MessageEvent")]
    visible = [at(3.0, "client", "visible", event=event) for event in ("a", "b")]
    delivered = at(2.5, "socket", "frame-delivered", event="b")
    changed = with_run(failure, *events, delivered, *visible, at(4.0, "client", "run-returned"))
    text = in_words(judged(changed, "missed-callback", "a", "b"))
    assert (
        "#1 became visible at 3.0 ms and was never given to the callback; no frame of it" in text
    )
    assert (
        "#2 became visible at 3.0 ms and was never given to the callback; the frame of it" in text
    )
    twice = [at(2.5, "client", "callback", event="a", kind="any")] * 2
    doubled = with_run(failure, *events, *twice, at(4.0, "client", "run-returned"))
    assert "The callback was called 2 times with #1 MessageEvent." in in_words(
        judged(doubled, "duplicate-callback", "a")
    )


def test_other_verdicts_are_told_in_the_oracles_words(failure: Failure) -> None:
    assert in_words(judged(failure, "stall", says="it took\n ages")).endswith(" it took ages.")


def test_a_file_without_run_is_told_as_such(failure: Failure) -> None:
    assert in_words(replace(failure, happenings=(), judgement=Judgement(("ok",)))) == (
        "run() was never called. The oracle found nothing to blame the client for."
    )
