"""The result of one repetition of a test, as pytest and the threads report it."""

from dataclasses import dataclass
from typing import Literal

from race_harness.model.evidence import Evidence

Phase = Literal["setup", "call", "teardown"]


@dataclass(frozen=True)
class Raised:
    """An exception that nobody caught."""

    error: str
    """Type and message, such as `AssertionError: assert 1 == 2`."""
    where: str
    """The innermost line of the test, or of the modules that it is about, as `function: text of
    the line`. If a library raised, this is still no line of the library."""
    ours: bool = False
    """Whether it is an error in the harness itself, and so no failure of the test."""


@dataclass(frozen=True)
class PhaseReport:
    phase: Phase
    outcome: Literal["passed", "failed", "skipped"]
    raised: Raised | None = None
    """Why the phase failed or was skipped."""


@dataclass(frozen=True)
class ThreadDeath:
    thread: str
    """The thread's name."""
    raised: Raised


@dataclass(frozen=True)
class Repetition:
    """Phases in order, without those that a stopped trial did not reach."""

    phases: tuple[PhaseReport, ...]
    deaths: tuple[ThreadDeath, ...] = ()
    stopped: str | None = None
    """Why the harness had to stop the trial: a deadlock, or its limit."""
    left: tuple[str, ...] = ()
    """Names of threads that were still running when the test had ended."""
    early: tuple[Evidence, ...] = ()
    """With `--invariant`: what was not visible yet when `run()` returned."""
    unwatched: str | None = None
    """With `--invariant`: why there was nothing to check, if so."""
