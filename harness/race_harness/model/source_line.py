"""A line of somebody's source, and where it is."""

from dataclasses import dataclass

Line = tuple[str, str]
"""Qualified name of a function, and the text of a line in it without the blanks around it: so a
schedule names it."""


@dataclass(frozen=True)
class SourceLine:
    function: str
    text: str
    file: str
    number: int
    """Of the first place in the file, where a function has two lines of one text."""
    shared: tuple[str, ...] = ()
    """The names in it that may lead to what threads share."""

    @property
    def line(self) -> Line:
        return self.function, self.text
