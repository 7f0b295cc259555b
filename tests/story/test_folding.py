"""What only repeats is folded; what differs never is."""

from collections.abc import Iterator

from race_harness.story.folding import folded
from race_harness.story.row import Column, Row, Sort, Tone

PEERS = 50_000


def row(at_ms: float, what: str, facts: str = "", column: Column = "socket") -> Row:
    sort = Sort((column, what), facts, what, (facts,) if facts else ())
    return Row(at_ms, column, what, (facts,) if facts else (), sort=sort)


def poll(at_ms: float, status: str = "running") -> Row:
    sort = Sort(("rest", "answer"), status, "GET conversation", (f"→ 200 {status}",))
    return Row(at_ms, "rest", status, polls=1, sort=sort)


def connections(times: int, every_ms: float = 1_000.0) -> Iterator[Row]:
    """As often connected and disconnected, by another peer each time, and polled in between."""
    for n in range(times):
        at_ms = n * every_ms
        connected = row(at_ms, "connected")
        yield Row(at_ms, "socket", f"connected [{PEERS + n}]", sort=connected.sort)
        yield poll(at_ms + 1)
        ended = row(at_ms + 2, "disconnected:", "code 1001")
        yield Row(at_ms + 2, "socket", f"disconnected [{PEERS + n}]: code 1001", sort=ended.sort)


def texts(*rows: Row) -> list[str]:
    return [row.text for row in folded(rows)]


def test_a_group_that_repeats_is_told_twice_then_counted_then_told_once_more() -> None:
    rows = [*connections(300)]
    told = [*folded(rows)]
    assert told[:6] == rows[:6]
    assert told[7:] == rows[-3:]
    assert told[6].tone is Tone.FOLDED
    assert told[6].text == (
        "… 297 times more, every 1.0 s, to 298.0 s: "
        "connected; GET conversation → 200 running; disconnected: code 1001"
    )


def test_what_repeats_at_several_paces_is_counted_apart() -> None:
    polls = [poll(1_000.0 * n) for n in range(100)]
    pings = [row(700.0 * n + 1, "ping") for n in range(140)]
    told = texts(*sorted([*polls, *pings], key=lambda each: each.at_ms))
    assert [text for text in told if "more" in text] == [
        "… 137 times more, every 700 ms, to 96.6 s: ping",
        "… 96 times more, every 1.0 s, to 97.0 s: GET conversation → 200 running",
    ]
    assert len(told) == 7


def test_a_pace_that_varies_is_told_by_its_ends() -> None:
    rows = [*connections(10), *connections(10, 500.0)]
    late = [Row(each.at_ms + 20_000, each.column, each.text, sort=each.sort) for each in rows[30:]]
    (account,) = [text for text in texts(*rows[:30], *late) if "more" in text]
    assert account.startswith("… 17 times more, every 500 ms to 11.0 s, to 24.0 s: connected; ")


def test_another_status_is_told_and_nothing_is_counted_across_it() -> None:
    rows = [*connections(50)]
    rows[75:75] = [poll(24_999.5, "idle")]
    told = texts(*rows)
    where = told.index("poll: idle")
    (before,) = [text for text in told[:where] if "more" in text]
    (after,) = [text for text in told[where:] if "more" in text]
    assert before.startswith("… 22 times more, every 1.0 s, to 23.0 s: ")
    assert after.startswith("… 21 times more, every 1.0 s, to 48.0 s: ")


def test_nothing_that_differs_is_folded() -> None:
    """Each status is another than the one before, in no pattern; each event, call or fault is one
    of its own."""
    statuses = ("running", "idle", "paused")
    polls = [poll(1_000.0 * n, statuses[n % 3 if n % 7 else (n + 1) % 3]) for n in range(40)]
    events = [Row(100.0 * n, "server", f"#{n}", ("persisted",)) for n in range(40)]
    faults = [Row(10.0 * n, "socket", f"fault: reset {n}", tone=Tone.FAULT) for n in range(40)]
    assert [*folded(faults)] == faults
    assert [*folded(events)] == events
    assert not [text for text in texts(*polls) if "more" in text]


def test_a_fault_is_told_wherever_it_stands() -> None:
    rows = [*connections(60)]
    fault = Row(30_000.5, "socket", "fault: reset", tone=Tone.FAULT)
    told = [*folded([*rows[:91], fault, *rows[91:]])]
    assert told.count(fault) == 1
    assert sum("more" in each.text for each in told) >= 2
    assert [each.at_ms for each in told] == sorted(each.at_ms for each in told)


def test_a_few_repetitions_stay_as_they_are() -> None:
    rows = [*connections(4)]
    assert [*folded(rows)] == rows


def test_a_pattern_of_equal_rows_stays_a_count() -> None:
    assert texts(*(poll(1_000.0 * n) for n in range(300))) == [
        "300 polls: running, last at 299000.0"
    ]
