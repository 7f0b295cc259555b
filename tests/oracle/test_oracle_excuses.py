"""The oracle on excuses: spoiled answers, the server's own order, what no server does."""

from typing import Any

import pytest
from oracle_rig import (
    EXPLAINED,
    GOOD,
    OK,
    TWICE,
    Trial,
    added,
    at,
    changed,
    judgement,
    moved,
    outcome_of,
    position,
    raised,
    verdicts,
)

from race_harness.model.schedule import (
    RestFault,
    Schedule,
    ServerTiming,
)
from race_harness.model.trace import Happening
from race_harness.oracle.judge import judge

# -- excuses


def spoiled(*requests: tuple[str, str | None, int | None]) -> Trial:
    """`run()` raises after these requests: route, what became of it, HTTP status (None: none)."""
    happenings: list[Happening] = []
    for number, (route, action, status) in enumerate(requests, 10):
        happenings.append(at(120, "rest", "request", method="X", route=route, number=number))
        if action is not None:
            happenings.append(at(120, "rest", "fault", action=action, number=number))
        if status is not None:
            happenings.append(at(121, "rest", "answer", number=number, status=status))
        else:
            happenings.append(at(121, "rest", "unanswered", number=number))
    return raised(added(GOOD, *happenings, after="answer 1"), "HTTPStatusError: no")


POLL, PAGE, RUN = "GET conversation", "GET events/search", "POST run"
REFUSED, FINE = (POLL, "status", 503), (POLL, None, 200)


@pytest.mark.parametrize(
    ("requests", "excused"),
    [
        # One bad answer to a poll is to be survived.
        ([REFUSED], False),
        ([REFUSED, REFUSED], False),
        ([(POLL, "truncate", 200)], False),
        ([(POLL, "empty", 200)], False),
        # Held up is not spoiled.
        ([(POLL, "delay", 200)] * 5, False),
        ([(RUN, "delay", 200)], False),
        # No answer at all, with or without a fault that says why.
        ([(POLL, "timeout", None)], True),
        ([(POLL, None, None)], True),
        # Did a run begin or not? And who cannot read the events may say so.
        ([(RUN, "status", 503)], True),
        ([(RUN, "truncate", 200)], True),
        ([(PAGE, "status", 500)], True),
        ([(PAGE, "empty", 200)], True),
        ([("POST events", "status", 503)], False),
        # Not to be tried again, but for two.
        ([(POLL, "status", 404)], True),
        ([(POLL, "status", 401)], True),
        ([(POLL, "status", 408)], False),
        ([(POLL, "status", 429)], False),
        # Without a fault such an answer is the client's own doing.
        ([(POLL, None, 404)], False),
        ([(RUN, None, 500)], False),
        # What persists.
        ([REFUSED] * 3, True),
        ([REFUSED, (POLL, "truncate", 200), REFUSED], True),
        ([FINE, REFUSED, REFUSED, REFUSED], True),
        ([REFUSED, REFUSED, REFUSED, FINE], False),
        ([REFUSED, FINE, REFUSED, REFUSED], False),
        ([REFUSED, (POLL, "delay", 200), REFUSED], False),
    ],
)
def test_which_spoiled_answers_excuse_an_error(
    requests: list[tuple[str, str | None, int | None]], excused: bool
) -> None:
    assert verdicts(spoiled(*requests)) == (EXPLAINED if excused else ("spurious-error",))


def test_an_excuse_is_for_errors_only() -> None:
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    answer = at(121, "rest", "answer", number=10, status=503)
    asked = at(120, "rest", "request", method="POST", route=RUN, number=10)
    struck = at(120, "rest", "fault", action="status", number=10)
    assert verdicts(added(trial, asked, struck, answer, after="answer 1")) == ("early",)


def fault_between(first: str) -> Trial:
    """Spoils a page of events after that happening; the second call raises."""
    trial = raised(TWICE, "HTTPStatusError: no", "run-returned 2")
    page = [
        at(120, "rest", "request", method="GET", route=PAGE, number=10),
        at(120, "rest", "fault", action="status", number=10, status=503),
        at(121, "rest", "answer", number=10, status=503),
    ]
    return added(trial, *page, after=first)


def test_an_excuse_is_for_the_call_during_which_it_came() -> None:
    assert verdicts(fault_between("answer 1")) == ("spurious-error",)
    assert verdicts(fault_between("run-returned")) == ("spurious-error",)
    assert verdicts(fault_between("answer 2")) == EXPLAINED


# -- the server's own order


def frame(event: str) -> Happening:
    return at(303, "socket", "frame-sent", event=event, kind="X", peer=1)


def swapped(*frames: str) -> Trial:
    """The observation comes before the action, and the server sent these frames in that order."""
    trial = moved(GOOD, "visible action", after="visible observation")
    trial = moved(trial, "callback action", after="callback observation")
    trial = moved(trial, "callback action", after="visible observation")
    return added(trial, *map(frame, frames), after="run-ended 1")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (("observation", "action"), OK),
        (("action", "observation"), ("out-of-order",)),
        # Only the first frame of each counts: a second subscriber, a resent one.
        (("action", "observation", "action"), ("out-of-order",)),
        (("observation", "action", "observation"), OK),
        # An order is one of two.
        (("observation",), ("out-of-order",)),
        (("action",), ("out-of-order",)),
        ((), ("out-of-order",)),
    ],
)
def test_the_order_in_which_the_server_itself_sent_is_no_fault(
    frames: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert verdicts(swapped(*frames)) == expected


def test_who_sorts_what_was_sent_in_another_order_is_right_too() -> None:
    frames = map(frame, ("observation", "action"))
    assert verdicts(added(GOOD, *frames, after="persisted observation")) == OK


# -- a stall of a failure, and what is noted


def failing(delay_ms: float, status: str, error: str | None) -> Trial:
    done_ms = GOOD[position(GOOD, "snapshot 1")].at_ns / 1e6
    trial = changed(GOOD, "run-ended 1", status=status)
    place = position(trial, "run-returned")
    end = at(done_ms + delay_ms, "client", "run-returned")
    trial = [*trial[:place], end, at(99_000, "client", "close-called")]
    return trial if error is None else raised(trial, error)


@pytest.mark.parametrize("status", ["error", "stuck"])
def test_telling_a_failure_too_late_is_a_stall(status: str) -> None:
    assert verdicts(failing(10_004, status, "RuntimeError: LLM")) == OK
    found = judgement(failing(10_004.1, status, "RuntimeError: LLM"))
    assert found.verdicts == ("stall",)
    assert "raised 10.0 s after the server was done" in found.evidence[0].says


def test_an_error_that_is_spurious_is_not_a_stall_as_well() -> None:
    assert verdicts(failing(30_000, "finished", "RuntimeError: no")) == ("spurious-error",)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (
            Schedule("x", server=ServerTiming(flushes_first=True), counterfactual=True),
            ["counterfactual: server.flushes_first"],
        ),
        (
            Schedule(
                "x", rest=(RestFault("delay"), RestFault("empty", "events")), counterfactual=True
            ),
            ["counterfactual: rest[1], an empty page"],
        ),
        (Schedule("x", counterfactual=True), []),
        (Schedule("x"), []),
    ],
)
def test_what_no_released_server_does_is_noted_whatever_the_verdict(
    schedule: Any, says: list[str]
) -> None:
    trials = GOOD, moved(GOOD, "run-ended 1", after="run-returned")
    for trial in trials:
        assert list(judgement(trial, schedule).notes) == says
    hang = GOOD[: position(GOOD, "run-returned")]
    assert list(judge(schedule, hang, outcome_of(hang)).notes) == says
