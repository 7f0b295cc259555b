"""The timeline as an SVG drawing: lanes side by side, time going down, the guilty events' ways.

Everything is an element of a tree and never text joined by hand, so no name in a failure file can
become markup.
"""

from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement

from race_harness.model.failure import Failure
from race_harness.model.plain_text import visible
from race_harness.story.facts import Step, concerned, names_of, way, ways
from race_harness.story.lanes import Lanes
from race_harness.story.layout import LABEL_CHARACTERS, LINE, TOP, Layout, layout
from race_harness.story.names import clock
from race_harness.story.row import Column, Row, Tone
from race_harness.story.rows import tell

_WIDTH: Final = 1180
"""Width of a drawing with four lanes."""
_MARGIN: Final = 30
_TIMES_END: Final = 74
"""Where the column of the times ends."""
_OF_SCENARIOS: Final[dict[Column, int]] = {"client": 96, "socket": 366, "rest": 636, "server": 876}
"""Where a scenario's lanes stand."""
_FIRST_LANE: Final = 96
_PITCH: Final = 236
_PITCH_CHARACTERS: Final = 32
"""From one thread of a test to the next, and how much of a label has room there."""
_LANE_OF: Final[dict[str, Column]] = {
    "persisted": "server",
    "published": "server",
    "delivered": "socket",
    "visible": "socket",
}


def drawing(failure: Failure, *, everything: bool = False) -> Element:
    """The `svg` element of a failure whose times count from the call of `run()`."""
    return _Picture(failure, everything).svg()


class _Picture:
    def __init__(self, failure: Failure, everything: bool) -> None:
        self._names = names_of(failure)
        self._rows = tell(failure, self._names, everything=everything).rows
        # Nobody knows which events a test has.
        self._ways = ways(failure) if failure.schedule.test is None else {}
        self._guilty = concerned(failure)
        self._bars = list(_bars(failure))
        times = {row.at_ms for row in self._rows}
        for event in self._guilty:
            times |= {step.at_ms for step in self._ways.get(event, {}).values()}
        for _, begin_ms, end_ms, _ in self._bars:
            times |= {begin_ms, end_ms}
        lanes = Lanes(failure)
        self._headings = {lane.column: lane.heading for lane in lanes.all}
        self._at, self._width, characters = dict(_OF_SCENARIOS), _WIDTH, LABEL_CHARACTERS
        if lanes.of_test:
            self._at = {
                lane.column: _FIRST_LANE + number * _PITCH for number, lane in enumerate(lanes.all)
            }
            self._width = max(_WIDTH, _FIRST_LANE + len(lanes.all) * _PITCH)
            characters = _PITCH_CHARACTERS
        self._layout: Layout = layout(self._rows, times, characters)

    def svg(self) -> Element:
        bottom = self._layout.bottom + _MARGIN
        svg = Element(
            "svg",
            {
                "viewBox": f"0 0 {self._width} {bottom:.0f}",
                "role": "img",
                "aria-label": "timeline",
            },
        )
        for gap in self._layout.breaks:
            self._draw_break(svg, gap.top, gap.bottom, gap.lasts_ms)
        for column, x in self._at.items():
            _line(svg, "lane", (x, TOP - 20), (x, bottom))
            _text(svg, "heading", x, TOP - 32, self._headings[column])
        for column, begin_ms, end_ms, says in self._bars:
            self._draw_bar(svg, column, begin_ms, end_ms, says)
        for row in self._rows:
            if row.tone is Tone.ENDED:
                height = self._layout.heights[row.at_ms]
                _line(svg, "end", (_TIMES_END + 6, height), (self._width, height))
        # The guilty ones come last, so that they lie above the others.
        for event in sorted(self._ways, key=self._guilty.__contains__):
            self._draw_way(svg, event, self._ways[event])
        self._draw_times(svg)
        self._draw_rows(svg)
        return svg

    def _draw_break(self, svg: Element, top: float, bottom: float, lasts_ms: float) -> None:
        group = _group(svg, "break", f"{clock(lasts_ms)} ms in which nothing is told")
        attributes = {"x": "0", "y": f"{top + 6:.1f}", "width": str(self._width)}
        SubElement(group, "rect", {**attributes, "height": f"{bottom - top - 12:.1f}"})
        _text(group, "", _TIMES_END, (top + bottom) / 2 + 4, f"⋮ {lasts_ms:.0f}", end=True)

    def _draw_bar(
        self, svg: Element, column: Column, begin_ms: float, end_ms: float, says: str
    ) -> None:
        top, bottom = self._layout.heights[begin_ms], self._layout.heights[end_ms]
        group = _group(svg, "bar", f"{says}: {clock(begin_ms)} to {clock(end_ms)} ms")
        attributes = {"x": str(self._at[column] - 4), "y": f"{top:.1f}", "width": "8"}
        SubElement(group, "rect", {**attributes, "height": f"{max(bottom - top, 2):.1f}"})

    def _draw_way(self, svg: Element, event: str, steps: dict[str, Step]) -> None:
        """Draw the way from the server's log to the user, as far as the event came."""
        heights = self._layout.heights
        if any(step.at_ms not in heights for step in steps.values()):
            return  # the event shares its row with others
        guilty = event in self._guilty
        times = {f"{name}_ms": step.at_ms for name, step in steps.items()}
        title = way({"id": event, **times}, self._names)
        group = _group(svg, "way concerned" if guilty else "way", title)
        group.set("data-event", event)
        points = [
            (float(self._at[_LANE_OF[name]]), heights[step.at_ms])
            for name, step in sorted(steps.items(), key=lambda item: item[1].position)
        ]
        if guilty and "delivered" not in steps and "persisted" in steps:
            x, y = points[-1] if "visible" not in steps else points[0]
            points = [*points[: points.index((x, y)) + 1], (x - 50, y + 10)]
            cross = f"M{x - 56:.1f} {y + 4:.1f}l12 12m0-12l-12 12"
            SubElement(group, "path", {"class": "cross", "d": cross})
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        SubElement(group, "path", {"d": path})
        SubElement(group, "path", {"class": "touch", "d": path})

    def _draw_times(self, svg: Element) -> None:
        free = 0.0
        for row in self._rows:
            height = self._layout.heights[row.at_ms]
            # Of moments that are close, only the first is shown.
            if height >= free:
                _text(svg, "time", _TIMES_END, height + 4, clock(row.at_ms), end=True)
                free = height + LINE

    def _draw_rows(self, svg: Element) -> None:
        for label in self._layout.labels:
            row = label.row
            x = self._at[row.column]
            group = _group(svg, f"row {row.tone.value}", f"{clock(row.at_ms)} ms: {row.text}")
            if row.about is not None and row.about[0] == "event":
                group.set("data-event", row.about[1])
            if label.top > label.moment:
                _line(group, "leader", (x, label.moment), (x + 12, label.top))
            _marker(group, row, x, label.moment)
            for number, line in enumerate(label.lines):
                _text(group, "", x + 14, label.top + 4 + number * LINE, line)


def _bars(failure: Failure) -> Iterator[tuple[Column, float, float, str]]:
    """What lasts, `run()` and the server's runs: lane, begin, end and name of each."""
    lanes = Lanes(failure)
    caller, call = lanes.callers, "the test" if lanes.of_test else "run()"
    called: dict[Any, float] = {}
    started: dict[Any, float] = {}
    for happening in failure.happenings:
        at_ms = float(happening["at_ms"])
        match happening["what"]:
            case "run-called" | "test-called":
                called[happening.get("call", 1)] = at_ms
            case "run-returned" | "run-raised" | "test-passed" | "test-failed" if (
                happening.get("call", 1) in called
            ):
                yield caller, called.pop(happening.get("call", 1)), at_ms, call
            case "run-started" if not lanes.of_test:
                started[happening.get("run")] = at_ms
            case "run-ended" if happening.get("run") in started:
                yield "server", started.pop(happening.get("run")), at_ms, "the server's run"
    last_ms = float(failure.happenings[-1]["at_ms"]) if failure.happenings else 0.0
    for begin_ms in called.values():
        yield caller, begin_ms, last_ms, f"{call}, which did not return"
    for begin_ms in started.values():
        yield "server", begin_ms, last_ms, "the server's run, which did not end"


def _group(parent: Element, kind: str, title: str) -> Element:
    """A group that shows its title when the pointer rests on it."""
    group = SubElement(parent, "g", {"class": kind})
    SubElement(group, "title").text = visible(title)
    return group


def _line(
    parent: Element, kind: str, start: tuple[float, float], end: tuple[float, float]
) -> None:
    (x1, y1), (x2, y2) = start, end
    path = f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
    SubElement(parent, "path", {"class": kind, "d": path})


def _text(parent: Element, kind: str, x: float, y: float, text: str, *, end: bool = False) -> None:
    attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": f"{kind} right" if end else kind}
    SubElement(parent, "text", attributes).text = visible(text)


def _marker(parent: Element, row: Row, x: float, y: float) -> None:
    if row.tone is Tone.CONCERNED:
        SubElement(parent, "path", {"d": f"M{x} {y - 6:.1f}l6 6l-6 6l-6 -6z"})
    else:
        SubElement(parent, "circle", {"cx": str(x), "cy": f"{y:.1f}", "r": "4"})
