"""What the caller of a trial got, for the oracle."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Void:
    """Why a trial has no verdict.

    not-run     its combination, or its release, cannot run the schedule
    unreached   no conversation could be had
    unfit       the client has no such thing as the schedule asks for
    skipped     a test was skipped, or failed as it was expected to
    setup       the setup of a test failed, or never ended
    otherwise   a test failed, and not with the error that is asked about
    unwatched   a test was to be held to more than it asserts, and there was nothing to hold to it
    """

    kind: Literal["not-run", "unreached", "unfit", "skipped", "setup", "otherwise", "unwatched"]
    reason: str

    @property
    def says(self) -> str:
        """In words."""
        match self.kind:
            case "not-run":
                return f"not run: {self.reason}"
            case "unfit":
                return f"the client cannot do what the schedule asks for: {self.reason}"
        return self.reason


@dataclass(frozen=True)
class CallOutcome:
    """One call of `run()`. Ids are in the client's own order."""

    number: int
    ended: Literal["returned", "raised", "never"]
    error: str | None = None
    """What it raised."""
    visible: tuple[str, ...] = ()
    """Ids in `state.events` at the instant it returned or raised."""


@dataclass(frozen=True)
class Outcome:
    """Everything that the caller got."""

    calls: tuple[CallOutcome, ...]
    """In the order of their begin."""
    visible_settled: tuple[str, ...]
    """Ids in `state.events` after the settle time, before `close()`."""
    void: Void | None = None
    """Why `run()` was never reached, if so."""
    stopped: str | None = None
    """Why the trial had to be ended from outside, if it had to."""
    undone: tuple[str, ...] = ()
    """What the schedule asked the caller for and did not happen, such as `run() 2 of 3`."""
