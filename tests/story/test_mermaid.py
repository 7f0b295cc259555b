"""The diagram must be what Mermaid can read, short, and untouched by what stands in a file."""

import html
import re
from dataclasses import replace

import pytest
from story_rig import Happening, at, persisted, seen, with_run

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.verdict import Judgement
from race_harness.story.mermaid import escaped, sequence_diagram

STATEMENT = re.compile(
    r"    (?:"
    r"title (?P<title>.+)"
    r"|participant [CSRV] as [\w ]+"
    r"|Note over [CSRV](?:,[CSRV])?: (?P<note>.+)"
    r"|[CSRV](?:->>|-->>|-\)|-x)[CSRV]: (?P<message>.+)"
    r")"
)
# What Mermaid, Markdown or HTML would act on; `#35;` and `<br/>` are how the diagram says so.
DANGEROUS = re.compile(r"[;#:<>&`$%{}\"\\^~\x00-\x1f]")

NASTY = 'a;b #35; c:d </script><b> "q" ``` $$x$$ %% {e} \\n &amp;\n    end\nNote over C: x'


def statements(text: str) -> list[str]:
    """The lines between the fences, each checked to be a statement."""
    first, heading, *lines, last = text.rstrip("\n").split("\n")
    assert (first, heading, last) == ("```mermaid", "sequenceDiagram", "```")
    for line in lines:
        match = STATEMENT.fullmatch(line)
        assert match is not None, line
        said = next((text for text in match.groupdict().values() if text), "")
        assert not DANGEROUS.search(re.sub(r"#\d+;|<br/>", "", said)), line
    return [line.strip() for line in lines]


def read(statement: str) -> str:
    """What a reader sees."""
    return html.unescape(re.sub(r"#(\d+);", r"&#\1;", statement.replace("<br/>", "\n")))


def test_the_diagram_tells_the_order_of_acts(failure: Failure) -> None:
    lines = [read(line) for line in statements(sequence_diagram(failure))]
    order = [
        "title late: client 1.10.0",
        "Note over C: 0.0 run() called",
        "C->>R: 10.0 POST run",
        "R-->>C: 11.0 POST run → 200",
        "R-->>C: 21.0 3 polls: running",
        "Note over V: 2500.0 ◆ #2 ActionEvent(finish) persisted\n2501.0 ◆ #3",
        "R-->>C: 3024.0 poll: finished",
        "Note over C,V: 3024.0 run() returns; 2 persisted events not visible: #2, #3",
        "V-)S: 5501.0 ◆ #2 delivered, callback, visible",
        "V-)S: 5501.5 ◆ #3 delivered",
    ]
    found = [next(n for n, line in enumerate(lines) if line.startswith(text)) for text in order]
    assert found == sorted(found)
    assert not any("never delivered" in line for line in lines)


def test_an_event_without_a_frame_is_a_lost_message(failure: Failure) -> None:
    changed = with_run(failure, persisted(1.0, "e-action", "ActionEvent"))
    lost = Evidence("lost", "gone", ({"id": "e-action"},))
    text = sequence_diagram(replace(changed, judgement=Judgement(("lost",), (lost,))))
    assert read(statements(text)[-1]) == "V-xS: ◆ #1 never delivered"


def test_a_request_without_an_answer_is_a_lost_message(failure: Failure) -> None:
    ask = at(1.0, "rest", "request", method="GET", route="/health", number=9)
    text = sequence_diagram(with_run(failure, ask))
    assert "C-xR: 1.0 GET health → never answered" in map(read, statements(text))


@pytest.mark.parametrize(
    "hostile", [NASTY, "end", "\ud800", "\x1b[31m", "loop x", "%%{init: {}}%%"]
)
def test_no_text_can_become_a_statement(failure: Failure, hostile: str) -> None:
    def spoilt(entry: Happening) -> Happening:
        names = ("status", "route", "execution_status", "tool", "kind")
        return {**entry, **{name: hostile for name in names if name in entry}}

    changed = replace(
        failure,
        client=hostile,
        happenings=(*map(spoilt, failure.happenings), at(1e5, hostile, hostile, x=hostile)),
    )
    assert len(statements(sequence_diagram(changed))) == len(
        statements(sequence_diagram(replace(failure, happenings=changed.happenings)))
    )


def test_escaped_text_reads_as_before() -> None:
    text = 'a;b #35; c:d </script><b> "q" ``` $$x$$ %% {e} \\n &amp; ◆ é'
    assert read(escaped(text)) == text


def test_a_long_story_is_cut_far_from_the_end_of_run(failure: Failure) -> None:
    long: list[Happening] = []
    for n in range(300):
        long += [at(10.0 * n, "server", "lease", holder=n), at(10.0 * n + 1, "socket", "x", y=n)]
    changed = with_run(
        failure,
        at(0.5, "network", "fault", action="reset", link="socket", peer="client"),
        persisted(1.0, "e-action", "ActionEvent"),
        *long,
        at(3000.0, "client", "run-returned"),
        *seen(3001.0, "e-action"),
    )
    lines = [read(line) for line in statements(sequence_diagram(changed))]
    assert len(lines) - 5 <= 40
    for words in ("run() called", "fault: reset", "◆ #1 ActionEvent", "◆ #1 delivered", "y=299"):
        assert any(words in line for line in lines), words
    gaps = [
        int(m[1]) for line in lines if (m := re.fullmatch(r"Note over C,V: … (\d+) more", line))
    ]
    assert sum(gaps) + len(lines) - 5 - len(gaps) == 2 * 300 + 5
    assert not any("y=0" in line for line in lines)


def test_a_long_note_keeps_its_marked_lines(failure: Failure) -> None:
    many = [at(10.0 + n, "server", "lease", holder=n) for n in range(60)]
    changed = with_run(failure, *many[:30], persisted(39.5, "e-action", "ActionEvent"), *many[30:])
    (note,) = [line for line in statements(sequence_diagram(changed)) if "lease" in line]
    lines = read(note).split("\n")
    assert len(lines) == 13
    assert any("◆ #1 ActionEvent" in line for line in lines)
    assert "… 49 more" in lines
