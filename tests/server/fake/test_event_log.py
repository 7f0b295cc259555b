"""The log's pages where a full disk has left empty files."""

import pytest

from race_harness.server.disk import StorageError
from race_harness.server.fake.event_log import Filter, PersistedLog
from race_harness.server.wire import Event


def event(name: str) -> Event:
    return {"id": name, "kind": "MessageEvent", "source": "user", "timestamp": name}


def log(files: str, *, search_trips: bool) -> PersistedLog:
    """A letter is an event; a full stop is an empty file, which the next append notices."""
    made = PersistedLog(search_trips=search_trips)
    for name in files:
        made.notice_empty()
        if name == ".":
            made.leave_empty()
        else:
            made.append(event(name))
    return made


def page(
    made: PersistedLog, start: str | None = None, limit: int = 100, *, descending: bool = False
) -> tuple[str, str | None]:
    items, more = made.search(Filter(), page_id=start, limit=limit, descending=descending)
    return "".join(item["id"] for item in items), more


@pytest.mark.parametrize(
    ("files", "start", "limit", "descending", "reaches"),
    [
        ("a.b", None, 100, False, True),
        ("a.b", None, 100, True, True),
        (".ab", None, 100, False, True),
        (".ab", "a", 100, False, False),
        (".ab", "a", 100, True, True),
        ("a.b", "b", 100, False, False),
        ("a.b", "b", 100, True, True),
        ("a.b", "a", 100, True, False),
        ("a.b", "unknown", 100, False, True),
        # A page ends at the event that begins the next one.
        ("abc.d", None, 2, False, False),
        ("ab.cd", None, 2, False, True),
        ("a.bcd", None, 2, True, False),
        # An empty file that nothing was appended after is not part of the log yet.
        ("ab.", None, 100, False, False),
        ("ab..c", None, 100, True, True),
    ],
)
def test_a_search_fails_where_it_comes_to_an_empty_file(
    files: str, start: str | None, limit: int, *, descending: bool, reaches: bool
) -> None:
    written = log(files.replace(".", ""), search_trips=True)
    expected = page(written, start, limit, descending=descending)
    assert page(log(files, search_trips=False), start, limit, descending=descending) == expected
    trips = log(files, search_trips=True)
    if reaches:
        with pytest.raises(StorageError, match="Missing event file"):
            page(trips, start, limit, descending=descending)
    else:
        assert page(trips, start, limit, descending=descending) == expected
