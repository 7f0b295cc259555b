"""Checks that the client shows the server's state once everything is quiet. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from race_harness.model.evidence import Evidence, StateField
from race_harness.model.schedule import Schedule
from race_harness.oracle.excuses import READS_STATE, excuse, refusal
from race_harness.oracle.ledger import Ledger

QUIET_NS: Final = 5_000_000_000
"""How long, beyond the schedule's own delays, the server must have done nothing to be quiet."""


def stale(schedule: Schedule, ledger: Ledger) -> Iterator[Evidence]:
    """Yield the fields that differ from the server's, and fields that cannot be read."""
    reading = next((act for act in ledger.acts if act.act == "state"), None)
    if reading is None or ledger.shown is None:
        return
    why = excuse(reading, [READS_STATE]) or refusal(reading, [READS_STATE])
    if why is not None:
        # The same request may have failed for all of them.
        fields = {error: field for field, error in reversed(ledger.unreadable.items())}
        for error, field in fields.items():
            yield Evidence(
                "explained", "act-raised", act=f"state.{field}", error=error, reason=why
            )
    unreadable = {} if why is not None else ledger.unreadable
    own_ns = ledger.own_delays_ns(schedule)
    quiet = ledger.quiet_since(reading.called_ns - QUIET_NS - own_ns)
    known = quiet and not ledger.unsaved
    differences = differing(ledger.shown, unreadable, ledger.truth if known else None)
    if differences:
        yield Evidence("stale-state", "state-differs", differences=tuple(differences))


def differing(
    shown: Mapping[str, Any], unreadable: Mapping[str, str], truth: Mapping[str, Any] | None
) -> list[StateField]:
    """Return fields that cannot be read, and fields that differ from `truth`, the server's state;
    None if that is not known."""
    found = [StateField(field, f"raises {error}") for field, error in unreadable.items()]
    return found + [
        StateField(field, _text(shown[field]), _text(value))
        for field, value in (truth or {}).items()
        if field in shown and shown[field] != value
    ]


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
