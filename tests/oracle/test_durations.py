"""How long acts, requests and events may take, and who held them up."""

from dataclasses import replace
from typing import Any

import pytest
from oracle_rig import OK, Trial, at, judgement, persisted

from race_harness.model.schedule import (
    Caller,
    Fault,
    Interleaving,
    Late,
    LineStall,
    Link,
    Network,
    Schedule,
    ServerTiming,
)
from race_harness.model.trace import Happening
from race_harness.model.verdict import Judgement

STALL, SERVER_STALL = ("stall",), ("server-stall",)
PLAIN = Schedule("by-hand")


def long_run(*happenings: Happening) -> Trial:
    """A run of 100 s with one event before and one behind whatever happens in it."""
    trial = [
        at(0, "socket", "subscribed", peer=1),
        at(110, "client", "run-called", call=1),
        at(111, "server", "run-accepted", run=1),
        at(112, "server", "run-started", run=1),
        *happenings,
        at(100_000, "server", "run-ended", run=1, status="finished"),
        at(100_010, "client", "run-returned", call=1),
        at(110_010, "client", "close-called"),
        at(110_010, "client", "close-returned"),
    ]
    return sorted(trial, key=lambda happening: happening.at_ns)


def judged(*happenings: Happening, schedule: Schedule = PLAIN) -> Judgement:
    return judgement(long_run(*happenings), schedule)


def pause(took_ms: float, *, answered_ms: float | None = None, **request: Any) -> list[Happening]:
    """A pause that begins at 1 s, and its request's answer so long after it."""
    happenings = [
        at(1_000, "client", "act-called", act="pause", number=2),
        at(1_000 + took_ms, "client", "act-returned", act="pause", number=2),
    ]
    if answered_ms is not None:
        asked = {"method": "POST", "route": "POST pause", "number": 5, **request}
        happenings.insert(1, at(1_000, "rest", "request", **asked))
        happenings.append(at(1_000 + answered_ms, "rest", "answer", number=5, status=200))
    return happenings


# -- acts


@pytest.mark.parametrize(
    ("took_ms", "answered_ms", "expected"),
    [
        (9_999, 10, OK),
        (10_100, 10, STALL),
        (10_100, 10_090, SERVER_STALL),
        # Answered at once, and then held up by the client.
        (30_000, 15_000, STALL),
        (30_000, 25_000, SERVER_STALL),
        (30_000, None, STALL),
    ],
)
def test_an_act_that_takes_long_is_told_with_who_held_it_up(
    took_ms: float, answered_ms: float | None, expected: tuple[str, ...]
) -> None:
    found = judged(*pause(took_ms, answered_ms=answered_ms))
    assert found.verdicts == expected
    if expected != OK:
        (evidence,) = found.evidence
        assert (evidence.fact, evidence.act) == ("act-held", "pause()")
        assert evidence.by == ("client" if expected == STALL else "server")
        assert evidence.after_s == took_ms / 1e3


def test_a_request_of_somebody_else_that_was_open_all_the_while_may_be_why() -> None:
    page = {"method": "GET", "route": "GET events/search", "number": 9}
    happenings = [
        *pause(30_000, answered_ms=10),
        at(1_010, "rest", "request", **page),
        at(30_900, "rest", "answer", number=9, status=200),
    ]
    found = judged(*happenings)
    assert found.verdicts == SERVER_STALL
    assert {entry.act for entry in found.evidence} == {"pause()", "GET events/search"}


@pytest.mark.parametrize(
    "schedule",
    [
        replace(PLAIN, network=Network(rest=Link(latency_ms=3_000.0))),
        replace(PLAIN, interleaving=Interleaving(stalls=(LineStall("f", "x", for_ms=20_000.0),))),
        replace(PLAIN, server=ServerTiming(late=(Late("request", for_ms=20_000.0),))),
    ],
    ids=["latency", "a stall at a line", "a busy server"],
)
def test_what_the_schedule_costs_is_nobodys_stall(schedule: Schedule) -> None:
    slow = pause(20_500, answered_ms=10)
    assert judged(*slow).verdicts == STALL
    assert judged(*slow, schedule=schedule).verdicts == OK


def test_what_the_agent_thinks_excuses_no_pause() -> None:
    thinking = replace(PLAIN, server=ServerTiming(think_ms=60_000.0))
    assert judged(*pause(20_500, answered_ms=20_400), schedule=thinking).verdicts == SERVER_STALL
    assert judged(*pause(20_500), schedule=thinking).verdicts == STALL


@pytest.mark.parametrize(
    ("action", "link", "for_ms", "expected"),
    [
        ("half-open", "rest", 0.0, OK),
        ("stall", "rest", 600.0, OK),
        ("stall", "rest", 100.0, STALL),  # It was over by then.
        ("reset", "rest", 0.0, STALL),  # Nobody waits for what is gone.
        ("half-open", "socket", 0.0, STALL),
    ],
)
def test_a_connection_that_says_nothing_explains_the_waiting(
    action: str, link: str, for_ms: float, expected: tuple[str, ...]
) -> None:
    fault = at(500, "network", "fault", action=action, link=link, for_ms=for_ms)
    assert judged(fault, *pause(20_500)).verdicts == expected


def test_a_run_that_does_not_block_is_an_act() -> None:
    trial = long_run()
    assert judgement(trial).verdicts == OK
    starting = replace(PLAIN, caller=Caller(blocking=False))
    found = judgement(trial, starting)
    assert found.verdicts == STALL
    assert found.evidence[0].act == "run()"
    early = [
        replace(h, at_ns=120_000_000) if h.what == "run-returned" else h
        for h in sorted(trial, key=lambda h: h.what != "run-returned")
    ]
    quick = sorted(early, key=lambda h: h.at_ns)
    assert judgement(quick, starting).verdicts == OK


# -- requests


def poll(held_ms: float | None, **detail: Any) -> list[Happening]:
    asked = {"method": "GET", "route": "GET conversation", "number": 7, **detail}
    happenings = [at(2_000, "rest", "request", **asked)]
    if held_ms is not None:
        happenings.append(at(2_000 + held_ms, "rest", "answer", number=7, status=200))
    return happenings


@pytest.mark.parametrize(("held_ms", "expected"), [(9_900, OK), (10_100, SERVER_STALL)])
def test_a_poll_that_is_answered_late_is_the_servers(
    held_ms: float, expected: tuple[str, ...]
) -> None:
    found = judged(*poll(held_ms))
    assert found.verdicts == expected
    if expected != OK:
        assert found.evidence[0].says == "the server held GET conversation up for 10.1 s"


def test_the_longest_of_several_is_told() -> None:
    happenings = [*poll(12_000), *poll(37_000, number=8)]
    happenings[-1] = at(39_000, "rest", "answer", number=8, status=200)
    (evidence,) = judged(*happenings).evidence
    assert evidence.after_s == 37.0


def test_early_releases_answer_the_request_to_run_after_it() -> None:
    assert judged(*poll(90_000, route="POST run")).verdicts == OK


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"action": "timeout"}, OK),
        ({"action": "delay", "delay_ms": 11_000.0}, OK),
        ({"action": "delay", "delay_ms": 1_000.0}, SERVER_STALL),
        ({"action": "status", "status": 503}, SERVER_STALL),
    ],
)
def test_a_fault_of_the_request_is_not_the_servers_doing(
    fault: dict[str, Any], expected: tuple[str, ...]
) -> None:
    asked, answered = poll(20_000)
    struck = at(2_000, "rest", "fault", number=7, **fault)
    assert judged(asked, struck, answered).verdicts == expected


# -- events on their way


def event(published_ms: float, delivered_ms: float, visible_ms: float, given_ms: float) -> Trial:
    """Persisted at 5 s."""
    return [
        persisted(5_000, "thought"),
        at(published_ms, "socket", "frame-sent", event="thought", kind="X", peer=1),
        at(delivered_ms, "socket", "frame-delivered", event="thought", peer=1),
        at(visible_ms, "client", "visible", event="thought"),
        at(given_ms, "client", "callback", event="thought", kind="X"),
    ]


def test_an_event_that_is_there_at_once_is_nothing_to_speak_of() -> None:
    assert judged(*event(5_001, 5_002, 5_003, 5_004)).verdicts == OK


def test_a_frame_that_is_published_late_is_the_servers() -> None:
    late = event(16_000, 16_001, 16_002, 16_003)
    found = judged(*late)
    assert found.verdicts == SERVER_STALL
    assert found.evidence[0].fact == "frame-late"
    # Nobody was there to send it to.
    lost = at(6_000, "socket", "disconnected", peer=1, why="reset")
    back = at(15_000, "socket", "subscribed", peer=2)
    assert judged(*late, lost, back).verdicts == OK
    busy = replace(PLAIN, server=ServerTiming(late=(Late("publication", for_ms=11_000.0),)))
    assert judged(*late, schedule=busy).verdicts == OK


@pytest.mark.parametrize(
    ("visible_ms", "given_ms", "expected"),
    [
        (14_900, 14_950, OK),
        (15_100, 15_150, STALL),
        (5_003, 40_000, STALL),
        # It lets an event of the end wait for the end, which is judged there.
        (99_000, 99_001, STALL),
    ],
)
def test_an_event_that_the_client_shows_late_is_the_clients(
    visible_ms: float, given_ms: float, expected: tuple[str, ...]
) -> None:
    found = judged(*event(5_001, 5_002, visible_ms, given_ms))
    assert found.verdicts == expected
    if expected != OK:
        assert found.evidence[0].fact == "shown-late"
        assert found.evidence[0].by == "client"


def test_an_event_just_before_the_end_is_judged_with_the_end() -> None:
    happenings = [
        persisted(95_000, "thought"),
        at(95_001, "socket", "frame-delivered", event="thought", peer=1),
        at(109_000, "client", "callback", event="thought", kind="X"),
        at(100_005, "client", "visible", event="thought"),
    ]
    assert judged(*happenings).verdicts == OK


def test_a_slow_callback_or_a_page_that_does_not_come_explains_it() -> None:
    late = event(5_001, 5_002, 20_000, 20_001)
    assert judged(*late).verdicts == STALL
    slow = replace(PLAIN, caller=Caller(callback_ms=6_000.0, callback_on="all"))
    assert judged(*late, schedule=slow).verdicts == OK
    asked = at(5_003, "rest", "request", method="GET", route="GET events/search", number=9)
    page = at(19_999, "rest", "answer", number=9, status=200)
    assert judged(*late, asked, page).verdicts == SERVER_STALL
    stalled = replace(
        PLAIN, network=Network(faults=(Fault("stall", link="rest", for_ms=15_000.0),))
    )
    fault = at(5_000, "network", "fault", action="stall", link="rest", for_ms=15_000.0)
    assert judged(*late, fault, schedule=stalled).verdicts == OK


# -- who waits for whom


def test_a_run_that_does_not_block_waits_for_the_answer_of_its_request() -> None:
    starting = replace(PLAIN, caller=Caller(blocking=False))
    asked = at(112, "rest", "request", method="POST", route="POST run", number=3)
    answered = at(100_009, "rest", "answer", number=3, status=409)
    assert judged(asked, answered, schedule=starting).verdicts == SERVER_STALL


def test_whoever_waits_for_a_frame_waits_for_the_server() -> None:
    sending = pause(20_500, answered_ms=10)
    echo = [
        persisted(1_005, "thought"),
        at(21_000, "socket", "frame-sent", event="thought", kind="X", peer=1),
        at(21_001, "socket", "frame-delivered", event="thought", peer=1),
        at(21_002, "client", "callback", event="thought", kind="X"),
        at(21_002, "client", "visible", event="thought"),
    ]
    assert judged(*sending).verdicts == STALL
    assert judged(*sending, *echo).verdicts == SERVER_STALL


def test_an_event_waits_for_those_that_precede_it() -> None:
    first = [
        persisted(4_000, "first"),
        at(19_000, "socket", "frame-delivered", event="first", peer=1),
        at(19_002, "client", "callback", event="first", kind="X"),
        at(19_002, "client", "visible", event="first"),
    ]
    second = event(5_001, 5_002, 19_003, 19_003)
    assert judged(*second).verdicts == STALL
    assert judged(*first, *second).verdicts == OK


def test_a_silence_in_between_explains_an_event_that_is_read_over_rest() -> None:
    late = event(5_001, 5_002, 25_012, 25_012)
    refused = at(5_004, "network", "fault", action="refuse", link="rest", for_ms=20_000.0)
    assert judged(*late).verdicts == STALL
    assert judged(*late, refused).verdicts == OK


def test_a_close_may_wait_for_a_socket_that_says_nothing() -> None:
    closing = [
        at(1_000, "client", "act-called", act="close", number=2),
        at(21_500, "client", "act-returned", act="close", number=2),
    ]
    silent = at(500, "network", "fault", action="half-open", link="socket")
    assert judged(*closing).verdicts == STALL
    assert judged(silent, *closing).verdicts == OK


def test_what_the_schedule_never_answers_is_waited_for_as_long_as_the_client_likes() -> None:
    asked, struck = [
        at(1_000, "rest", "request", method="POST", route="POST pause", number=5),
        at(1_000, "rest", "fault", action="timeout", number=5),
    ]
    given_up = at(81_000, "rest", "unanswered", number=5)
    assert judged(*pause(80_000)).verdicts == STALL
    assert judged(*pause(80_000), asked, struck, given_up).verdicts == OK


def test_a_request_that_is_never_answered_is_held_up_to_the_end() -> None:
    assert judged(*poll(None)).verdicts == SERVER_STALL


def test_a_request_that_its_act_did_not_wait_for_is_told_by_itself() -> None:
    found = judged(*pause(5_000, answered_ms=60_000))
    assert found.verdicts == SERVER_STALL
    assert found.evidence[0].fact == "request-held"
