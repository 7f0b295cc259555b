"""What every command prints, as wide as the terminal, and without colour where there is none."""

import io
import os
import pty
import re
import select
import struct
import subprocess
import termios
import textwrap
from collections.abc import Callable
from fcntl import ioctl
from functools import partial
from pathlib import Path

import pytest
from cli_rig import RACE, Race
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from race_harness.cli.commands import COMMANDS
from race_harness.cli.console import CampaignProgress, print_story

ESCAPE = "\x1b"
FAILURE = next((Path(__file__).parents[2] / "docs").rglob("dead-socket.json"))

WRONG: list[tuple[str, ...]] = [
    ("replay", "a-folder-with-a-long-name/another-with-a-long-name/and-one-more/failure.json"),
    ("run", "/a-folder-with-a-long-name/another-with-a-long-name/and-one-more/a-client-of-mine"),
    ("merge", "all.db", "a-folder-with-a-long-name/another-with-a-long-name/more/shard-1.db"),
    ("report", "--record", "a-folder-with-a-long-name/another-with-a-long-name/more/record.db"),
    ("test", "a-folder-with-a-long-name/another-with-a-long-name/and-one-more/test_it.py"),
]
"""Of each, the last word has to be told whole, however narrow the terminal."""

Terminal = Callable[..., tuple[int, str]]


def on_terminal(
    folder: Path, *arguments: object, columns: int, **environment: str
) -> tuple[int, str]:
    """Exit status of `race` on a terminal so wide, and all that it wrote there, control sequences
    included."""
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    usual = {key: text for key, text in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(
        [*RACE, *map(str, arguments)],
        cwd=folder,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**usual, "TERM": "xterm-256color", **environment},
        start_new_session=True,
    ) as process:
        os.close(follower)
        written = b""
        while select.select([leader], [], [], 300)[0]:
            try:
                written += os.read(leader, 65_536)
            except OSError:
                break  # The last one that had it open is gone.
    os.close(leader)
    return process.returncode, written.decode()


def left_on(screen: str) -> list[str]:
    """The lines that stay, without control sequences: what comes after a carriage return is
    written over what was before."""
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen).replace("\r\n", "\n")
    return [line.rpartition("\r")[2].rstrip() for line in plain.split("\n")]


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return partial(on_terminal, tmp_path)


@pytest.mark.parametrize("name", ["", *COMMANDS])
@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_and_has_no_escape_in_a_pipe(race: Race, name: str, columns: int) -> None:
    done = race(*filter(None, [name]), "--help", COLUMNS=str(columns))
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if len(line) > columns] == []
    assert ESCAPE not in done.stdout + done.stderr
    if name:
        # That is set up for `race` as a whole.
        assert "--install-completion" not in done.stdout


@pytest.mark.parametrize("words", WRONG, ids=lambda words: words[0])
def test_an_error_tells_a_path_whole_and_has_no_escape_in_a_pipe(
    race: Race, words: tuple[str, ...]
) -> None:
    done = race(*words, COLUMNS="80")
    assert done.returncode in (2, 3)
    assert words[-1] in done.stderr
    assert ESCAPE not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_a_story_fits_and_has_colours_unless_nobody_wants_them(
    terminal: Terminal, columns: int
) -> None:
    status, screen = terminal("show", FAILURE, columns=columns)
    assert status == 0
    assert ESCAPE in screen
    lines = left_on(screen)
    commands = [line for line in lines if line.startswith("replay: ")]
    assert [line for line in lines if len(line) > columns and line not in commands] == []
    assert any(str(FAILURE) in line for line in commands)
    status, plain = terminal("show", FAILURE, columns=columns, NO_COLOR="1")
    assert (status, ESCAPE in plain) == (0, False)
    assert left_on(plain) == lines


@pytest.mark.slow
def test_a_bar_of_what_never_began_does_not_stay(terminal: Terminal) -> None:
    status, screen = terminal("test", "nope.py", columns=80)
    assert status == 2
    assert "importing the client" in screen
    said = [line for line in left_on(screen) if line]
    assert said == ["race: pytest cannot collect nope.py; try pytest --collect-only"]


@pytest.mark.parametrize(("total", "shown"), [(0, "3/?"), (3, "3/3")])
def test_a_bar_of_an_unknown_number_counts_and_is_never_full(total: int, shown: str) -> None:
    written = io.StringIO()
    progress = Progress(
        TextColumn("{task.description}"), MofNCompleteColumn(), console=Console(file=written)
    )
    with CampaignProgress(progress).bar("hunt", total) as bar:
        bar.begin()
        for _ in range(3):
            bar.advance(passed=True)
        assert progress.finished == bool(total)
    progress.console.print(progress)
    assert written.getvalue().split() == ["hunt", "trials", shown]


@pytest.mark.slow
def test_a_long_name_leaves_room_for_the_bar(terminal: Terminal, tmp_path: Path) -> None:
    name = "test_of_what_happens_where_a_name_is_about_as_long_as_most_terminals_are_wide"
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(f"def {name}():\n    pass\n")
    status, screen = terminal("test", "test_it.py", "--reps", 3, columns=80)
    assert status == 0
    (bar,) = [line for line in left_on(screen) if "3/3" in line]
    assert "terminals_are_wide  trials " in bar
    # And the table tells it in one piece, to be copied.
    assert f"test_it.py::{name}" in left_on(screen)


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_story_wraps_between_words_and_never_in_a_command_or_in_a_pipe(
    on_terminal: bool,
) -> None:
    path = "/a-folder-with-a-long-name/another-with-a-long-name/and-one-more/a-client-of-mine"
    says = "early: client reference:eager (0.1.0), scenario clean, sim world; not tried elsewhere"
    kept = [f"early: client {path} (0.1.0)", f"replay: race replay {path[:60]} --client {path}"]
    written = io.StringIO()
    console = Console(file=written, width=80, force_terminal=on_terminal, color_system=None)
    print_story("\n".join([says, *kept]), console)
    lines = written.getvalue().splitlines()
    assert lines[-2:] == kept
    wrapped = textwrap.wrap(says, 80) if on_terminal else [says]
    assert [line.rstrip() for line in lines[:-2]] == wrapped
