"""What came of one repetition of a test, as pytest and the threads told it."""

from dataclasses import dataclass
from typing import Literal

from race_harness.model.evidence import Evidence

Phase = Literal["setup", "call", "teardown"]


@dataclass(frozen=True)
class Raised:
    """An exception that nobody caught."""

    error: str
    """Its type and message, such as `AssertionError: assert 1 == 2`."""
    where: str
    """The innermost line of the test, or of the modules that it is about, as `function: text of
    the line`; what a library raised is not told by a line of that library."""
    ours: bool = False
    """Whether the harness itself has made a mistake: it is no failure of the test then."""


@dataclass(frozen=True)
class PhaseReport:
    phase: Phase
    outcome: Literal["passed", "failed", "skipped"]
    raised: Raised | None = None
    """Why it failed or was skipped."""


@dataclass(frozen=True)
class ThreadDeath:
    thread: str
    """Its name."""
    raised: Raised


@dataclass(frozen=True)
class Repetition:
    """Phases in their order; those that a stopped trial did not come to are missing."""

    phases: tuple[PhaseReport, ...]
    deaths: tuple[ThreadDeath, ...] = ()
    stopped: str | None = None
    """Why the trial had to be ended from outside: a deadlock, or its limit."""
    left: tuple[str, ...] = ()
    """Threads that had not ended when the test had, by name."""
    early: tuple[Evidence, ...] = ()
    """Where `run()` was to be watched: what it returned too early for."""
    unwatched: str | None = None
    """Why there was nothing to watch, if there was not."""
