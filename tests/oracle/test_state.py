"""Whether state shows what the server has: what differs, what cannot be read, when it counts."""

from dataclasses import replace
from typing import Any

import pytest
from oracle_rig import EXPLAINED, GOOD, OK, Trial, added, at, judgement, persisted, verdicts

from race_harness.model.evidence import StateField
from race_harness.model.schedule import Fault, Network, Schedule, Script
from race_harness.model.trace import Happening

TRUTH = {"execution_status": "finished", "cost": 0.02, "title": "A title."}


def reading(
    values: dict[str, Any] | None = None,
    *,
    at_ms: float = 10_305,
    errors: dict[str, str] | None = None,
    truth: dict[str, Any] | None = None,
    meanwhile: tuple[Happening, ...] = (),
) -> Trial:
    """The right trial, and how its caller reads the state before it closes."""
    shown = {"execution_status": "finished", "cost": 0.02} if values is None else values
    happenings = [at(at_ms, "client", "act-called", act="state", number=9)]
    if truth != {}:
        happenings.append(at(at_ms, "server", "state", values=truth or TRUTH))
    happenings += [
        *meanwhile,
        at(at_ms, "client", "state-read", values=shown, errors=errors or {}),
        at(at_ms, "client", "act-returned", act="state", number=9),
    ]
    return added(GOOD, *happenings, after="run-returned")


def test_a_state_like_the_servers_is_nothing_to_speak_of() -> None:
    assert verdicts(reading()) == OK


def test_a_field_that_differs_is_told_with_its_truth() -> None:
    found = judgement(reading({"execution_status": "running", "cost": 0.02}))
    assert found.verdicts == ("stale-state",)
    (evidence,) = found.evidence
    assert evidence.differences == (StateField("execution_status", '"running"', '"finished"'),)
    assert evidence.says == 'state shows execution_status "running" instead of "finished"'


def test_all_fields_that_differ_are_one_piece_of_evidence() -> None:
    (evidence,) = judgement(reading({"execution_status": "running", "cost": 0.0})).evidence
    assert [each.field for each in evidence.differences] == ["execution_status", "cost"]


@pytest.mark.parametrize(
    ("values", "truth"),
    [
        ({"execution_status": "finished"}, None),  # It shows no cost.
        ({"execution_status": "finished", "mood": "fine"}, None),  # The server knows of no mood.
        ({"execution_status": "running"}, {}),  # A server that does not tell.
    ],
)
def test_only_what_both_have_is_compared(values: dict[str, Any], truth: dict[str, Any]) -> None:
    assert verdicts(reading(values, truth=truth)) == OK


STALE = {"execution_status": "running", "cost": 0.02}


def test_it_counts_only_when_all_has_been_quiet_for_five_seconds() -> None:
    assert verdicts(reading(STALE, at_ms=5_310)) == ("stale-state",)
    assert verdicts(reading(STALE, at_ms=5_290)) == OK
    busy = added(reading(STALE), persisted(8_000, "late-title"), after="run-returned")
    assert "stale-state" not in verdicts(busy)


def test_it_counts_only_when_every_run_is_over() -> None:
    another = [
        at(307, "server", "run-accepted", run=2),
        at(308, "server", "run-started", run=2),
    ]
    assert verdicts(added(reading(STALE), *another, after="snapshot 1")) == OK


def test_the_schedules_own_delays_are_no_staleness() -> None:
    held = Schedule("by-hand", network=Network(faults=(Fault("stall", for_ms=8_000.0),)))
    assert verdicts(reading(STALE), held) == OK
    assert verdicts(reading(STALE), replace(held, network=Network())) == ("stale-state",)
    # What the agent does is none of them.
    busy = Schedule("by-hand", script=Script(tool_calls=9))
    assert verdicts(reading(STALE), busy) == ("stale-state",)


ERROR = {"cost": "RuntimeError: stats missing"}


def test_a_field_that_cannot_be_read_is_stale() -> None:
    found = judgement(reading({"execution_status": "finished"}, errors=ERROR))
    assert found.verdicts == ("stale-state",)
    assert found.evidence[0].says == "reading state.cost raises RuntimeError: stats missing"


def test_a_field_that_cannot_be_read_as_its_request_failed_is_explained() -> None:
    spoiled = (
        at(10_305, "rest", "request", method="GET", route="GET conversation", number=30),
        at(10_305, "rest", "fault", action="status", number=30, status=500),
        at(10_305, "rest", "answer", number=30, status=500),
    )
    found = judgement(reading({"execution_status": "finished"}, errors=ERROR, meanwhile=spoiled))
    assert found.verdicts == EXPLAINED
    assert [entry.act for entry in found.evidence] == ["state.cost"]
    refused = spoiled[0], spoiled[2]
    assert verdicts(reading({}, errors=ERROR, meanwhile=refused)) == EXPLAINED
    several = {**ERROR, "title": ERROR["cost"]}
    (evidence,) = judgement(reading({}, errors=several, meanwhile=spoiled)).evidence
    assert evidence.act == "state.cost"


def test_a_client_without_state_is_judged_as_ever() -> None:
    assert verdicts(GOOD) == OK


# -- one's own message


READS = Schedule("by-hand", caller=replace(Schedule("x").caller, reads_own_message=True))


def sending(seen_ms: float) -> Trial:
    """A message before the run, and when it is visible; `send_message()` returns at 20 ms."""
    happenings = [
        at(10, "client", "act-called", act="send-message", number=1),
        persisted(12, "mine"),
        at(20, "client", "act-returned", act="send-message", number=1),
        at(seen_ms, "client", "callback", event="mine", kind="MessageEvent"),
        at(seen_ms, "client", "visible", event="mine"),
    ]
    happenings.sort(key=lambda happening: happening.at_ns)
    return [GOOD[0], *happenings, *GOOD[1:]]


@pytest.mark.parametrize(("seen_ms", "expected"), [(15.0, OK), (25.0, ("late",))])
def test_whoever_looks_for_its_message_finds_it(seen_ms: float, expected: tuple[str, ...]) -> None:
    assert verdicts(sending(seen_ms), READS) == expected


def test_of_two_messages_at_once_nobody_knows_whose_is_late() -> None:
    other = [
        at(11, "client", "act-called", act="send-message", number=2),
        persisted(13, "theirs"),
        at(24, "client", "act-returned", act="send-message", number=2),
        at(22, "client", "callback", event="theirs", kind="MessageEvent"),
        at(22, "client", "visible", event="theirs"),
    ]
    trial = sorted([*sending(15.0), *other], key=lambda happening: happening.at_ns)
    assert verdicts(trial, READS) == OK
    late = [
        replace(h, at_ns=24_500_000)
        if h.detail.get("event") == "theirs" and h.at_ns == 22e6
        else h
        for h in trial
    ]
    assert verdicts(sorted(late, key=lambda happening: happening.at_ns), READS) == ("late",)


def test_nobody_is_promised_its_message_who_does_not_look() -> None:
    assert verdicts(sending(25.0)) == OK
