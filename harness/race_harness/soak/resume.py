"""Which campaign to continue."""

import json
from dataclasses import replace

from race_harness.model.errors import UsageError
from race_harness.model.fingerprint import fingerprint
from race_harness.soak.plan import Plan
from race_harness.store.campaigns import SOAK, unfinished
from race_harness.store.store import Store


def find_unfinished(store: Store, plan: Plan, name: str | None) -> str:
    """The identity of the newest soak of this plan that was killed, interrupted or out of time,
    among those of that name if there is one.

    Raises:
        UsageError: there is none; the message says if a client or the harness has moved on.
    """
    found = [(one, _read(one.plan)) for one in unfinished(store, SOAK, name)]
    for one, its in found:
        # With another harness, one half would be judged differently from the other.
        if its == plan and one.fingerprint == fingerprint():
            return one.id
    for one, its in found:
        if its is not None and _as_typed(its) == _as_typed(plan):
            raise UsageError(_moved_on(its, plan, one.began))
    named = f" named {name!r}" if name is not None else ""
    raise UsageError(
        f"nothing to resume: {store.path or 'the record'} has no unfinished soak{named} of these "
        "clients, scenarios and options; leave --resume out to begin one"
    )


def _read(text: str) -> Plan | None:
    """The plan; None: another release of race-harness wrote it in another form."""
    try:
        return Plan.from_dict(json.loads(text))
    except (KeyError, TypeError, ValueError):
        return None


def _as_typed(plan: Plan) -> Plan:
    clients = tuple(replace(client, resolved_version="") for client in plan.clients)
    return replace(plan, clients=clients)


def _moved_on(then: Plan, now: Plan, began: str) -> str:
    way_out = "leave --resume out to begin another one"
    for was, this in zip(then.clients, now.clients, strict=True):
        if was.resolved_version != this.resolved_version:
            return (
                f"{this.argument} was {was.resolved_version} when the soak of {began[:16]} began "
                f"and is {this.resolved_version} now: {way_out}"
            )
    return f"the source of race-harness is not what began the soak of {began[:16]}: {way_out}"
