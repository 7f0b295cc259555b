"""The client's copy of the server's log.

The log is the only authority: it has every event once and in order, and no other source shows as
much. One thread reads on from the last event that it knows, when the doorbell rings and at every
heartbeat, so that a closed or silently dead socket costs only a second.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from race_harness.clients.reference.http import Event, LostError, Rest

HEARTBEAT_S = 1.0
"""Seconds between two readings of the log while somebody waits for a run, even without a frame."""
IDLE_HEARTBEAT_S = 2.5
"""The same while nobody waits."""
RETRY_S, LAST_RETRY_S = 0.1, 1.0
"""Seconds from a failed reading to the next one, doubled from one failure to the next."""
GIVE_UP_S = 45.0
"""How long readings may keep failing before those who wait get an error."""

STATUS = "execution_status"


class ClosedError(RuntimeError):
    """The conversation was closed."""


class UnreachableError(RuntimeError):
    """The server could not be read for a long time."""


class EventLog:
    """Events in the log's order, each once. Only the reading thread adds to them."""

    def __init__(self, rest: Rest) -> None:
        self.events: list[Event] = []
        self.closed = False
        self.last_status = (-1, "idle")
        """Position and value of the last status. A conversation begins as `idle`, which is not in
        the log."""
        self._awaited = 0
        self._rest = rest
        self._changed = threading.Condition(threading.Lock())
        self._rung = False
        self._begun = self._done = 0
        self._failing_since: float | None = None
        self.failures = 0
        """How many readings have failed."""
        self._thread = threading.Thread(target=self._keep_reading, name="reader", daemon=True)
        self._thread.start()

    # -- what others ask ---------------------------------------------------------------------

    def statuses(self, since: int = 0) -> list[tuple[int, str]]:
        """Return position and value of each status in the log from the position `since` on."""
        return [
            (position, event["value"])
            for position, event in enumerate(self.events[since:], since)
            if event.get("key") == STATUS
        ]

    def wait(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Wait until `condition` is true; return False if `timeout_s` pass first. See `tell`.

        Raises:
            ClosedError: the conversation was closed.
            UnreachableError: the log cannot be read.
        """
        with self._changed:
            held = self._changed.wait_for(
                lambda: condition() or self.closed or self._unreachable(), timeout_s
            )
        if self.closed:
            raise ClosedError("the conversation was closed")
        if not condition() and self._unreachable():
            raise UnreachableError(f"no event could be read for {GIVE_UP_S:g} s")
        return held

    @contextlib.contextmanager
    def attention(self) -> Iterator[None]:
        """Wrap the time in which somebody waits for a run."""
        with self._changed:
            self._awaited += 1
        try:
            yield
        finally:
            with self._changed:
                self._awaited -= 1

    def tell(self) -> None:
        """Let those who wait check their conditions again."""
        with self._changed:
            self._changed.notify_all()

    def sync(self) -> None:
        """Wait for a reading of the log that begins after this call. Raises as `wait` does."""
        with self._changed:
            next_one = self._begun + 1
        self.ring()
        self.wait(lambda: self._done >= next_one)

    def ring(self) -> None:
        """Say that there may be news, so that the thread reads."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Let time pass, but no longer than until the log is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed, seconds)

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    # -- the reading thread ------------------------------------------------------------------

    def _keep_reading(self) -> None:
        retry_s = RETRY_S
        while self._woken():
            self._begun += 1
            try:
                self._read()
            except LostError:
                self.failures += 1
                if self._failing_since is None:
                    self._failing_since = time.monotonic()
                self.tell()
                self.pause(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)
                self._rung = True
            else:
                retry_s = RETRY_S
                self._failing_since = None
                self._done = self._begun
                self.tell()

    def _woken(self) -> bool:
        """Wait for the bell or the next heartbeat; False when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._rung or self.closed, self._heartbeat_s())
            self._rung = False
        return not self.closed

    def _heartbeat_s(self) -> float | None:
        return HEARTBEAT_S if self._awaited else IDLE_HEARTBEAT_S

    def _unreachable(self) -> bool:
        since = self._failing_since
        return since is not None and time.monotonic() - since > GIVE_UP_S

    def _read(self) -> None:
        """Read on from the last event to the end. If a page fails, earlier pages stay."""
        page_id = self._last_id()
        while True:
            items, next_page_id = self._rest.page(page_id)
            if page_id is not None and (not items or items[0]["id"] != page_id):
                # The server's page would begin with the requested event, so this is not its page.
                raise LostError("a page that is not the one asked for")
            self._take(items)
            if next_page_id is None:
                return
            page_id = next_page_id

    def _last_id(self) -> str | None:
        return self.events[-1]["id"] if self.events else None

    def _take(self, items: list[Event]) -> None:
        """Add a page, which may begin with the last known event."""
        last = self._last_id()
        known = len(self.events)
        self.events += items[1:] if items and items[0]["id"] == last else items
        self.last_status = (self.statuses(known) or [self.last_status])[-1]
        self.tell()
