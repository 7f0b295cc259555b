"""Rows of a timeline that need nothing but their happening."""

from typing import Any, Final

from race_harness.story.names import Names
from race_harness.story.row import Column, Row, Tone

_LONGEST_TEXT: Final = 100
"""Characters of a text that comes from the trial, such as an error."""

_LANES: Final[dict[str, Column]] = {
    "client": "client",
    "socket": "socket",
    "rest": "rest",
    "server": "server",
    "network": "socket",
}
"""The columns of happenings for which no rule below says otherwise."""


def row_of(
    happening: dict[str, Any],
    column: Column,
    subject: str,
    did: str | None = None,
    about: tuple[str, str] | None = None,
    tone: Tone = Tone.PLAIN,
) -> Row:
    return Row(float(happening["at_ms"]), column, subject, (did,) if did else (), about, tone)


def of_other(happening: dict[str, Any]) -> Row:
    """What another user does in the conversation: a cause, like a fault."""
    asked = happening["what"] == "asked"
    answer = happening.get("status", "no answer")
    return row_of(
        happening,
        "server",
        f"somebody else: {happening.get('act')}",
        "asked for" if asked else f"→ {answer}",
        ("other", str(happening.get("number"))),
        Tone.FAULT if asked else Tone.PLAIN,
    )


def of_watcher(happening: dict[str, Any]) -> Row | None:
    """The arrival of a client that only watches; the evidence says what it learns."""
    subject = f"client {happening.get('client')}, which looks on"
    match happening["what"]:
        case "attached":
            return row_of(happening, "client", subject, "is connected", tone=Tone.FAULT)
        case "attach-failed":
            error = clipped(str(happening.get("error", "an error")))
            return row_of(happening, "client", subject, f"raises {error}", tone=Tone.FAULT)
    return None


def raised(happening: dict[str, Any]) -> str:
    error = clipped(str(happening.get("error", "an error")))
    return f"{error} at {happening.get('where', 'an unknown line')}"


def unknown(happening: dict[str, Any]) -> Row:
    """The row of a happening that only a newer harness knows: its fields as they are."""
    lane = str(happening["lane"])
    details = ", ".join(
        f"{name}={value}"
        for name, value in happening.items()
        if name not in ("at_ms", "lane", "what")
    )
    where = "" if lane in _LANES else f"{lane}: "
    column = _LANES.get(lane, "client")
    return row_of(happening, column, f"{where}{happening['what']}", clipped(details))


def stall(happening: dict[str, Any]) -> str:
    """Such as `stalled 12.5 ms in Client.run at "return"`."""
    where = f'in {happening.get("function")} at "{happening.get("line")}"'
    return clipped(f"stalled {happening.get('for_ms')} ms {where}")


def clipped(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."


def of_process(happening: dict[str, Any], names: Names) -> Row | None:
    """What becomes of the server's process and its machine."""
    match happening["what"]:
        case "frozen":
            stands = ", and its clock stands," if happening.get("clock") == "stands" else ""
            says = f"the process is frozen{stands} for {happening.get('for_ms')} ms"
            return row_of(happening, "server", says, tone=Tone.FAULT)
        case "crashed":
            says = f"the process dies, for {happening.get('for_ms')} ms"
            return row_of(happening, "server", says, tone=Tone.FAULT)
        case "restarted":
            now = happening.get("status")
            knows = "knows no conversation" if now is None else f"status {now}"
            return row_of(happening, "server", f"started again: {knows}", tone=Tone.FAULT)
        case "clock-stepped":
            says = f"the clock is set by {happening.get('by_ms'):+} ms"
            return row_of(happening, "server", says, tone=Tone.FAULT)
        case "disk-filled":
            says = f"the disk is full, for {happening.get('for_ms')} ms"
            return row_of(happening, "server", says, tone=Tone.FAULT)
        case "disk-freed":
            return row_of(happening, "server", "the disk has space again", tone=Tone.FAULT)
        case "unwritten":
            event = names.full(str(happening.get("event")))
            return row_of(happening, "server", f"{event} cannot be written", tone=Tone.FAULT)
        case "unsaved":
            return row_of(happening, "server", "the state cannot be saved", tone=Tone.FAULT)
        case "saved":
            return row_of(happening, "server", "the state is saved again", tone=Tone.FAULT)
        case "thawed":
            return row_of(happening, "server", "the process goes on", tone=Tone.FAULT)
    return None


def of_test(happening: dict[str, Any]) -> Row | None:
    """The beginning and end of the user's own test, and threads that die in it."""
    match happening["what"]:
        case "test-called":
            return row_of(happening, "client", "the test begins", tone=Tone.CALLED)
        case "test-passed":
            return row_of(happening, "client", "the test passes", tone=Tone.ENDED)
        case "test-failed":
            says = f"the test fails: {raised(happening)}"
            return row_of(happening, "client", says, tone=Tone.ENDED)
        case "thread-died":
            says = f"thread {happening.get('thread')!r} dies: {raised(happening)}"
            return row_of(happening, "client", says, tone=Tone.FAULT)
    return None
