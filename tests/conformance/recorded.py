"""The recorded sessions, and for each a schedule that makes the fake server do the same."""

from pathlib import Path

from race_harness.conformance import sessions as wire
from race_harness.conformance.labels import Label
from race_harness.model.schedule import Caller, Late, Link, Network, Schedule, ServerTiming

RELEASES = ("1.10.0", "1.11.1", "1.58.0")
CALLER = Caller(pause_ms=0.0, settle_s=1.0)


def late(*acts: Late, start_ms: float = 0.4) -> ServerTiming:
    """An LLM that answers at once, and frames that are ahead of their appends; but for these."""
    return ServerTiming(
        start_ms=start_ms,
        think_ms=12,
        tool_ms=0.3,
        persist_ms=1,
        publish_ms=0.5,
        snapshot_ms=0.5,
        late=acts,
    )


def frame(number: int, ms: float) -> Late:
    """2 is the message's, 3 that of `running`, 4 the action's, 5 the observation's."""
    return Late("publication", number, ms)


SENT = Late("answer", 4, 1.0)
"""The answer to the message."""
POLLED = Late("request", 6, 0.3)
"""The first poll."""

SCHEDULES: dict[tuple[str, int], Schedule] = {
    # The first message's frame and those of the run come after their appends, the system
    # prompt's before it; the first poll finds `running`.
    ("1.10.0", 0): Schedule(
        "recorded",
        server=late(frame(2, 0.8), SENT, frame(3, 1.0), frame(4, 1.5)),
        network=Network(Link(2.0)),
        caller=CALLER,
    ),
    # Frames are ahead, but that of the observation; `running` is assigned while the first poll
    # is being served.
    ("1.10.0", 1): Schedule(
        "recorded",
        server=late(POLLED, frame(5, 0.6), start_ms=1.2),
        caller=CALLER,
    ),
    # `finished` is assigned before the frames of the action and the observation are sent.
    ("1.11.1", 0): Schedule(
        "recorded",
        server=late(frame(2, 0.8), SENT, frame(3, 0.8), frame(4, 1.9)),
        caller=CALLER,
    ),
    ("1.11.1", 1): Schedule("recorded", server=late(frame(3, 1.0)), caller=CALLER),
    # The run keeps the event loop busy, and all its frames come in one burst at its end.
    **{
        ("1.58.0", session): Schedule(
            "recorded",
            server=ServerTiming(think_ms=0, tool_ms=0, persist_ms=2),
            network=Network(Link(1.0)),
            caller=CALLER,
        )
        for session in (0, 1)
    },
}


def session(version: str, number: int) -> tuple[Label, ...]:
    """What happened in one of the two conversations of a recording."""
    path = Path(__file__).parent / "traces" / f"trace-{version}.jsonl"
    return wire.sessions(path.read_text().splitlines())[number]
