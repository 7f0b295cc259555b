"""Draws the schedules of a hunt: a few families of faults at a time, and times near known ones.

A schedule with every kind of fault is slow, fails in many ways at once, and one fault hides the
next: if no connection lives long, none is ever silent. So each schedule has only some of the
families (Groce et al., Swarm Testing, 2012).

A client and its server have their own times, such as a poll interval. If all times were equally
likely, few would fall shortly before or after one of these, so some are drawn there.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from race_harness.model.paths import Path, Place, put, walk
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import LineStall, Schedule
from race_harness.search.families import STALLS, check

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

AT_ONCE: Final = 4
"""The most families in one schedule."""

_LONGEST_MS: Final = {
    "for_ms": 35_000,
    "delay_ms": 65_000,
    "think_ms": 65_000,
    "between_ms": 35_000,
    "after_ms": 35_000,
    "answer_s": 65_000,
    "idle_s": 65_000,
}
"""The longest virtual milliseconds, by the field's name, that a time may have without making a
correct client fail. Other times stay as the families draw them."""
_LARGEST_STATE_KB: Final = 900
"""Below the MiB beyond which a WebSocket client hangs up by default (websockets, `max_size`)."""
_LARGEST_LOG_KB: Final = 3_000
_AROUND_MS: Final = (0.0, 0.1, 1.0, 10.0, 100.0, 500.0)
"""Distances from a known time."""


def add_faults(
    chosen: Sequence[Scenario],
    families: Sequence[str],
    lines: Sequence[tuple[str, str]] = (),
    known_s: Sequence[float] = (),
) -> list[Scenario]:
    """Return the scenarios with faults of some of these families; without any scenario, a benign
    one with such faults.

    `lines` are those of the client's source, as function and text, for the family `stalls`.
    `known_s` are the client's and the server's own times, in seconds.

    Raises:
        UsageError: there is no such family.
    """
    check(families)
    name = "+".join(families)
    benign = Scenario(name, "faults alone", partial(_benign, name))
    return [
        replace(one, schedules=partial(_swarm, one, families, lines, known_s))
        for one in chosen or [benign]
    ]


def _benign(name: str) -> "SearchStrategy[Schedule]":
    from hypothesis import strategies as st

    return st.just(Schedule(name))


def _swarm(
    scenario: Scenario,
    families: Sequence[str],
    lines: Sequence[tuple[str, str]],
    known_s: Sequence[float],
) -> "SearchStrategy[Schedule]":
    from hypothesis import strategies as st

    from race_harness.search.fault_strategies import FAMILIES
    from race_harness.search.strategies import line_stalls

    plain, stalls = scenario.schedules(), line_stalls(lines)
    sizes = st.integers(1, min(AT_ONCE, len(families)))
    some = sizes.flatmap(
        lambda size: st.lists(st.sampled_from(families), min_size=size, max_size=size, unique=True)
    )

    nearly = st.sampled_from([False, True])

    @st.composite
    def drawn(draw: "DrawFn") -> Schedule:
        names = set(draw(some))
        schedule = draw(plain)
        for name in families:
            if name == STALLS and name in names:
                schedule = _stalled(schedule, draw(stalls))
            elif name in names:
                schedule = draw(FAMILIES[name](schedule))
        schedule = _affordable(schedule)
        return _near(draw, schedule, known_s) if draw(nearly) else schedule

    return drawn()


_SHORTEST_MS: Final = 500.0
"""The least for a field in seconds: no gateway gives up sooner."""


def _affordable(schedule: Schedule) -> Schedule:
    """Limit the state to what a client accepts, and the log to some megabytes. If a client cannot
    even subscribe, there is nothing to judge, and one such trial costs as much as a hundred
    others."""
    script = schedule.script
    calls = script.tool_calls + sum(turn.tool_calls for turn in script.later)
    return replace(
        schedule,
        script=replace(
            script,
            state_kb=min(script.state_kb, _LARGEST_STATE_KB),
            event_kb=min(script.event_kb, _LARGEST_LOG_KB // max(calls, 1)),
        ),
    )


def _stalled(schedule: Schedule, stalls: tuple[LineStall, ...]) -> Schedule:
    had = schedule.interleaving
    return replace(schedule, interleaving=replace(had, stalls=(*had.stalls, *stalls)))


def _near(draw: "DrawFn", schedule: Schedule, known_s: Sequence[float]) -> Schedule:
    """Move one of its times near a known one, if it has any."""
    from hypothesis import strategies as st

    choices = [
        (path, known * 1_000)
        for path, most in _times(schedule)
        for known in known_s
        if known * 1_000 <= most
    ]
    if not choices:
        return schedule
    path, known_ms = draw(st.sampled_from(choices))
    around = draw(st.sampled_from(_AROUND_MS)) * draw(st.sampled_from((1, -1)))
    in_seconds = str(path[-1]).endswith("_s")
    milliseconds = round(max(known_ms + around, _SHORTEST_MS if in_seconds else 0.1), 1)
    value = milliseconds / 1_000 if in_seconds else milliseconds
    changed: Schedule = put(schedule, path, value)
    return changed


def _times(schedule: Schedule) -> list[tuple[Path, float]]:
    """Return the path of each time that is not benign and may be longer, and how long it may
    be."""
    return [
        (place.path, _LONGEST_MS[str(place.path[-1])])
        for place in walk(schedule)
        if place.path[-1] in _LONGEST_MS and _is_drawn(place)
    ]


def _is_drawn(place: Place) -> bool:
    return isinstance(place.value, int | float) and place.value != place.default
