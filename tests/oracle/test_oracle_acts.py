"""The oracle on what the caller does besides `run()`: what it raises; whether it comes back."""

from dataclasses import replace

import pytest
from oracle_rig import (
    EXPLAINED,
    GOOD,
    OK,
    Trial,
    added,
    at,
    judgement,
    outcome_of,
    position,
    verdicts,
    without,
)

from race_harness.model.schedule import Link, Network, Schedule
from race_harness.model.trace import Happening
from race_harness.oracle.judge import judge

CALLED = at(200, "client", "act-called", act="pause", number=2)
RETURNED = at(220, "client", "act-returned", act="pause", number=2)
RAISED = at(220, "client", "act-raised", act="pause", number=2, error="HTTPStatusError: no")


def request(
    route: str = "POST pause", action: str | None = None, status: int | None = 200
) -> list[Happening]:
    """One request, what became of it, and the status of its answer (None: none came)."""
    happenings = [at(201, "rest", "request", method="POST", route=route, number=10)]
    if action is not None:
        happenings.append(at(202, "rest", "fault", action=action, number=10))
    if status is not None:
        happenings.append(at(203, "rest", "answer", number=10, status=status))
    else:
        happenings.append(at(219, "rest", "unanswered", number=10))
    return happenings


def during_run(*happenings: Happening) -> Trial:
    return added(GOOD, *happenings, after="run-started 1")


def test_an_act_that_returns_is_nothing_to_speak_of() -> None:
    assert verdicts(during_run(CALLED, *request(), RETURNED)) == OK


@pytest.mark.parametrize(
    ("requests", "explained"),
    [
        ([], False),
        (request(), False),
        (request(action="delay"), False),
        (request(action="status", status=503), True),
        (request(action="truncate"), True),
        (request(status=None), True),
        # The server's own refusal is not the client's doing.
        (request(status=500), True),
        (request("GET conversation", action="status", status=503), False),
        (request("GET conversation", status=500), False),
        (request("GET events/search", action="status", status=503), True),
    ],
)
def test_an_act_that_raises_is_judged_by_what_became_of_its_request(
    requests: list[Happening], explained: bool
) -> None:
    found = judgement(during_run(CALLED, *requests, RAISED))
    assert found.verdicts == (EXPLAINED if explained else ("spurious-error",))
    assert found.evidence[0].act == "pause()"
    assert found.evidence[0].error == "HTTPStatusError: no"
    assert (found.evidence[0].reason is not None) == explained


def broken(action: str, **detail: object) -> Happening:
    return at(115, "network", "fault", action=action, link="rest", **detail)


@pytest.mark.parametrize(
    ("fault", "explained"),
    [
        (broken("half-open"), True),
        (broken("reset"), True),
        (broken("stall", for_ms=200.0), True),
        (broken("stall", for_ms=10.0), False),
        (replace(broken("reset"), detail={"action": "reset", "link": "socket"}), False),
    ],
)
def test_a_rest_connection_that_still_suffers_explains(fault: Happening, explained: bool) -> None:
    trial = during_run(fault, CALLED, RAISED)
    another = at(400, "rest", "request", method="POST", route="POST pause", number=11)
    answered = at(401, "rest", "answer", number=11, status=200)
    trial = added(trial, another, answered, after="run-returned")
    assert verdicts(trial) == (EXPLAINED if explained else ("spurious-error",))


def test_a_request_that_was_answered_since_is_a_connection_that_works() -> None:
    asked = at(150, "rest", "request", method="GET", route="GET conversation", number=9)
    answered = at(151, "rest", "answer", number=9, status=200)
    later = [at(400, "rest", "request", method="POST", route="POST pause", number=11)]
    trial = added(during_run(CALLED, RAISED), *later, after="run-returned")
    trial = added(
        trial, at(115, "network", "fault", action="reset", link="rest"), after="answer 1"
    )
    assert verdicts(trial)[-1:] == EXPLAINED
    mended = added(trial, asked, answered, after="fault")
    assert verdicts(mended) == ("spurious-error",)


def test_who_does_such_things_over_the_socket_suffers_from_its_faults() -> None:
    fault = at(115, "network", "fault", action="reset", link="socket")
    assert verdicts(during_run(CALLED, RAISED)) == ("spurious-error",)
    assert verdicts(during_run(fault, CALLED, RAISED)) == EXPLAINED
    assert verdicts(during_run(fault, CALLED, *request(), RAISED)) == ("spurious-error",)
    # It breaks before it asks for anything; but it has sent its message over REST.
    sent = request("POST events")
    assert verdicts(during_run(*sent, fault, CALLED, RAISED)) == ("spurious-error",)


@pytest.mark.parametrize(
    ("raised_ms", "expected"), [(900, "spurious-error"), (1_300, "explained")]
)
def test_a_request_of_another_thread_explains_if_it_was_waited_for(
    raised_ms: float, expected: str
) -> None:
    poll = at(201, "rest", "request", method="GET", route="GET conversation", number=20)
    answer = at(2_001, "rest", "answer", number=20, status=200)
    raises = replace(RAISED, at_ns=round(raised_ms * 1e6))
    trial = during_run(CALLED, *request(), poll)
    assert verdicts(added(trial, raises, answer, after="run-returned")) == (expected,)


def test_a_time_limit_on_a_slow_network_is_explained() -> None:
    gives_up = replace(RAISED, detail={**RAISED.detail, "error": "ReadTimeout: timed out"})
    trial = during_run(CALLED, *request(), gives_up)
    assert verdicts(trial) == ("spurious-error",)
    slow = Schedule("by-hand", network=Network(rest=Link(latency_ms=1_500.0)))
    assert verdicts(trial, slow) == EXPLAINED


def test_an_act_after_the_close_may_raise_and_the_close_itself_may_not() -> None:
    closing = at(150, "client", "act-called", act="close", number=1)
    closed = at(151, "client", "act-returned", act="close", number=1)
    fails = at(151, "client", "act-raised", act="close", number=1, error="OSError: no")
    assert verdicts(during_run(closing, closed, CALLED, RAISED)) == EXPLAINED
    assert verdicts(during_run(closing, fails)) == ("spurious-error",)


def test_the_last_close_is_an_act_like_the_others() -> None:
    trial = without(GOOD, "close-returned")
    assert verdicts(trial) == OK  # Nobody had to stop it.
    trial.append(at(11_000, "client", "close-raised", error="OSError: no"))
    found = judgement(trial)
    assert found.verdicts == ("spurious-error",)
    assert found.evidence[0].act == "close()"


@pytest.mark.parametrize("which", ["pause()", "close()"])
def test_an_act_that_never_returns_is_a_hang(which: str) -> None:
    trial = during_run(CALLED) if which == "pause()" else without(GOOD, "close-returned")
    found = judge(Schedule("by-hand"), trial, replace(outcome_of(trial), stopped="the limit"))
    assert found.verdicts == ("hang",)
    assert found.evidence[0].act == which


def test_a_send_that_raises_takes_the_runs_with_it() -> None:
    sending = replace(CALLED, detail={"act": "send-message", "number": 1})
    fails = replace(RAISED, detail={"act": "send-message", "number": 1, "error": "OSError: no"})
    trial = during_run(sending, *request("POST events", status=None), fails)
    outcome = replace(outcome_of(trial), undone=("run() 2 of 2",))
    found = judge(Schedule("by-hand"), trial, outcome)
    assert found.verdicts == EXPLAINED
    assert found.evidence[0].undone == ("run() 2 of 2",)


def test_what_never_happened_is_a_note() -> None:
    assert judgement(GOOD).notes == ()
    found = judge(
        Schedule("by-hand"), GOOD, replace(outcome_of(GOOD), undone=("pause()", "run()"))
    )
    assert found.verdicts == OK
    assert found.notes == ("asked for, and did not happen: pause(), run()",)


def test_what_is_explained_is_a_note_where_something_else_is_wrong() -> None:
    trial = during_run(CALLED, *request(status=None), RAISED)
    found = judgement(without(trial, "visible observation"))
    assert found.verdicts == ("lost",)
    assert [entry.verdict for entry in found.evidence] == ["lost"]
    (note,) = found.notes
    assert note.startswith("explained: pause() raised")


def test_an_act_that_ends_while_another_of_its_kind_goes_on() -> None:
    other = replace(CALLED, detail={"act": "pause", "number": 3})
    trial = during_run(CALLED, other, RETURNED)
    outcome = replace(outcome_of(trial), stopped="the limit")
    assert judge(Schedule("by-hand"), trial, outcome).verdicts == ("hang",)
    assert position(trial, "close-called")
