"""A line of source code, and where it is."""

from dataclasses import dataclass

Line = tuple[str, str]
"""A line as schedules name it: the qualified name of its function, and its text without the
blanks around it."""


@dataclass(frozen=True)
class SourceLine:
    function: str
    text: str
    file: str
    number: int
    """The line number; if a function has this text twice, that of the first."""
    shared: tuple[str, ...] = ()
    """The names in the line that may lead to objects which threads share."""

    @property
    def line(self) -> Line:
        return self.function, self.text
