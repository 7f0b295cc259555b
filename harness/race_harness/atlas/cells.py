"""One scenario on one release, and what neighbouring releases have in common. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, Literal

from race_harness.model.verdict import PASSING

HEAD: Final = 20
"""So many trials tell whether a cell hangs."""

_APART: Final = frozenset(PASSING) - {"ok"}

State = Literal["passes", "explained", "fails", "skipped"]
"""`explained`: all passed, though some not as `ok`."""


@dataclass(frozen=True)
class Cell:
    release: str
    scenario: str
    reps: int = 0
    passed: int = 0
    void: int = 0
    """Trials without a verdict; they are in no rate."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """Trials by verdict, gravest first; one with two verdicts is counted under both."""
    skipped: str | None = None
    """Why there is no rate."""

    @property
    def pass_rate(self) -> float | None:
        """In 0..1, of the trials with a verdict; None without any."""
        judged = self.reps - self.void
        return self.passed / judged if judged else None

    @property
    def state(self) -> State:
        if self.pass_rate is None:
            return "skipped"
        if self.pass_rate < 1:
            return "fails"
        return "explained" if any(self.verdicts.get(name) for name in _APART) else "passes"

    @property
    def hangs(self) -> bool:
        """Whether half of HEAD trials hang, or more. More of them are not run: a trial that hangs
        costs as much as a hundred others, and nothing would be learnt."""
        return self.reps == HEAD and 2 * self.verdicts.get("hang", 0) >= HEAD

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "release": self.release,
            "scenario": self.scenario,
            "reps": self.reps,
            "passed": self.passed,
            "void": self.void,
            "pass_rate": self.pass_rate,
            "verdicts": dict(self.verdicts),
            "skipped": self.skipped,
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Cell":
        """From the JSON form, which is trusted."""
        return Cell(**{name: value for name, value in data.items() if name != "pass_rate"})


@dataclass(frozen=True)
class Span:
    """Neighbouring releases in which a scenario comes out the same way."""

    state: State
    first: str
    last: str
    rates: tuple[float, float] | None
    """Lowest and highest pass rate; None where there is none."""

    def __str__(self) -> str:
        """Such as `fails 1.7.0 to 1.11.0 (passes 64 to 71 %)`."""
        named = self.first if self.first == self.last else f"{self.first} to {self.last}"
        if self.state == "explained":
            return f"passes, not always ok, {named}"
        if self.state != "fails" or self.rates is None:
            return f"{self.state} {named}"
        low, high = (_percent(rate) for rate in self.rates)
        return f"fails {named} (passes {low if low == high else f'{low} to {high}'} %)"


def spans(cells: Sequence[Cell]) -> Iterator[Span]:
    """The spans of one scenario, whose cells are in the order of the releases.

    A release without a rate interrupts nothing: races come and go between those that have one.
    """
    rated = [cell for cell in cells if cell.state != "skipped"]
    for state, group in groupby(rated or cells, key=lambda cell: cell.state):
        members = list(group)
        rates = [cell.pass_rate for cell in members if cell.pass_rate is not None]
        yield Span(
            state=state,
            first=members[0].release,
            last=members[-1].release,
            rates=(min(rates), max(rates)) if rates else None,
        )


def glyph(cell: Cell) -> str:
    """One character: `·` always passes, `∘` not always `ok`, `░▒▓` less and less often, `█`
    never, a blank for none."""
    rate = cell.pass_rate
    if rate is None:
        return " "
    if rate in (0, 1):
        return "█" if rate == 0 else "∘" if cell.state == "explained" else "·"
    return "▓" if rate < 1 / 3 else "▒" if rate < 2 / 3 else "░"


LEGEND = (
    "· always passes   ∘ so, but not always ok   ░ ▒ ▓ less and less often   █ never passes   "
    "blank: no rate"
)


def _percent(rate: float) -> str:
    # 1 failure in 1,000 must not read as 100 %.
    text = f"{100 * rate:.0f}"
    return "> 99" if text == "100" and rate < 1 else "< 1" if text == "0" and rate > 0 else text
