"""The fields of a schedule in words: what each holds, and what it would hold if it were benign."""

from dataclasses import fields
from functools import singledispatch
from typing import Any

from race_harness.model.paths import at, parsed
from race_harness.model.schedule import (
    Act,
    ConnectionLink,
    Fault,
    Late,
    LineStall,
    Moment,
    OtherAct,
    ProcessEvent,
    RestFault,
    Schedule,
    Turn,
    Watcher,
)


def differences(schedule: Schedule) -> list[str]:
    """A text for each field that is not benign."""
    return [
        f"{path} = {value_text(value)} (benign: {value_text(benign_value(path))})"
        for path, value in schedule.non_default_fields().items()
    ]


def unrun(schedule: Schedule) -> str:
    """A schedule that has not been run, in a few lines."""
    what = differences(schedule) or ["nothing"]
    return "\n".join(
        [
            f"a schedule of {schedule.scenario}, which has not been run",
            "what differs from a benign schedule:",
            *(f"  {line}" for line in what),
        ]
    )


def benign_value(path: str) -> object:
    """What the field at that path is by default; there is no fault, act or stall."""
    if path.endswith("]"):
        return None
    benign: object = at(Schedule("any"), parsed(path))
    return benign


@singledispatch
def value_text(value: object) -> str:
    """Such as `2.5`, `none`, `close (code 1001) of socket at run-called`."""
    return "none" if value is None else str(value)


@value_text.register
def _(fault: Fault) -> str:
    own = {
        "close": f" (code {fault.code})",
        "reject": f" (code {fault.code})",
        "stall": f" ({fault.for_ms} ms)",
        "refuse": f" ({fault.for_ms} ms)",
    }
    which = fault.link if fault.nth is None else f"{fault.link} no. {fault.nth}"
    which += "" if fault.path is None else f" ({fault.path})"
    if fault.there:
        which = "its connection"
    which += {"up": ", to the server", "down": ", to the client"}.get(fault.way, "")
    return f"{fault.action}{own.get(fault.action, '')} of {which} at {value_text(fault.at)}"


@value_text.register
def _(event: ProcessEvent) -> str:
    long = f"{event.by_ms:+} ms" if event.what == "clock-step" else f"{event.for_ms} ms"
    long += ", clock and all" if event.clock == "stands" else ""
    return f"{event.what} ({long}) at {value_text(event.at)}"


@value_text.register
def _(moment: Moment) -> str:
    nth = f" no. {moment.nth}" if moment.nth > 1 else ""
    nth += "" if moment.request is None else f" of {moment.request}"
    nth += "" if moment.link is None else f" of {moment.link}"
    nth += "" if moment.socket is None else f" of socket no. {moment.socket}"
    since = " since run-called" if moment.since == "run-called" else ""
    after = f" + {moment.after_ms} ms" if moment.after_ms else ""
    return f"{moment.what}{nth}{since}{after}"


@value_text.register
def _(fault: RestFault) -> str:
    did = {
        "delay": f"{fault.delay_ms} ms more for",
        "status": f"{fault.status} to",
        "timeout": "no answer to",
        "truncate": "half an answer to",
        "empty": "an empty page to",
    }[fault.action]
    last = fault.nth + fault.times - 1
    which = f"no. {fault.nth}" if last == fault.nth else f"no. {fault.nth} to {last}"
    since = " since run-called" if fault.since == "run-called" else ""
    unacted = "" if fault.acted else ", kept from the server"
    return f"{did} request {fault.route} {which}{since}{unacted}"


@value_text.register
def _(act: Act) -> str:
    return f"{act.what} at {value_text(act.at)}"


@value_text.register
def _(act: OtherAct) -> str:
    return f"{act.what} at {value_text(act.at)}"


@value_text.register
def _(watcher: Watcher) -> str:
    return f"one from {value_text(watcher.at)}"


@value_text.register
def _(late: Late) -> str:
    return f"{late.for_ms} ms more for {late.what} no. {late.nth}"


@value_text.register
def _(stall: LineStall) -> str:
    nth = f" no. {stall.nth}" if stall.nth > 1 else ""
    return f"{stall.for_ms} ms in {stall.function} at `{stall.line}`{nth}"


@value_text.register
def _(link: ConnectionLink) -> str:
    return f"{link.kind} no. {link.nth}: {_not_benign(link, ConnectionLink(), 'kind', 'nth')}"


@value_text.register
def _(turn: Turn) -> str:
    return _not_benign(turn, Turn())


def _not_benign(value: Any, benign: Any, *apart: str) -> str:
    return (
        ", ".join(
            f"{entry.name} {mine}"
            for entry in fields(value)
            if entry.name not in apart
            and (mine := getattr(value, entry.name)) != getattr(benign, entry.name)
        )
        or "benign"
    )
