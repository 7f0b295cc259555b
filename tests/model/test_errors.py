"""An error in one line."""

import pytest

from race_harness.model.errors import WorldBroken, in_one_line

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
