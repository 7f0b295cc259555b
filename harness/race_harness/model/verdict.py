"""The verdicts of a trial, their meaning and their order of gravity."""

from dataclasses import dataclass
from typing import Final

from race_harness.model.evidence import Cause, Evidence
from race_harness.model.outcome import Void

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
    def cause(self) -> Cause:
        """What makes two failures the same; empty for a trial that passed or is void."""
        return Cause() if self.verdicts in ((), ("ok",)) else Cause.of(self.evidence)


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
    void: Void | None = None
    """Why there is no verdict, if there is none."""

    @property
    def passed(self) -> bool:
        return self.void is None and self.verdicts == ("ok",)
