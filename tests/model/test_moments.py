"""Moments: which happening is which, which time counts, and from where."""

from typing import Any

import pytest

from race_harness.model.moments import NAMES, Moments
from race_harness.model.schedule import Moment
from race_harness.model.trace import Trace

Happening = tuple[str, str, dict[str, Any]]

CALLED: Happening = ("client", "run-called", {"call": 1})
PERSISTED: Happening = ("server", "persisted", {"event": "e"})


def answer(number: int, **detail: Any) -> Happening:
    return ("rest", "answer", {"number": number, **detail})


def request(number: int, route: str) -> Happening:
    return ("rest", "request", {"number": number, "route": route})


def came(moment: Moment, *happenings: Happening) -> list[int]:
    """At which of these happenings the moment came, counted from one."""
    trace = Trace(lambda: len(trace.happenings))
    found: list[int] = []
    Moments(trace).when(moment, lambda: found.append(len(trace.happenings)))
    for lane, what, detail in happenings:
        trace.record(lane, what, **detail)
    return found


@pytest.mark.parametrize(("lane", "what"), NAMES)
def test_a_happening_is_the_moment_of_its_lane_and_name_only(lane: str, what: str) -> None:
    moment = Moment(NAMES[lane, what])  # type: ignore[arg-type]
    assert came(moment, ("other", what, {}), (lane, "other", {}), (lane, what, {})) == [3]


def test_a_moment_comes_once_the_nth_time() -> None:
    assert came(Moment("persisted"), PERSISTED, PERSISTED, PERSISTED) == [1]
    assert came(Moment("persisted", nth=3), PERSISTED, CALLED, PERSISTED, PERSISTED) == [4]
    assert came(Moment("persisted", nth=4), PERSISTED, PERSISTED, PERSISTED) == []


def test_a_run_that_raises_has_returned_too() -> None:
    ends: list[Happening] = [("client", "run-raised", {}), ("client", "run-returned", {})]
    assert came(Moment("run-returned", nth=2), *ends) == [2]


def test_since_run_called_counts_from_the_first_call() -> None:
    moment = Moment("persisted", nth=2, since="run-called")
    assert came(moment, PERSISTED, PERSISTED, PERSISTED) == []
    assert came(moment, PERSISTED, PERSISTED, CALLED, PERSISTED, PERSISTED) == [5]
    assert came(moment, PERSISTED, CALLED, PERSISTED, CALLED, PERSISTED) == [5]
    # What was there before counts with `start` alone.
    start = Moment("persisted", nth=2)
    assert came(start, PERSISTED, CALLED, PERSISTED, PERSISTED) == [3]


def test_the_call_itself_is_the_first_since_it_was_called() -> None:
    moment = Moment("run-called", since="run-called")
    assert came(moment, PERSISTED, CALLED, CALLED) == [2]
    second = Moment("run-called", nth=2, since="run-called")
    assert came(second, CALLED, PERSISTED, CALLED) == [3]


def test_a_poll_is_an_answer_that_tells_the_status() -> None:
    moment = Moment("polled", nth=2)
    assert came(
        moment,
        request(1, "GET conversation"),
        answer(1, execution_status="idle"),
        request(2, "GET events/search"),
        answer(2),
        request(3, "GET conversation"),
        answer(3, status=503),
        answer(4, execution_status="running"),
    ) == [7]


def test_the_answer_of_the_run_is_told_apart_by_its_number() -> None:
    happenings = [
        request(1, "GET conversation"),
        request(2, "POST run"),
        answer(1, execution_status="idle"),
        answer(2, status=409),
        request(3, "POST run"),
        ("rest", "unanswered", {"number": 3}),
        request(4, "POST run"),
        answer(4),
    ]
    assert came(Moment("run-answered"), *happenings) == [4]
    # Without an answer it was not answered.
    assert came(Moment("run-answered", nth=2), *happenings) == [8]
    assert came(Moment("run-answered", nth=3), *happenings) == []


def test_after_ms_is_for_others_to_wait() -> None:
    assert came(Moment("run-called", after_ms=500), CALLED, PERSISTED) == [1]


def test_several_wait_each_for_its_own() -> None:
    trace = Trace(lambda: 0)
    moments = Moments(trace)
    found: list[str] = []
    for moment in (Moment("persisted"), Moment("run-called"), Moment("persisted", nth=2)):
        moments.when(moment, lambda moment=moment: found.append(f"{moment.what} {moment.nth}"))  # type: ignore[misc]
    moments.when(Moment("persisted"), lambda: found.append("and another"))
    for lane, what, detail in (PERSISTED, CALLED, PERSISTED):
        trace.record(lane, what, **detail)
    assert found == ["persisted 1", "and another", "run-called 1", "persisted 2"]


def test_what_happens_at_a_moment_may_itself_be_a_moment() -> None:
    trace = Trace(lambda: 0)
    moments = Moments(trace)
    found: list[str] = []
    moments.when(Moment("run-called"), lambda: void(trace.record("server", "persisted")))
    moments.when(Moment("persisted"), lambda: found.append("persisted"))
    trace.record("client", "run-called")
    assert found == ["persisted"]


def test_a_trace_without_anybody_waiting_is_not_listened_to() -> None:
    trace = Trace(lambda: 0)
    moments = Moments(trace)
    assert trace.listeners == []
    for _ in range(2):
        moments.when(Moment(), lambda: None)
    assert len(trace.listeners) == 1


def on_wire(
    moment: Moment, *told: tuple[str, int, dict[str, Any]], called_after: int = 0
) -> list[tuple[int, int | None]]:
    """At which of these (what, peer, detail) the moment came, counted from one, and on which
    connection. `run()` is called after so many of them."""
    trace, found = Trace(lambda: 0), []
    Moments(trace).when_there(moment, lambda peer: found.append((number, peer)))
    for number, (what, peer, detail) in enumerate(told, 1):
        trace.tell("wire", what, peer=peer, **detail)
        if number == called_after:
            trace.record("client", "run-called")
    return found


def asked(request: str, peer: int = 7, what: str = "request-sent") -> Any:
    return what, peer, {"request": request}


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({}, [(1, 7)]),
        ({"nth": 2}, [(2, 8)]),
        ({"request": "POST /a"}, [(2, 8)]),
        ({"request": "POST /a", "nth": 2}, [(4, 7)]),
        ({"request": "* /a", "nth": 3}, [(4, 7)]),
        ({"request": "GET /*"}, [(1, 7)]),
        ({"request": "get /a"}, []),
        ({"nth": 4}, []),
    ],
)
def test_a_request_is_meant_by_method_and_path(
    fields: dict[str, Any], at: list[tuple[int, int]]
) -> None:
    told = [asked("GET /a"), asked("POST /a", 8), asked("GET /a", 9, "request-answered")]
    assert on_wire(Moment("request-sent", **fields), *told, asked("POST /a")) == at


def test_frames_and_connections_are_counted_by_socket_and_kind() -> None:
    frames = [("frame-up", 7, {"socket": 1}), ("frame-up", 8, {"socket": 2})]
    assert on_wire(Moment("frame-up", socket=2), *frames) == [(2, 8)]
    assert on_wire(Moment("frame-up", nth=2), *frames) == [(2, 8)]
    assert on_wire(Moment("frame-up", nth=2, socket=2), *frames) == []
    assert on_wire(Moment("frame-down"), *frames) == []
    kinds = ("rest", "socket", "raw", "socket")
    opened = [("connection-opened", n, {"link": kind}) for n, kind in enumerate(kinds)]
    assert on_wire(Moment("connection-opened", nth=2), *opened) == [(2, 1)]
    assert on_wire(Moment("connection-opened", nth=2, link="socket"), *opened) == [(4, 3)]


def test_of_the_wire_too_it_may_count_from_the_call() -> None:
    told = [asked("GET /a"), asked("GET /b"), asked("GET /c")]
    moment = Moment("request-sent", since="run-called")
    assert on_wire(moment, *told, called_after=1) == [(2, 7)]
    assert on_wire(moment, *told) == []


def void(_value: object) -> None:
    pass
