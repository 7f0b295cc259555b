"""One row of a failure's timeline."""

from dataclasses import dataclass
from enum import Enum

Column = str
"""A column of `lanes.Lanes`."""


class Tone(Enum):
    """How a row matters."""

    PLAIN = "plain"
    CONCERNED = "concerned"
    """It is about an event that the evidence names."""
    CALLED = "called"
    ENDED = "ended"
    """`run()` returned or raised, or the trial ended before that; what follows came too late."""
    FAULT = "fault"
    FOLDED = "folded"
    """It stands for many rows, of any column, that only repeat what the rows around it say."""


@dataclass(frozen=True)
class Sort:
    """What a row says, without its time and the numbers of requests and peers."""

    kind: tuple[str, ...]
    """The part that stays when facts change: the next poll may show another status."""
    facts: str
    subject: str
    did: tuple[str, ...] = ()

    def joined(self, later: "Sort") -> "Sort":
        """The sort of a row that joins both."""
        return Sort(
            self.kind + later.kind,
            f"{self.facts} {later.facts}",
            self.subject,
            self.did + later.did,
        )

    @property
    def said(self) -> str:
        return said(self.subject, self.did)


@dataclass(frozen=True)
class Row:
    """One cell of the timeline: `subject`, then `did`, what it did."""

    at_ms: float
    column: Column
    subject: str
    did: tuple[str, ...] = ()
    about: tuple[str, str] | None = None
    """What the row is about, such as `("event", id)`. Neighbours about the same thing join."""
    tone: Tone = Tone.PLAIN
    polls: int = 0
    """How many polls it stands for, if it is about polls."""
    delivered: bool = False
    """Whether its subject first of all reached the client."""
    sort: Sort | None = None
    """None: the row is always shown, whatever comes before and after."""
    by: Column = ""
    """In a test: the column of the thread that sent what goes over the wire."""

    @property
    def said(self) -> str:
        """What it tells, once."""
        return said(self.subject, self.did)

    @property
    def text(self) -> str:
        match self.polls:
            case 0:
                return self.said
            case 1:
                return f"poll: {self.said}"
        return f"{self.polls} polls: {self.said}"


def said(subject: str, did: tuple[str, ...]) -> str:
    return f"{subject} {', '.join(did)}".strip()
