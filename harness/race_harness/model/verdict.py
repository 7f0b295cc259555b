"""The verdicts of a trial, what they mean, and their order of gravity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from race_harness.model.evidence import Cause, Evidence
from race_harness.model.outcome import Void

MEANINGS: Final[dict[str, str]] = {
    "hang": "run() or another act, or a test, never returned within the limit of the trial; "
    "deadlock included",
    "failed": "a test of your own failed",
    "error": "the teardown of a test failed",
    "thread-died": "a test passed, but one of its threads died of an exception that nobody caught",
    "lost": "persisted, not visible at return nor after settling",
    "unrun": "run() returned, but the server's run for it never began, even after settling",
    "early": "run() returned before the server's run for it ended; of a test with --invariant, "
    "before all that was persisted was visible",
    "late": "persisted, not visible at return, visible after settling",
    "spurious-error": "run() or another act raised and nothing explains it, or run() before its "
    "timeout; or it returned although the run failed",
    "missed-callback": "in state.events, never given to the user's callback",
    "duplicate-callback": "given to the user's callback more than once",
    "out-of-order": "callbacks or state.events in another order than the server's log",
    "stale-state": "when everything is quiet, state differs from the server's, or cannot be read",
    "stall": "run() ended more than 10 virtual seconds after the server was done, or after its "
    "timeout; or the client held up another act, or an event, for more than 10",
    "server-stall": "passed: the server held up an act, a request or an event for more than 10 "
    "virtual seconds",
    "explained": "passed: run() or another act raised for a reason (a fault of the schedule, a "
    "refusal, a closed conversation, a timeout of its own), and nothing else was wrong",
    "ok": "none of these",
}
"""Every verdict, gravest first, with what it means."""

ORDER: Final[tuple[str, ...]] = tuple(MEANINGS)

PASSING: Final[tuple[str, ...]] = ("server-stall", "explained", "ok")
"""The verdicts of a trial that passed. All but `ok` are shown separately, and fail under
`--strict`."""


def passes(verdicts: Sequence[str], *, strict: bool = False) -> bool:
    """Whether a trial with these verdicts passed. A void trial, which has none, did not.

    With `strict`, only `ok` passes.
    """
    passing = ("ok",) if strict else PASSING
    return bool(verdicts) and all(verdict in passing for verdict in verdicts)


@dataclass(frozen=True)
class Judgement:
    """What the oracle found: verdicts, gravest first; `("ok",)` if nothing was wrong."""

    verdicts: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()
    """Things worth telling that are no fault of the client, such as trailing events."""

    @property
    def headline(self) -> str:
        return self.verdicts[0]

    @property
    def cause(self) -> Cause:
        """The cause: two failures with equal causes count as the same. Empty for a trial that
        passed or is void."""
        failed = self.verdicts and not passes(self.verdicts)
        return Cause.of(self.evidence) if failed else Cause()

    @property
    def concerned(self) -> dict[str, int]:
        """How many events each verdict concerns, by its name; 1 if it is not about events."""
        events = {verdict: 0 for verdict in self.verdicts if verdict != "ok"}
        for entry in self.evidence:
            events[entry.verdict] = events.get(entry.verdict, 0) + len(entry.events)
        return {verdict: count or 1 for verdict, count in events.items()}


@dataclass(frozen=True)
class TrialResult:
    """One trial, as a worker sends it to the controlling side."""

    index: int
    verdicts: tuple[str, ...]
    digest: str
    virtual_s: float
    """Seconds that `run()` took: virtual seconds, or wall seconds in real time."""
    wall_ms: float
    """Wall milliseconds of the whole repetition."""
    void: Void | None = None
    """Why there is no verdict, if there is none."""
    undone: int = 0
    """How many runs and acts the schedule asked for and did not happen."""
    concerned: Mapping[str, int] = field(default_factory=dict)
    """See `Judgement.concerned`; empty for a trial that was read from a record."""

    @property
    def passed(self) -> bool:
        return self.passes()

    def passes(self, *, strict: bool = False) -> bool:
        """Whether it passed; with `strict`, only `ok` passes."""
        return self.void is None and passes(self.verdicts, strict=strict)
