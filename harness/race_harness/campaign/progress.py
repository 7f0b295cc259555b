"""How progress is reported."""

from contextlib import AbstractContextManager
from typing import Protocol


class ProgressBar(Protocol):
    """One bar: the client is imported first, then trials end."""

    def begin(self) -> None:
        """The first trial begins."""

    def advance(self, *, passed: bool) -> None:
        """A trial has ended."""


class Progress(Protocol):
    def step(self, text: str) -> None:
        """Say something that stays on the terminal."""

    def bar(self, label: str, total: int) -> AbstractContextManager[ProgressBar]:
        """Show a bar for that many trials; 0 if the number is unknown."""
