"""The trace: what it keeps, whom it tells, and what its digest covers."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

import race_harness.model.trace
from race_harness.model.schedule import (
    Act,
    Caller,
    Fault,
    Moment,
    Network,
    RestFault,
    Schedule,
    Script,
)
from race_harness.model.trace import Happening, Trace
from race_harness.workers.pool import Workers


def ticking() -> Callable[[], int]:
    ticks: Iterator[int] = count(0, 1_000_000)
    return lambda: next(ticks)


def test_happenings_are_kept_in_order_with_their_time() -> None:
    trace = Trace(ticking())
    trace.record("client", "run-called")
    trace.record("server", "status", status="running", run=1)
    assert trace.happenings == [
        Happening(0, "client", "run-called"),
        Happening(1_000_000, "server", "status", {"status": "running", "run": 1}),
    ]
    assert trace.happenings[1].to_dict() == {
        "at_ms": 1.0,
        "lane": "server",
        "what": "status",
        "status": "running",
        "run": 1,
    }


def test_listeners_hear_of_a_happening_that_is_already_kept() -> None:
    trace = Trace(ticking())
    heard: list[tuple[Happening, int]] = []
    trace.listeners.append(lambda happening: heard.append((happening, len(trace.happenings))))
    happening = trace.record("client", "run-called")
    assert heard == [(happening, 1)]


def test_notes_are_not_kept() -> None:
    trace = Trace(ticking())
    trace.note("switch", 1)
    trace.note_bytes("up", b"GET /")
    assert trace.happenings == []


def record(trace: Trace) -> None:
    trace.record("server", "status", status="running")


VARIANTS: dict[str, Callable[[Trace], object]] = {
    "nothing": lambda _trace: None,
    "a happening": record,
    "another detail": lambda trace: trace.record("server", "status", status="idle"),
    "another name": lambda trace: trace.record("server", "stat", status="running"),
    "another lane": lambda trace: trace.record("client", "status", status="running"),
    "a later time": lambda trace: (trace.now_ns(), record(trace)),
    "it twice": lambda trace: (record(trace), record(trace)),
    "a decision": lambda trace: trace.note("switch", 1),
    "another decision": lambda trace: trace.note("switch", 2),
    "bytes": lambda trace: trace.note_bytes("up", b"ab"),
    "other bytes": lambda trace: trace.note_bytes("up", b"ac"),
    "bytes the other way": lambda trace: trace.note_bytes("down", b"ab"),
    "bytes in two chunks": lambda trace: (
        trace.note_bytes("up", b"a"),
        trace.note_bytes("up", b"b"),
    ),
}


def digest_of(variant: str) -> str:
    trace = Trace(ticking())
    VARIANTS[variant](trace)
    return trace.digest()


def test_digests_differ_where_anything_does() -> None:
    digests = {variant: digest_of(variant) for variant in VARIANTS}
    assert len(set(digests.values())) == len(VARIANTS), digests


@pytest.mark.parametrize("variant", VARIANTS)
def test_digests_are_equal_where_all_is(variant: str) -> None:
    assert digest_of(variant) == digest_of(variant)


def documented() -> dict[str, set[str]]:
    """Happening to its details, as the module's docstring lists them (`?` may be absent)."""
    assert race_harness.model.trace.__doc__ is not None
    table = race_harness.model.trace.__doc__.partition("Happenings, by lane")[2].partition("\n\n")[
        2
    ]
    found: dict[str, set[str]] = {}
    lane = ""
    for line in table.splitlines():
        lane = line[:9].strip() or lane
        for name, details in re.findall(r"([a-z][a-z-]+)(?: \{([^}]*)\})?(?:,|$)", line[9:]):
            found[f"{lane} {name}"] = {word.strip(" ?") for word in details.split(",")} - {""}
    return found


def test_the_list_of_happenings_is_understood() -> None:
    found = documented()
    assert found["client run-called"] == {"call"}
    assert found["client close-called"] == set()
    assert found["client callback"] == {"event", "kind"}
    assert found["rest answer"] == {"number", "status", "execution_status", "cut"}
    assert found["rest fault"] == {"action", "number", "peer", "status", "delay_ms", "after_s"}
    assert found["network fault"] == {"action", "link", "peer", "code", "for_ms", "fault", "way"}
    assert found["server restarted"] == {"status"}


BENIGN = Schedule("any", caller=Caller(settle_s=1.0))


@pytest.mark.parametrize(
    "schedule",
    [
        BENIGN,
        replace(BENIGN, script=Script(tool_calls=1, stop_hook_denials=1)),
        replace(BENIGN, script=Script(outcome="error")),
        replace(BENIGN, caller=Caller(callback_ms=10.0)),
        replace(BENIGN, network=Network(faults=(Fault("reset", at=Moment("run-called")),))),
        replace(
            BENIGN,
            network=Network(faults=(Fault("half-open", at=Moment("run-requested"), link="rest"),)),
        ),
        replace(
            BENIGN,
            network=Network(
                faults=(
                    Fault("refuse", at=Moment("run-called"), for_ms=200.0),
                    Fault("close", at=Moment("run-started"), code=1012),
                    Fault("reject", at=Moment("run-started")),
                )
            ),
        ),
        replace(
            BENIGN,
            rest=(
                RestFault("delay", "run", delay_ms=5.0),
                RestFault("truncate", "events"),
                RestFault("status", "events", nth=2),
            ),
        ),
        replace(
            BENIGN,
            caller=Caller(
                settle_s=1.0,
                acts=(Act("pause"), Act("send-message"), Act("run")),
                callback_raises=True,
            ),
        ),
    ],
    ids=lambda schedule: ",".join(schedule.non_default_fields()),
)
def test_what_happens_in_a_trial_is_in_the_list(
    schedule: Schedule, workers: Callable[..., Workers]
) -> None:
    known = documented()
    _, trial = workers("reference").run_whole(schedule)
    assert trial.happenings
    for happening in trial.happenings:
        details: dict[str, Any] = dict(happening)
        del details["at_ms"]
        name = f"{details.pop('lane')} {details.pop('what')}"
        assert name in known
        assert set(details) <= known[name], name
