"""The page must hold everything, reach for nothing outside, and stay text where it shows text."""

import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from story_rig import LATE, Happening, at, persisted, with_run

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement
from race_harness.story.layout import TOP, layout
from race_harness.story.page import html_page
from race_harness.story.row import Column, Row

HOSTILE = '</script></style></title></svg><b onclick="alert(1)">&amp;"\'<img src=http://x.example>'
VOID = {"meta", "br", "img", "link", "input"}


class Page(HTMLParser):
    """The elements of a page; every end tag must end what is open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.setdefault(self._open[-1] if self._open else "", []).append(data)

    def all(self, tag: str, kind: str = "") -> list[dict[str, str]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and (not kind or kind in attributes.get("class", "").split())
        ]


def spoilt(failure: Failure) -> Failure:
    """The failure with hostile text wherever a file can hold any."""
    happenings: list[Happening] = [
        {
            **entry,
            **{name: HOSTILE for name in ("status", "route", "kind", "tool") if name in entry},
        }
        for entry in failure.happenings
    ]
    event = {"id": HOSTILE, "kind": HOSTILE, "persisted_ms": 1.0}
    return replace(
        failure,
        schedule=Schedule(HOSTILE),
        judgement=Judgement(("late",), (Evidence("late", HOSTILE, (event,)),), (HOSTILE,)),
        client=HOSTILE,
        resolved_version=HOSTILE,
        server=HOSTILE,
        world=HOSTILE,
        happenings=(*happenings, at(9e3, HOSTILE, HOSTILE, detail=HOSTILE)),
        stacks={HOSTILE: HOSTILE},
    )


def test_the_page_holds_the_words_the_evidence_and_the_schedule(failure: Failure) -> None:
    page = Page(html_page(failure, Path("a b.json"), "It passes otherwise."))
    words = " ".join(text for texts in page.text.values() for text in texts)
    for said in (
        "The server assigned `finished` 2501.2 ms after run() was called",
        "It passes otherwise.",
        LATE.says,
        "server.publish_ms",
        "race replay 'a b.json'",
        '"scenario": "slow-publication"',
    ):
        assert said in words, said


def test_every_event_of_the_evidence_is_there_and_marked(failure: Failure) -> None:
    page = Page(html_page(failure))
    guilty = {"e-action", "e-observation"}
    assert {item["data-event"] for item in page.all("li", "concerned")} == guilty
    ways = page.all("g", "way")
    assert {way["data-event"] for way in ways if "concerned" in way["class"]} == guilty
    rows = [row.get("data-event") for row in page.all("g", "row") if "concerned" in row["class"]]
    assert set(rows) == guilty
    # Marked means: not all are.
    assert any("concerned" not in way["class"] for way in ways) or len(ways) == len(guilty)
    assert len(page.all("g", "row")) > len(rows)


def test_every_lane_row_has_a_title_with_its_time(failure: Failure) -> None:
    titles = Page(html_page(failure)).text["title"]
    assert "3024.0 ms: run() returns; 2 persisted events not visible: #2, #3" in titles
    assert any(
        title.startswith("#2 ActionEvent(finish): persisted 2500.0, published 5500.0")
        for title in titles
    )
    assert "run(): 0.0 to 3024.0 ms" in titles
    assert "the server's run: 11.4 to 2501.2 ms" in titles


def test_an_event_that_never_arrived_has_a_cross(failure: Failure) -> None:
    assert not Page(html_page(failure)).all("path", "cross")
    lost = Evidence("lost", "gone", ({"id": "e"},))
    changed = with_run(failure, persisted(1.0, "e", "X"), at(2.0, "client", "run-returned"))
    changed = replace(changed, judgement=Judgement(("lost",), (lost,)))
    assert len(Page(html_page(changed)).all("path", "cross")) == 1


@pytest.mark.parametrize("hostile", [False, True])
def test_nothing_is_loaded_from_outside(failure: Failure, hostile: bool) -> None:
    text = html_page(spoilt(failure) if hostile else failure)
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "use", "base")
        assert not {"src", "href", "xlink:href", "srcset", "action"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
    if not hostile:
        assert not re.search(r"https?:|//\w|@import|url\(", text)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp|import\(", text)
    (policy,) = [meta for meta in page.all("meta") if "http-equiv" in meta]
    assert policy["content"].startswith("default-src 'none';")


def test_hostile_text_stays_text(failure: Failure) -> None:
    page = Page(html_page(spoilt(failure), Path(HOSTILE), HOSTILE))
    # The headline's own b, and one of each that a page has.
    for tag in ("b", "script", "style", "svg"):
        assert len(page.all(tag)) == 1, tag
    for tag in ("title", "p", "li", "pre", "h2"):
        assert any("<b onclick" in said for said in page.text[tag]), tag
    # Labels are broken into lines.
    assert "alert(1)" in "".join(page.text["text"])
    assert {item["data-event"] for item in page.all("li")} == {HOSTILE}


def test_labels_of_a_lane_never_overlap_and_never_precede_their_moment() -> None:
    columns: tuple[Column, ...] = ("client", "socket", "rest", "server")
    rows = [
        Row(at_ms, columns[n % 4], f"row {n} " + "with many words " * (n % 5))
        for n, at_ms in enumerate([0.0] * 9 + [0.1, 0.2, 3.0, 3.1, 500.0, 500.2, 9e4])
    ]
    placed = layout(rows, [1.0])
    assert [label.row for label in placed.labels] == rows
    heights = [placed.heights[row.at_ms] for row in rows]
    assert heights == sorted(heights)
    assert heights[0] == TOP
    # Linear where it is not broken: ten pixels a millisecond.
    assert placed.heights[3.0] - placed.heights[0.2] == pytest.approx(28)
    assert placed.heights[1.0] - placed.heights[0.2] == pytest.approx(8)
    for column in columns:
        free = 0.0
        for label in placed.labels:
            if label.row.column == column:
                assert label.top >= max(free, label.moment)
                free = label.top + 15 * len(label.lines)
                assert placed.bottom >= free
    assert [round(gap.lasts_ms) for gap in placed.breaks] == [497, 89500]
    # After a break, labels have caught up with their moments.
    first_after = next(label for label in placed.labels if label.row.at_ms == 500.0)
    assert first_after.top == first_after.moment


CHROMIUM = Path("/usr/bin/chromium")

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs Debian's chromium in /usr/bin"
)

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--enable-logging=stderr --virtual-time-budget=2000 --dump-dom"
)


def drawn(text: str, folder: Path) -> tuple[str, list[str]]:
    """What a browser makes of a page: the document, and what is on its console."""
    page = folder / "page.html"
    page.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={folder / 'new'}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_chromium
@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.browser
def test_a_browser_draws_the_page_without_an_error(
    failure: Failure, tmp_path: Path, hostile: bool
) -> None:
    text = html_page(spoilt(failure) if hostile else failure)
    # The script says that it came to its end, so that silence cannot pass for success.
    text = text.replace("</script>", "document.title = 'drawn';</script>")
    document, console = drawn(text, tmp_path)
    assert "<title>drawn</title>" in document
    assert console == []


@needs_chromium
@pytest.mark.browser
def test_the_browser_would_tell_an_error_and_a_forbidden_load(
    failure: Failure, tmp_path: Path
) -> None:
    worse = "new Image().src = 'https://x.example/'; nothing_of_that_name();</script>"
    _, console = drawn(html_page(failure).replace("</script>", worse), tmp_path)
    assert any("nothing_of_that_name" in line for line in console)
    assert any("Content Security Policy" in line for line in console)
