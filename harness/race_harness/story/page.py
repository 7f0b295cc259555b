"""A failure as one page of HTML that needs nothing else: no network, no other file.

The page is built as a tree of elements and written once, so whatever a failure file holds is text
or an attribute's value and cannot become markup. Style and script are files beside this one, which
the page contains unchanged; a policy in its head forbids it to load anything.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from race_harness.model.failure import Failure
from race_harness.model.plain_text import visible
from race_harness.story.drawing import drawing
from race_harness.story.facts import names_of, replay_of, sentence, since_run, way, where
from race_harness.story.fields import benign_value, value_text
from race_harness.story.reproduced import confirmed_line
from race_harness.story.words import in_words

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def html_page(
    failure: Failure, path: Path | None = None, more: str = "", *, everything: bool = False
) -> str:
    """The page; `path` is the failure's file, `more` a paragraph below the words.

    `everything`: the drawing joins, folds and leaves out nothing.
    """
    html = Element("html", {"lang": "en"})
    head = SubElement(html, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    policy = {"http-equiv": "Content-Security-Policy", "content": _POLICY}
    SubElement(head, "meta", policy)
    SubElement(
        head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    )
    verdicts = ", ".join(failure.judgement.verdicts)
    _add(head, "title", f"{verdicts}: {failure.schedule.scenario}, {failure.resolved_version}")
    _add(head, "style", style())
    body = SubElement(html, "body")
    _add(SubElement(body, "h1"), "b", verdicts)
    add_story(body, failure, path, more, everything=everything)
    _add(body, "script", script())
    return f"<!DOCTYPE html>\n{tostring(html, encoding='unicode', method='html')}\n"


def add_story(
    parent: Element,
    failure: Failure,
    path: Path | None = None,
    more: str = "",
    *,
    heading: str = "h2",
    everything: bool = False,
) -> None:
    """Add all of the page but its headline; the page must have `style` and `script`, once."""
    shown = since_run(failure)
    _add(parent, "p", where(failure), kind="where")
    if confirmed := confirmed_line(failure):
        _add(parent, "p", confirmed, kind="where")
    _add(parent, "p", in_words(failure), kind="words")
    if more:
        _add(parent, "p", more, kind="words")
    parent.append(_figure(shown, everything))
    _evidence(parent, shown, heading)
    _schedule(parent, failure, heading)
    for thread, stack in failure.stacks.items():
        _add(parent, heading, f"where thread {thread} was")
        _add(parent, "pre", stack)
    _add(parent, heading, "again")
    _add(parent, "pre", replay_of(failure, path).removeprefix("replay: "))


def style() -> str:
    return _beside("page.css")


def script() -> str:
    return _beside("page.js")


def _figure(shown: Failure, everything: bool) -> Element:
    begin = "run() was called" if shown.schedule.test is None else "the test began"
    figure = Element("figure", {"class": "timeline"})
    caption = SubElement(figure, "figcaption")
    _add(
        caption,
        "span",
        f"Milliseconds since {begin}; shaded: nothing to tell, shortened. "
        "Drag to move, Ctrl and wheel to zoom, double click for all.",
    )
    for name, label, title in (
        ("closer", "+", "closer"),
        ("farther", "−", "farther"),
        ("home", "all", "all of it"),
    ):
        button = _add(caption, "button", label)
        button.attrib |= {"class": name, "type": "button", "title": title}
    figure.append(drawing(shown, everything=everything))
    return figure


def _evidence(body: Element, shown: Failure, heading: str) -> None:
    names = names_of(shown)
    _add(body, heading, "evidence")
    for entry in shown.judgement.evidence:
        _add(body, "p", sentence(entry))
        events = SubElement(body, "ul")
        for event in entry.events:
            item = _add(events, "li", way(event, names), kind="concerned")
            item.set("data-event", str(event["id"]))
    for note in shown.judgement.notes:
        _add(body, "p", f"note: {note}")


def _schedule(body: Element, failure: Failure, heading: str) -> None:
    _add(body, heading, "what differs from a benign schedule")
    table = SubElement(body, "table")
    fields = failure.schedule.non_default_fields()
    _row(table, "th", "field", "here", "benign")
    for path, value in fields.items():
        _row(table, "td", path, value_text(value), value_text(benign_value(path)))
    if not fields:
        _row(table, "td", "nothing", "", "")
    details = SubElement(body, "details")
    _add(details, "summary", "the whole schedule")
    _add(details, "pre", json.dumps(failure.schedule.to_dict(), indent=2))


def _row(table: Element, tag: str, *cells: str) -> None:
    row = SubElement(table, "tr")
    for cell in cells:
        _add(row, tag, cell)


def _add(parent: Element, tag: str, text: str, kind: str = "") -> Element:
    element = SubElement(parent, tag, {"class": kind} if kind else {})
    element.text = visible(text)
    return element


def _beside(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
