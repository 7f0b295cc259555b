"""The oracle on calls that may end early: paused, closed, not blocking, with a timeout."""

from dataclasses import replace
from typing import Any

import pytest
from oracle_rig import (
    EXPLAINED,
    GOOD,
    OK,
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
    without,
)

from race_harness.model.schedule import (
    Caller,
    ConnectionLink,
    Fault,
    Interleaving,
    LineStall,
    Link,
    Network,
    RestFault,
    Schedule,
)
from race_harness.oracle.judge import judge

# -- paused, closed, not blocking


def paused(status: str, **detail: Any) -> Trial:
    """The run goes on when `run()` returns; by then somebody has set this status."""
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    return added(trial, at(302, "server", "status", status=status, **detail), after=PAUSED_AFTER)


PAUSED_AFTER = "visible action"


def test_returning_from_a_paused_run_is_not_early() -> None:
    assert verdicts(paused("paused")) == OK
    assert verdicts(paused("paused", run=1)) == OK
    assert verdicts(paused("running")) == ("early",)
    assert verdicts(paused("waiting_for_confirmation")) == ("early",)


def test_a_pause_excuses_also_where_the_step_wins_but_not_if_the_run_paused_itself() -> None:
    """A stop hook may then take the step's `finished` back, when the caller believes the pause."""
    for run, expected in ((None, OK), (1, ("early",))):
        trial = paused("paused", run=run)
        on_again = at(304, "server", "status", status="running", run=1)
        assert verdicts(added(trial, on_again, after="snapshot 1")) == expected


def test_a_pause_from_before_the_call_excuses_nothing() -> None:
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    before = at(105, "server", "status", status="paused")
    on_again = at(112, "server", "status", status="running", run=1)
    trial = added(added(trial, before, after="visible message"), on_again, after="run-started 1")
    assert verdicts(trial) == ("early",)


def test_what_is_persisted_after_the_pause_may_be_on_its_way() -> None:
    trial = moved(paused("paused"), "visible observation", after="run-returned")
    assert verdicts(trial) == OK
    assert verdicts(moved(trial, "callback observation", after="run-returned")) == OK
    # What came before it may not, nor anything if the run's own end says `paused`.
    sooner = moved(paused("paused"), "visible action", after="run-returned")
    assert verdicts(moved(sooner, "persisted action", after="run-started 1"))[0] == "late"
    own = changed(moved(GOOD, "visible observation", after="run-returned"), "run-ended 1")
    own = added(
        own, at(302, "server", "status", status="paused", run=1), after="persisted observation"
    )
    assert verdicts(changed(own, "run-ended 1", status="paused")) == ("late",)


def test_a_pause_excuses_no_loss() -> None:
    assert verdicts(without(paused("paused"), "visible observation")) == ("lost",)


CLOSE = at(200, "client", "act-called", act="close")


@pytest.mark.parametrize("act", ["close", "pause"])
def test_who_has_closed_is_promised_nothing_but_an_end(act: str) -> None:
    closing = replace(CLOSE, detail={"act": act})
    closed = act == "close"
    returns = moved(GOOD, "run-ended 1", after="run-returned")
    returns = without(returns, "visible observation", "callback action")
    trial = added(returns, closing, after="run-started 1")
    assert verdicts(trial) == (OK if closed else ("lost", "early", "missed-callback"))
    raises = raised(added(GOOD, closing, after="run-started 1"), "RuntimeError: closed")
    assert verdicts(raises) == (EXPLAINED if closed else ("spurious-error",))


def test_who_has_closed_must_still_come_back() -> None:
    trial = added(GOOD[: position(GOOD, "run-returned")], CLOSE, after="run-started 1")
    outcome = replace(outcome_of(trial), stopped="the limit")
    assert judge(Schedule("by-hand"), trial, outcome).verdicts == ("hang",)


def test_closing_after_the_return_excuses_the_return_from_nothing() -> None:
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    assert verdicts(added(trial, CLOSE, after="run-returned")) == ("early",)


NOT_BLOCKING = Schedule("by-hand", caller=Caller(blocking=False))


def test_a_run_that_does_not_block_is_not_waited_for() -> None:
    trial = moved(GOOD, "run-returned", after="answer 1")
    assert verdicts(trial, NOT_BLOCKING) == OK
    assert verdicts(trial) == ("early",)


def test_a_run_that_does_not_block_may_not_lose_or_raise_either() -> None:
    trial = moved(GOOD, "run-returned", after="answer 1")
    assert verdicts(without(trial, "visible action"), NOT_BLOCKING) == ("lost",)
    assert verdicts(raised(trial, "RuntimeError: no"), NOT_BLOCKING) == ("spurious-error",)


# -- timeouts

PATIENT = Schedule("by-hand", network=Network(Link(0.0), Link(0.0)), caller=Caller(timeout_s=2.0))
"""Adds no delays of its own."""


def ending(took_ms: float, error: str | None = "TimeoutError: enough") -> Trial:
    """The run goes on for long; `run()` ends so long after its call at 110 ms."""
    trial = without(GOOD, "run-cleared 1", "snapshot 1")
    trial = changed(trial, "run-ended 1", status="finished")
    end = at(110 + took_ms, "client", "run-returned" if error is None else "run-raised")
    if error is not None:
        end = replace(end, detail={"error": error})
    place = position(trial, "run-returned")
    over = [happening for happening in trial if happening.what == "run-ended"]
    rest = [happening for happening in trial[:place] if happening.what != "run-ended"]
    late_over = [replace(each, at_ns=90_000_000_000) for each in over]
    return [*rest, end, *late_over, at(99_000, "client", "close-called")]


@pytest.mark.parametrize(
    ("took_ms", "expected"),
    [
        (2_000, OK),
        (1_750, OK),  # 250 ms sooner or later, and no more.
        (1_749.9, ("spurious-error",)),
        (10, ("spurious-error",)),
        (2_250, OK),
        (2_250.1, ("stall",)),
        (60_000, ("stall",)),
    ],
)
def test_a_timeout_is_kept_within_a_quarter_of_a_second(
    took_ms: float, expected: tuple[str, ...]
) -> None:
    found = judgement(ending(took_ms), PATIENT)
    assert found.verdicts == expected
    if found.verdicts == ("spurious-error",):
        assert "before its timeout of 2 s" in found.evidence[0].says
    if found.verdicts == ("stall",):
        assert "its timeout was 2 s" in found.evidence[0].says


@pytest.mark.parametrize(
    "error", ["ConversationRunError: 1 <- TimeoutError: x", "E: Run timed out"]
)
def test_a_timeout_is_known_by_its_name_or_its_words(error: str) -> None:
    assert verdicts(ending(2_000, error), PATIENT) == OK
    assert verdicts(ending(2_000, "E: no"), PATIENT) == ("spurious-error",)


def test_giving_up_too_soon_has_excuses_like_any_error() -> None:
    trial = ending(500)
    broken = at(300, "network", "fault", action="reset", link="rest", peer=1)
    assert verdicts(trial, PATIENT) == ("spurious-error",)
    assert verdicts(added(trial, broken, after="run-started 1"), PATIENT) == EXPLAINED


def test_a_timeout_of_the_clients_own_explains_giving_up_on_a_run_that_goes_on() -> None:
    assert verdicts(ending(10)) == EXPLAINED


def test_giving_up_in_time_on_a_run_that_was_over_long_before_is_late() -> None:
    """`run(timeout=60)` of a client that misses the end."""
    patient = replace(PATIENT, caller=replace(PATIENT.caller, timeout_s=60.0))
    gives_up = at(60_110, "client", "run-raised", call=1, error="TimeoutError: 60 s")
    place = position(GOOD, "run-returned")
    trial = [*GOOD[:place], gives_up, at(99_000, "client", "close-called")]
    assert verdicts(trial, patient) == ("stall",)
    soon = replace(gives_up, at_ns=5_000_000_000)
    assert verdicts([*trial[:-2], soon, trial[-1]], patient) == ("spurious-error",)
    busy = [replace(h, at_ns=59_000_000_000) if h.what == "snapshot" else h for h in trial]
    assert verdicts(busy, patient) == OK


@pytest.mark.parametrize(
    ("schedule", "own_ms"),
    [
        (replace(PATIENT, network=Network(Link(10.0), Link(20.0, 5.0))), 4 * 35),
        (
            replace(PATIENT, network=Network(Link(0), Link(0), (ConnectionLink(100.0, 50.0),))),
            4 * 150,
        ),
        (
            replace(
                PATIENT, network=Network(Link(0), Link(0), (), (Fault("stall", for_ms=700.0),))
            ),
            700,
        ),
        # No connection is held up by these.
        (
            replace(
                PATIENT,
                network=Network(
                    Link(0),
                    Link(0),
                    (),
                    (Fault("refuse", for_ms=700.0), Fault("reset", for_ms=700.0)),
                ),
            ),
            0,
        ),
        (
            replace(
                PATIENT, interleaving=Interleaving(stalls=(LineStall("f", "x = 1", for_ms=40.0),))
            ),
            40,
        ),
        (replace(PATIENT, caller=replace(PATIENT.caller, callback_ms=30.0)), 3 * 30),
        (replace(PATIENT, rest=(RestFault("delay", delay_ms=100.0, times=3),)), 3 * 2_100),
        (replace(PATIENT, rest=(RestFault("timeout", times=2),)), 2 * 32_000),
        (replace(PATIENT, rest=(RestFault("status"),)), 2_000),
    ],
    ids=[
        "links",
        "one connection's link",
        "stall",
        "refuse and reset",
        "line",
        "callbacks",
        "held-up answers",
        "no answers",
        "refused",
    ],
)
def test_what_the_schedule_adds_is_added_to_the_timeout(schedule: Schedule, own_ms: float) -> None:
    limit_ms = 2_250 + own_ms
    assert verdicts(ending(limit_ms), schedule) == OK
    assert verdicts(ending(limit_ms + 0.1), schedule) == ("stall",)
    # Too soon stays too soon.
    assert verdicts(ending(1_749.9), schedule) == ("spurious-error",)


def test_a_return_after_the_timeout_is_a_stall_as_well() -> None:
    trial = moved(ending(3_000, None), "run-ended 1", after="run-started 1")
    assert verdicts(trial, PATIENT) == ("stall",)
    soon = moved(ending(2_100, None), "run-ended 1", after="run-started 1")
    assert verdicts(soon, PATIENT) == OK
