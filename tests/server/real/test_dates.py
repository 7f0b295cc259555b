"""The clock that the real server stamps events by."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from race_harness.server.real.dates import ServerDatetime


@pytest.fixture(autouse=True)
def _finest_clock_afterwards() -> Iterator[None]:
    yield
    ServerDatetime.start(0.0)


@pytest.fixture
def _standing_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_767_225_600_123_456_789)


@pytest.mark.usefixtures("_standing_still")
def test_no_two_moments_are_alike_where_time_stands_still() -> None:
    ServerDatetime.start(0.0)
    first, second = ServerDatetime.now(), ServerDatetime.now()
    assert first.isoformat() == "2026-01-01T00:00:00.123456"
    assert (second - first).total_seconds() == 1e-6


@pytest.mark.usefixtures("_standing_still")
def test_a_coarse_clock_stamps_alike() -> None:
    ServerDatetime.start(100.0)
    first, second = ServerDatetime.now(), ServerDatetime.now()
    assert first == second
    assert first.isoformat() == "2026-01-01T00:00:00.100000"


def test_it_stands_for_the_class_it_replaces() -> None:
    assert isinstance(datetime(2026, 1, 1), ServerDatetime)
    assert ServerDatetime.fromisoformat("2026-01-01T00:00:00") == datetime(2026, 1, 1)
    assert ServerDatetime.now(UTC).tzinfo is UTC
    assert not isinstance("2026-01-01", ServerDatetime)
