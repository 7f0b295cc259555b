"""Seconds that a source names are found; other numbers are not."""

import pytest

from race_harness.search.known_times import seconds_in


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("TIMEOUT_SECS = 30.0", {30.0}),
        ("poll_interval: float = 1", {1.0}),
        ("def run(self, n=7, timeout=3.5, *, delay=0.25): ...", {3.5, 0.25}),
        ("httpx.get(url, timeout=httpx.Timeout(10, read=60))", {10.0, 60.0}),
        ("time.sleep(0.1)", {0.1}),
        ("self.thread.join(timeout=5)", {5.0}),
        ("delay = min(delay * 2, 30.0)", {2.0, 30.0}),
        ('ws_timeout = float(os.getenv("READY", "45"))', {45.0}),
        ("class A:\n    async def f(self):\n        await asyncio.sleep(2)", {2.0}),
    ],
)
def test_what_speaks_of_time(source: str, found: set[float]) -> None:
    assert seconds_in(source) == found


@pytest.mark.parametrize(
    "source",
    [
        "limit = 100",
        "f(30)",
        "timeout = None",
        "wait = True",
        "timeout = 3600.0",
        "delay = 0",
        "def f(count=3): ...",
        "this is no Python",
    ],
)
def test_what_does_not_or_is_too_long_or_too_short(source: str) -> None:
    assert seconds_in(source) == set()
