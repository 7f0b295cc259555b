"""A failure as Chrome trace events, to be opened in Perfetto (ui.perfetto.dev) or chrome://tracing.

Each party, or each thread of a test, has a track. What lasts is a slice: `run()`, `close()`, the
server's runs, requests, slow callbacks. The rest are instants. Arrows follow an event from
persisted to published, delivered and visible. An arrow needs slices at its ends, so the event's
steps are slices of one microsecond, the shortest possible: they can lie in other slices, but never
overlap in part, which the format forbids.

Format: Google's "Trace Event Format". Its times are microseconds, kept whole because viewers cut
off fractions; they count from the beginning of the trial, as in the failure file, because viewers
know none below zero.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from race_harness.model.failure import Failure
from race_harness.story.facts import concerned, names_of, requests, ways, where
from race_harness.story.interleaving import meetings
from race_harness.story.lanes import NETWORK, Lanes

_PROCESS: Final = 1

_TRACKS: Final = {
    "client": "client thread",
    "socket": "socket thread",
    "rest": "REST",
    "server": "server",
    "network": "network",
}
"""The lanes of the trace, in the order of the tracks."""

_STEP_LANES: Final = {
    "persisted": "server",
    "published": "server",
    "delivered": "socket",
    "visible": "socket",
}

_STEP_US: Final = 1

_LASTING: Final = {
    "run-called": ("client", "run()", ("run-returned", "run-raised")),
    "test-called": ("client", "the test", ("test-passed", "test-failed")),
    "act-called": ("client", "act", ("act-returned", "act-raised")),
    "close-called": ("client", "close()", ("close-returned", "close-raised")),
    "run-started": ("server", "run", ("run-ended",)),
    "callback": ("socket", "callback", ("callback-done", "callback-raised")),
}
"""Happenings that begin a slice: its lane, its name, and the happenings that end it."""

_TOLD_APART: Final = ("call", "act", "number", "run", "event")
"""Fields that tell several slices of one kind apart."""

_SLICED: Final = frozenset(
    {"request", "answer", "unanswered", "persisted", "frame-sent", "frame-delivered", "visible"}
    | _LASTING.keys()
    | {end for _, _, ends in _LASTING.values() for end in ends}
)
"""Happenings that are part of a slice; all others are instants."""


@dataclass(frozen=True)
class _Slice:
    lane: str
    name: str
    begin_us: int
    end_us: int
    details: dict[str, Any] = field(default_factory=dict)
    arrow: dict[str, Any] | None = None
    """Phase and id, if an arrow begins or ends at the slice."""


def trace_events(failure: Failure) -> dict[str, Any]:
    """The JSON object of the file."""
    lanes = Lanes(failure)
    found = [*_steps(failure), *_lasting(failure), *_requests(failure), *_instants(failure)]
    if lanes.of_test:
        found = [*_of_test(failure, lanes)]
    slices = sorted(
        found,
        # Slices that begin together are nested, the longest outermost.
        key=lambda entry: (entry.begin_us, entry.begin_us - entry.end_us),
    )
    tracks = {lane.column: lane.heading for lane in lanes.all} if lanes.of_test else _TRACKS
    threads = _Threads(tracks)
    events = [event for entry in slices for event in _events(entry, threads.place(entry))]
    return {
        "displayTimeUnit": "ms",
        "otherData": {"verdicts": ", ".join(failure.judgement.verdicts)},
        "traceEvents": [
            {"ph": "M", "pid": _PROCESS, "name": "process_name", "args": {"name": where(failure)}},
            *threads.headings(),
            *events,
        ],
    }


class _Threads:
    """The tracks as threads: a lane gets a second track where its slices overlap in part."""

    def __init__(self, tracks: Mapping[str, str]) -> None:
        self._tracks = tracks
        """Lane to heading."""
        self._ends: dict[tuple[str, int], list[int]] = {(lane, 0): [] for lane in tracks}
        """For each track, when its open slices end, the innermost last."""
        self._ids: dict[tuple[str, int], int] = {
            track: number for number, track in enumerate(self._ends, start=1)
        }

    def place(self, entry: _Slice) -> int:
        """The thread id of a slice; slices must come in the order in which they begin."""
        number = 0
        while True:
            track = (entry.lane, number)
            ends = self._ends.setdefault(track, [])
            while ends and ends[-1] <= entry.begin_us:
                ends.pop()
            if not ends or ends[-1] >= entry.end_us:
                break
            number += 1
        if entry.end_us > entry.begin_us:
            ends.append(entry.end_us)
        return self._ids.setdefault(track, len(self._ids) + 1)

    def headings(self) -> Iterator[dict[str, Any]]:
        lanes = list(self._tracks)
        for (lane, number), thread in self._ids.items():
            name = self._tracks.get(lane, lane) + (f" ({number + 1})" if number else "")
            place = lanes.index(lane) if lane in lanes else len(lanes)
            heading = {"ph": "M", "pid": _PROCESS, "tid": thread}
            yield {**heading, "name": "thread_name", "args": {"name": name}}
            yield {**heading, "name": "thread_sort_index", "args": {"sort_index": place}}


def _events(entry: _Slice, thread: int) -> Iterator[dict[str, Any]]:
    """A slice as trace events."""
    where_and_when = {"pid": _PROCESS, "tid": thread, "ts": entry.begin_us}
    named = {"name": entry.name, "cat": entry.lane, "args": entry.details}
    if entry.end_us == entry.begin_us:
        yield {"ph": "i", "s": "t", **where_and_when, **named}
        return
    yield {"ph": "X", **where_and_when, "dur": entry.end_us - entry.begin_us, **named}
    if entry.arrow is not None:
        # Right behind its slice: an arrow binds to the innermost open slice.
        yield {**entry.arrow, **where_and_when, "name": "way of an event", "cat": "way"}


def _of_test(failure: Failure, lanes: Lanes) -> Iterator[_Slice]:
    """The test, each request, and each line from its beginning to the next happening: by then the
    line has ended, or its thread waits in it."""
    yield from (replace(one, lane=lanes.callers) for one in _lasting(failure))
    yield from (replace(one, lane=NETWORK) for one in _requests(failure))
    met = {place for one in meetings(failure) for place in one.places}
    happenings = failure.happenings
    for place, happening in enumerate(happenings):
        begin_us = _us(happening["at_ms"])
        column = lanes.column_of(happening)
        if happening["what"] == "line":
            after = happenings[min(place + 1, len(happenings) - 1)]
            name = f"{'◆ ' if place in met else ''}{happening.get('line')}"
            end_us = max(begin_us + _STEP_US, _us(after["at_ms"]))
            yield _Slice(column, name, begin_us, end_us, _details(happening))
        elif happening["what"] == "line-stalled":
            end_us = begin_us + max(_STEP_US, _us(float(happening.get("for_ms", 0))))
            name = f"stalled at {happening.get('line')}"
            yield _Slice(column, name, begin_us, end_us, _details(happening))
        elif happening["what"] not in _SLICED:
            yield _Slice(column, happening["what"], begin_us, begin_us, _details(happening))


def _steps(failure: Failure) -> Iterator[_Slice]:
    names, guilty = names_of(failure), concerned(failure)
    for number, (event, taken) in enumerate(ways(failure).items(), start=1):
        # Up to 1.44 an event may be published before it is persisted.
        steps = sorted(taken.items(), key=lambda step: step[1].position)
        for index, (step, at) in enumerate(steps):
            phase = "s" if index == 0 else "t" if index < len(steps) - 1 else "f"
            arrow = {"ph": phase, "id": number, **({"bp": "e"} if phase == "f" else {})}
            begin_us = _us(at.at_ms)
            yield _Slice(
                _STEP_LANES[step],
                f"{'◆ ' if event in guilty else ''}{names.full(event)} {step}",
                begin_us,
                begin_us + _STEP_US,
                {"event": event},
                arrow if len(steps) > 1 else None,
            )


def _lasting(failure: Failure) -> Iterator[_Slice]:
    ends = {end: begin for begin, (_, _, after) in _LASTING.items() for end in after}
    names = names_of(failure)
    open_ones: dict[tuple[str, Any], dict[str, Any]] = {}

    def over(begin: dict[str, Any], end_ms: float, details: dict[str, Any]) -> _Slice:
        lane, name, _ = _LASTING[begin["what"]]
        if begin["what"] == "callback":
            name = f"callback {names.short(str(begin.get('event')))}"
        elif begin["what"] == "act-called":
            name = f"{begin['act']}()"
        begin_us = _us(begin["at_ms"])
        end_us = max(_us(end_ms), begin_us + _STEP_US)
        return _Slice(lane, name, begin_us, end_us, {**_details(begin), **details})

    for happening in failure.happenings:
        what = happening["what"]
        which = next((happening[name] for name in _TOLD_APART if name in happening), None)
        key = (ends.get(what, what), which)
        if what in _LASTING:
            if key in open_ones:
                yield over(open_ones[key], open_ones[key]["at_ms"], {})
            open_ones[key] = happening
        elif key in open_ones:
            yield over(open_ones.pop(key), happening["at_ms"], _details(happening))
    for begin in open_ones.values():
        # A callback without an end took no time; anything else lasted until the trial's end.
        last = begin if begin["what"] == "callback" else failure.happenings[-1]
        yield over(begin, last["at_ms"], {})


def _requests(failure: Failure) -> Iterator[_Slice]:
    last_ms = max((happening["at_ms"] for happening in failure.happenings), default=0.0)
    for request in requests(failure):
        begin_us = _us(request.begin_ms)
        end_us = _us(last_ms if request.end_ms is None else request.end_ms)
        said = f": {request.polled}" if request.polled is not None else ""
        details = {"number": request.number, "status": request.status}
        name = f"{request.says}{said}"
        yield _Slice("rest", name, begin_us, max(end_us, begin_us + _STEP_US), details)


def _instants(failure: Failure) -> Iterator[_Slice]:
    names = names_of(failure)
    for happening in failure.happenings:
        what = happening["what"]
        if what in _SLICED:
            continue
        about = happening.get("status", happening.get("action"))
        if "event" in happening:
            about = names.short(str(happening["event"]))
        at_us = _us(happening["at_ms"])
        name = what if about is None else f"{what} {about}"
        yield _Slice(happening["lane"], name, at_us, at_us, _details(happening))


def _details(happening: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in happening.items()
        if name not in ("at_ms", "lane", "what") and value is not None
    }


def _us(at_ms: float) -> int:
    return round(at_ms * 1000)
