"""Makes text from somebody's file safe to print, so that it stays plain text.

There is one function for each form: a terminal or a page (`visible`, which the console and the
builders of pages apply to everything they print), a line of Markdown, a code span, a line in a
fence. For Mermaid see `story.mermaid`.
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
"""What has a meaning: to Markdown, at the beginning of a line or anywhere (`mark`); to HTML or a
table (`html`); and to GitHub, which makes a mention, a reference or a link of it (`link`)."""
_NOTHING: Final = "&#8203;"
"""A zero-width space, which breaks up what would become a link."""


def visible(text: str) -> str:
    """Return the text with escapes for what a terminal or a page would obey rather than show:
    control characters, escape sequences, marks that reverse the direction of text, and surrogates
    and unassigned characters."""
    if text.isprintable():
        return text
    return "".join(one if _shows(one) else _escape(one) for one in text)


def in_one_line(text: str) -> str:
    """Return the visible text without line breaks, which could make part of it look like another
    line of the output."""
    return visible(" ".join(text.split()))


def unbroken(text: str) -> str:
    """Return the same for a name, or a word of a command, where blanks matter: line breaks and
    tabs become escapes."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def markdown(text: str) -> str:
    """Return one line of Markdown that shows the text as it is, also in a table."""
    return _MEANS_SOMETHING.sub(_meaning_nothing, in_one_line(text))


def _meaning_nothing(found: re.Match[str]) -> str:
    text = found[0]
    if found.lastgroup == "mark":
        return f"\\{text}"
    return f"&#{ord(text)};" if found.lastgroup == "html" else f"{text}{_NOTHING}"


def code_span(text: str) -> str:
    """Return a code span of Markdown in which nothing turns into markup, not even in a table."""
    flat = in_one_line(text)
    if "|" in flat:
        # Markdown looks for the ends of table cells before it looks for code.
        return f"<code>{markdown(flat)}</code>"
    return f"`{flat.replace('`', chr(39)) or ' '}`"


def fenced(text: str) -> str:
    """Return a line for a fenced block of Markdown, which the line cannot end."""
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
