"""The clock that the real server stamps events by."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from race_harness.model.schedule import ProcessEvent, ServerTiming
from race_harness.model.trace import Trace
from race_harness.server.real.dates import LeaseTime, ServerDatetime


def start(**timing: Any) -> Trace:
    trace = Trace(lambda: 0)
    ServerDatetime.start(ServerTiming(**timing), trace)
    return trace


@pytest.fixture(autouse=True)
def _finest_clock_afterwards() -> Iterator[None]:
    yield
    start()


@pytest.fixture
def _standing_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_767_225_600_123_456_789)


@pytest.mark.usefixtures("_standing_still")
def test_no_two_moments_are_alike_where_time_stands_still() -> None:
    start()
    first, second = ServerDatetime.now(), ServerDatetime.now()
    assert first.isoformat() == "2026-01-01T00:00:00.123456"
    assert (second - first).total_seconds() == 1e-6


@pytest.mark.usefixtures("_standing_still")
def test_a_coarse_clock_stamps_alike() -> None:
    start(clock_ms=100.0)
    first, second = ServerDatetime.now(), ServerDatetime.now()
    assert first == second
    assert first.isoformat() == "2026-01-01T00:00:00.100000"


@pytest.mark.usefixtures("_standing_still")
def test_it_is_set_when_the_trial_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_767_225_600.0)
    trace = start(process=(ProcessEvent("clock-step", by_ms=-1_500),))
    before = ServerDatetime.now()
    trace.record("server", "clock-stepped", by_ms=-1_500.0)
    assert (ServerDatetime.now() - before).total_seconds() == -1.5 + 1e-6
    assert LeaseTime.time() == 1_767_225_598.5


def test_it_stands_for_the_class_it_replaces() -> None:
    assert isinstance(datetime(2026, 1, 1), ServerDatetime)
    assert ServerDatetime.fromisoformat("2026-01-01T00:00:00") == datetime(2026, 1, 1)
    assert ServerDatetime.now(UTC).tzinfo is UTC
    assert not isinstance("2026-01-01", ServerDatetime)
