"""An error in one line."""

import pytest

from race_harness.model.errors import WorldBroken, in_one_line, place_of, with_its_stack

STACK = '\n  File "a.py", line 1, in connect\n    raise refusal(what)'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("no release 9.9", "no release 9.9"),
        (f"a real socket was refused, at:{STACK}", "a real socket was refused"),
        (f"Traceback (most recent call last):{STACK}\nValueError: no", "ValueError: no"),
        ("a worker died:\nKilled", "a worker died: Killed"),
        ("a lock stops the world\nmore", "a lock stops the world"),
        ("", "WorldBroken"),
    ],
)
def test_in_one_line(text: str, line: str) -> None:
    assert in_one_line(WorldBroken(text)) == line


def failed(text: str, path: str) -> BaseException:
    """What a file raises that holds this."""
    try:
        exec(compile(text, path, "exec"), {})
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_an_error_tells_where_it_was_raised_and_then_its_stack() -> None:
    told = with_its_stack(failed("\nraise LookupError('no\\n  job')", "/home/me/server.py"))
    first, second, *_ = told.splitlines()
    assert first == "LookupError: no job (in /home/me/server.py, line 2)"
    assert second == "Traceback (most recent call last):"
    assert in_one_line(WorldBroken(f"the server failed: {told}")) == f"the server failed: {first}"


def test_the_place_is_not_a_librarys() -> None:
    error = failed("import json\njson.loads('{')", "/home/me/server.py")
    assert place_of(error) == ("/home/me/server.py", 2)


def test_the_place_of_what_cannot_be_parsed() -> None:
    assert place_of(failed("x = 1\ndef broken(", "/home/me/client.py")) == (
        "/home/me/client.py",
        2,
    )
