"""A failure as a Mermaid sequence diagram, to be pasted into a comment on GitHub.

The rows are the timeline's. What passes between two parties is an arrow; what one party does by
itself is a note, and neighbouring notes of one party are joined. A diagram that would be too long
for a comment loses what matters least: plain entries that are far from the end of `run()`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from race_harness.model.failure import Failure
from race_harness.story.facts import concerned, names_of, since_run, ways, where
from race_harness.story.lanes import NETWORK, Lanes
from race_harness.story.names import Names, clock, several
from race_harness.story.reproduced import confirmed_line
from race_harness.story.row import Column, Row, Tone
from race_harness.story.rows import tell

_LONGEST: Final = 40
"""Messages and notes in a diagram."""

_LONGEST_NOTE: Final = 12
"""Lines in a note, without the line that counts the others."""

_SHORT: Final[dict[Column, str]] = {
    "client": "C",
    "socket": "S",
    "rest": "R",
    "server": "V",
    NETWORK: "N",
}
"""Names of the participants in statements; threads of a test are numbered: `T1`."""

_MARK: Final = "◆ "

_PLAIN_CHARACTERS: Final = frozenset(" .,()[]_+-=*/|!?'×◆→…")
"""Plain like letters and digits. Any other character may mean something to Mermaid or Markdown."""


@dataclass
class _Entry:
    """One statement of the diagram: an arrow, or a note, which may have several lines."""

    opening: str
    lines: list[str]
    weight: int
    """0: always shown; 1: about an event of the evidence; 2: plain."""

    def takes(self, other: "_Entry") -> bool:
        """Whether the other entry can go into this note."""
        return self.opening.startswith("Note ") and self.opening == other.opening

    def statement(self) -> str:
        middle = len(self.lines) / 2
        by_weight = sorted(
            range(len(self.lines)), key=lambda n: (_MARK not in self.lines[n], -abs(n - middle))
        )
        kept = sorted(by_weight[:_LONGEST_NOTE])
        lines = [escaped(self.lines[n]) for n in kept]
        if len(kept) < len(self.lines):
            gap = next(n for n, line in enumerate([*kept, -1]) if n != line)
            lines.insert(gap, f"… {len(self.lines) - len(kept)} more")
        return f"{self.opening}: {'<br/>'.join(lines)}"


def sequence_diagram(failure: Failure) -> str:
    """The diagram in a Markdown fence."""
    failure = since_run(failure)
    names = names_of(failure)
    parties = _Parties(failure)
    rows = tell(failure, names).rows
    entries = [*_joined(map(parties.entry, rows)), *_undelivered(failure, names)]
    confirmed = confirmed_line(failure)
    title = f"{', '.join(failure.judgement.verdicts)}: {where(failure)}"
    statements = [
        f"title {escaped(f'{title}, {confirmed}' if confirmed else title)}",
        *parties.statements(),
        *(entry.statement() for entry in _shortened(entries, parties.across)),
    ]
    body = "\n".join(f"    {statement}" for statement in statements)
    return f"```mermaid\nsequenceDiagram\n{body}\n```\n"


def escaped(text: str) -> str:
    """The text, escaped so that it means nothing to Mermaid, Markdown or HTML."""
    return "".join(
        character
        if character.isalnum() or character in _PLAIN_CHARACTERS
        else " "
        if character.isspace() or not character.isprintable()
        else f"#{ord(character)};"
        for character in text
    )


class _Parties:
    """Who takes part, and what each row is between them."""

    def __init__(self, failure: Failure) -> None:
        lanes = Lanes(failure)
        self._headings = {lane.column: lane.heading for lane in lanes.all}
        self._short = {
            column: _SHORT.get(column, f"T{number}")
            for number, column in enumerate(self._headings, start=1)
        }
        shorts = list(self._short.values())
        # A single party is named once.
        self.across = f"Note over {','.join(dict.fromkeys((shorts[0], shorts[-1])))}"

    def statements(self) -> Iterator[str]:
        for column, heading in self._headings.items():
            yield f"participant {self._short[column]} as {escaped(heading)}"

    def entry(self, row: Row) -> _Entry:
        mark = _MARK if row.tone is Tone.CONCERNED else ""
        weight = {Tone.PLAIN: 2, Tone.FOLDED: 2, Tone.CONCERNED: 1}.get(row.tone, 0)
        return _Entry(self._opening(row), [f"{clock(row.at_ms)} {mark}{row.text}"], weight)

    def _opening(self, row: Row) -> str:
        if row.tone in (Tone.ENDED, Tone.FOLDED):
            return self.across
        if row.column == NETWORK and row.by in self._short:
            return f"{self._short[row.by]}->>N"
        if row.column == "socket" and row.delivered:
            return "V-)S"
        if row.column == "rest" and row.tone is Tone.PLAIN:
            if row.did == ("→ never answered",):
                return "C-xR"
            asks = row.about is not None and not row.did
            return "C->>R" if asks else "R-->>C"
        return f"Note over {self._short[row.column]}"


def _joined(entries: Iterable[_Entry]) -> Iterator[_Entry]:
    """Join neighbouring notes of one party."""
    last: _Entry | None = None
    for entry in entries:
        if last is not None and last.takes(entry):
            last.lines += entry.lines
            last.weight = min(last.weight, entry.weight)
            continue
        if last is not None:
            yield last
        last = entry
    if last is not None:
        yield last


def _undelivered(failure: Failure, names: Names) -> Iterator[_Entry]:
    """The arrow that never arrived, for all concerned events without a frame."""
    taken = ways(failure)
    missing = [event for event in concerned(failure) if "delivered" not in taken.get(event, {})]
    if missing:
        yield _Entry(
            "V-xS", [f"{_MARK}{several([*map(names.short, missing)])} never delivered"], 0
        )


def _shortened(entries: Sequence[_Entry], across: str) -> list[_Entry]:
    """At most `_LONGEST` entries; a note of its own counts each gap."""
    end = max((n for n, entry in enumerate(entries) if entry.weight == 0), default=0)
    by_weight = sorted(range(len(entries)), key=lambda n: (entries[n].weight, abs(n - end)))
    for count in range(_LONGEST, 0, -1):
        kept = set(by_weight[:count])
        shortened: list[_Entry] = []
        left_out = 0
        for n, entry in enumerate(entries):
            left_out += n not in kept
            last = n == len(entries) - 1
            if left_out and (n in kept or last):
                shortened.append(_Entry(across, [f"… {left_out} more"], 2))
                left_out = 0
            if n in kept:
                shortened.append(entry)
        if len(shortened) <= _LONGEST:
            return shortened
    return []
