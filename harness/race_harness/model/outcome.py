"""What the caller in a trial observed, and why a trial may have no verdict, for the oracle."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Void:
    """Why a trial has no verdict.

    not-run     the combination, or the release, cannot run the schedule
    unreached   the caller could not start a conversation
    unfit       the client lacks something that the schedule asks for
    skipped     a test was skipped, or failed as expected
    setup       the setup of a test failed, or never ended
    otherwise   a test failed, but not with the error in question
    unwatched   a test was to be checked for more than it asserts, but did nothing to check
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
    """One call of `run()`. Event ids are in the client's order."""

    number: int
    ended: Literal["returned", "raised", "never"]
    error: str | None = None
    """What it raised."""
    visible: tuple[str, ...] = ()
    """Ids in `state.events` at the instant the call returned or raised."""


@dataclass(frozen=True)
class Outcome:
    """Everything that the caller observed."""

    calls: tuple[CallOutcome, ...]
    """In the order in which they began."""
    visible_settled: tuple[str, ...]
    """Ids in `state.events` after the settle time, before `close()`."""
    void: Void | None = None
    """Why the caller never called `run()`, if so."""
    stopped: str | None = None
    """Why the harness had to stop the trial, if it had to."""
    undone: tuple[str, ...] = ()
    """What the schedule asked of the caller and did not happen, such as `run() 2 of 3`."""
