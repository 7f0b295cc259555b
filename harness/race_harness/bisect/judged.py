"""What can be tried, and the result of trying it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from race_harness.model.schedule import Schedule

Judgement = Literal["good", "bad", "unclear", "measured"]
"""`unclear`: the client cannot tell, like exit status 125 for `git bisect run`. `measured`: an end
of the range whose numbers have yet to be compared with those of the other end."""


@dataclass(frozen=True)
class Point:
    """One release or commit of the range."""

    client: str
    """As `find_client` takes it."""
    key: str
    """Decides its judgement: points with equal keys are judged once."""
    label: str
    """Its name for people."""


@dataclass(frozen=True)
class Times:
    """Where the time of a judgement went, in wall seconds."""

    install: float = 0.0
    start: float = 0.0
    """Starting workers, importing the client, warming up."""
    trials: float = 0.0

    @property
    def all(self) -> float:
        return self.install + self.start + self.trials

    def __add__(self, other: "Times") -> "Times":
        return Times(
            self.install + other.install, self.start + other.start, self.trials + other.trials
        )


@dataclass(frozen=True)
class Judged:
    """The judgement of one client, and the evidence."""

    judgement: Judgement
    says: str
    """The evidence in a few words; if it is unclear, the reason."""
    reps: int = 0
    passed: int = 0
    """Trials in which nothing at all was wrong."""
    times: Times = field(default_factory=Times)
    shown_by: Schedule | None = None
    """The first schedule that shows the trouble, if the client is bad."""
    numbers: tuple[int | None, ...] = ()
    """If it is measured, the number of each trial; None for a void trial."""
    known: bool = False
    """Whether an earlier bisect, interrupted or with the same question, judged it."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, without `known`."""
        plain = {name: value for name, value in asdict(self).items() if name != "known"}
        shown_by = self.shown_by.to_dict() if self.shown_by is not None else None
        return {**plain, "shown_by": shown_by}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> "Judged":
        """From the JSON form; raises KeyError, TypeError or UsageError if the data is none."""
        shown_by = data["shown_by"]
        return Judged(
            judgement=data["judgement"],
            says=data["says"],
            reps=data["reps"],
            passed=data["passed"],
            times=Times(**data["times"]),
            shown_by=Schedule.from_dict(shown_by) if shown_by is not None else None,
            numbers=tuple(data["numbers"]),
            known=True,
        )
