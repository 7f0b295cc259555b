"""Text from somebody's file stays text: what would be obeyed is shown, and no more is changed."""

import pytest

from race_harness.model.plain_text import (
    code_span,
    fenced,
    in_one_line,
    markdown,
    unbroken,
    visible,
)

HARMLESS = "late: 3 events, [95 %] 1.10.0, a_b.py::test_it[1-2] “ü” ◆ 日本 60 % (x); 5 < 6"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b[31mred\x9b0m", "\\x1b[31mred\\x9b0m"),
        ("back\b\b\rover", "back\\x08\\x08\\rover"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("no\u200bthing\ufeff", "no\\u200bthing\\ufeff"),
        ("a\u2028b", "a\\u2028b"),
        ("no text \ud800", "no text \\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_what_is_harmless_stays() -> None:
    text = HARMLESS
    lines = f"{text}\n\tindented\N{NO-BREAK SPACE}too"
    assert visible(lines) == lines
    assert in_one_line(text) == unbroken(text) == text
    assert code_span(text) == f"`{text}`"
    assert markdown("final-events, seed 7: failed (x) [95 %] in a_b") == (
        "final-events, seed 7: failed (x) [95 %] in a_b"
    )


def test_one_line_stays_one() -> None:
    assert in_one_line("a\n\nrace: b\x1b") == "a race: b\\x1b"
    assert unbroken("a  b\nrace:\tb") == "a  b\\nrace:\\tb"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<b onclick=x>&amp;", "&#60;b onclick=x>&#38;amp;"),
        ("a | b", "a &#124; b"),
        ("[here](http://x.example)", "[here\\](http:&#8203;//x.example)".replace("[", "\\[", 1)),
        ("[1](http://x.example)", "[1\\](http:&#8203;//x.example)"),
        ("**bold** `code` ~~gone~~ $x$", "\\*\\*bold\\*\\* \\`code\\` \\~\\~gone\\~\\~ \\$x\\$"),
        ("_it_ __init__ a_b", "\\_it\\_ \\__init_\\_ a_b"),
        ("@octocat fixes #1", "@&#8203;octocat fixes #&#8203;1"),
        ("www.x.example", "www&#8203;.x.example"),
        ("back\\slash", "back\\\\slash"),
        ("\n# no heading", "\\# no heading"),
        ("> no quotation", "&#62; no quotation"),
        ("p < 1e-12 & 5 > 3", "p < 1e-12 & 5 > 3"),
        ("- no item", "\\- no item"),
        ("1. no item", "1\\. no item"),
        ("1.0.0 is one, 10.0 too", "1.0.0 is one, 10.0 too"),
    ],
)
def test_what_markdown_would_take_for_markup_is_escaped(text: str, escaped: str) -> None:
    assert markdown(text) == escaped


def test_a_code_span_ends_where_it_is_to() -> None:
    assert code_span("a`b\nc") == "`a'b c`"
    assert code_span("a|b<i>") == "<code>a&#124;b&#60;i></code>"
    assert code_span("") == "` `"


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_a_line_does_not_end_the_fence_that_it_is_in(fence: str) -> None:
    assert fenced(f"  {fence}") == f"  \\{fence}"
    assert fenced(f"cause\n{fence}") == f"cause {fence}"
