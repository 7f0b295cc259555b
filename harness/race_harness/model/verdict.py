"""The verdicts of a trial, their meaning and their order of gravity."""

import re
from dataclasses import dataclass
from typing import Any, Final

MEANINGS: Final[dict[str, str]] = {
    "hang": "run() never returned within the limit of the trial; deadlock included",
    "lost": "persisted, not visible at return nor after settling",
    "unrun": "run() returned, but the server's run for it never began, even after settling",
    "early": "run() returned before the server's run for it ended",
    "late": "persisted, not visible at return, visible after settling",
    "spurious-error": "run() raised although the run succeeded, or before its timeout; or it "
    "returned although the run failed",
    "missed-callback": "in state.events, never given to the user's callback",
    "duplicate-callback": "given to the user's callback more than once",
    "out-of-order": "callbacks or state.events in another order than the server's log",
    "stall": "run() ended more than 10 virtual seconds after the server was done, or after its "
    "timeout",
    "ok": "none of these",
}
"""Every verdict, gravest first, with what it means."""

ORDER: Final[tuple[str, ...]] = tuple(MEANINGS)


@dataclass(frozen=True)
class Evidence:
    """Why a verdict was given: one sentence, and the facts behind it.

    `events` holds one dict per event concerned: `id`, `kind`, and where known `persisted_ms`,
    `published_ms`, `delivered_ms`, `visible_ms` (trial time), `trailing`.
    """

    verdict: str
    says: str
    events: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Judgement:
    """What the oracle found: verdicts gravest first, `("ok",)` if there is nothing to say."""

    verdicts: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()
    """What is worth telling and is no fault of the client, such as trailing events."""

    @property
    def headline(self) -> str:
        return self.verdicts[0]

    @property
    def cause(self) -> str:
        """What makes two failures the same: `late: # events persisted before run() returned`.

        The verdicts and what their evidence says, numbers aside. Empty for a trial that passed or
        is void.
        """
        if self.verdicts in ((), ("ok",)):
            return ""
        said = (f"{entry.verdict}: {entry.says}" for entry in self.evidence)
        # `1 event` and `2 events` are one cause.
        return re.sub(r"\bevents?\b", "events", re.sub(r"\d+(\.\d+)?", "#", "; ".join(said)))


@dataclass(frozen=True)
class TrialResult:
    """One trial, as it travels from a worker to the controlling side."""

    index: int
    verdicts: tuple[str, ...]
    digest: str
    virtual_s: float
    """Seconds that `run()` took: virtual ones, in real time real ones."""
    wall_ms: float
    """Wall milliseconds of the whole repetition."""
    void: str | None = None
    """Why the schedule broke the trial before `run()` was reached, or why it was not run at all
    (`not run: ...`); then there is no verdict."""

    @property
    def passed(self) -> bool:
        return self.void is None and self.verdicts == ("ok",)
