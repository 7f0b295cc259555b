"""Trials, counted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Trials that had a verdict, and those of them that passed."""

    passed: int = 0
    judged: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.passed + other.passed, self.judged + other.judged)
