"""Text from somebody's file, made safe to print: it stays plain text.

One function for each form: a terminal or a page (`visible`, which the console and the builders
of pages apply to all that they print), a line of Markdown, a code span, a line in a fence. For
Mermaid see `story.mermaid`.
"""

import re
import unicodedata
from typing import Final

_MEANS_SOMETHING: Final = re.compile(
    r"(?P<mark>[\\`*~$]|\[(?!\d)|\](?=[(\[:])|(?<!\w)_|_(?!\w)|^[-+=#]|(?<=^\d)[.)](?=\s|$)|(?<=^\d\d)[.)](?=\s|$))"
    r"|(?P<html>&(?=#?\w+;)|<(?=[a-z/!?])|^>|\|)"
    r"|(?P<link>@|#(?=\w)|:(?=//)|\bwww(?=\.))",
    re.IGNORECASE,
)
"""To Markdown, at the beginning of a line or anywhere; to HTML or a table; and what GitHub makes
a mention, a reference or a link of."""
_NOTHING: Final = "&#8203;"
"""A blank without any width: what comes before it is no link any more."""


def visible(text: str) -> str:
    """The text with escapes for what a terminal or a page would obey and not show: control
    characters, escape sequences, marks that turn the direction of text around, what is no text."""
    if text.isprintable():
        return text
    return "".join(one if _shows(one) else _escape(one) for one in text)


def in_one_line(text: str) -> str:
    """The same without line breaks, which would let it pass for a line of somebody else's."""
    return visible(" ".join(text.split()))


def unbroken(text: str) -> str:
    """The same for a name, or a word of a command, whose blanks count: line breaks are escapes."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def markdown(text: str) -> str:
    """One line of Markdown that shows the text as it is, in a table, too."""
    return _MEANS_SOMETHING.sub(_meaning_nothing, in_one_line(text))


def _meaning_nothing(found: re.Match[str]) -> str:
    text = found[0]
    if found.lastgroup == "mark":
        return f"\\{text}"
    return f"&#{ord(text)};" if found.lastgroup == "html" else f"{text}{_NOTHING}"


def code_span(text: str) -> str:
    """A code span of Markdown, in which nothing can turn into markup, in a table, too."""
    flat = in_one_line(text)
    if "|" in flat:
        # Where a table's cell ends is decided before what is code.
        return f"<code>{markdown(flat)}</code>"
    return f"`{flat.replace('`', chr(39)) or ' '}`"


def fenced(text: str) -> str:
    """A line between two fences of Markdown, which it cannot end."""
    line = visible(text.replace("\n", " "))
    return re.sub(r"^(\s*)(?=[`~]{3})", r"\1\\", line)


def _shows(character: str) -> bool:
    return (
        character.isprintable()
        or character in "\n\t"
        # Blanks of other widths.
        or unicodedata.category(character) == "Zs"
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
