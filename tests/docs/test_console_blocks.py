"""The commands of tutorials and how-to pages: each is run, or says why not.

A comment before a block of commands says which:

    <!-- run -->                                    as it stands, with exit status 0
    <!-- run with --reps 20: exit status 1 -->      with other options behind each command
    <!-- not run: REASON -->

A page is followed from top to bottom in a folder of its own. A comment before a block of another
kind names the file in which it is to be saved; with ` = PATH` a file of the repository is copied:

    <!-- file: test_votes.py -->
    <!-- file: test_votes.py = tests/workers/votes.py -->
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from docs._tools import reference

from race_harness.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*(DOCS / "tutorial").glob("*.md"), *(DOCS / "how-to").glob("*.md")])
ALL = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])

BLOCK = re.compile(r"(?:^<!-- (?P<how>[^\n]*) -->\n)?^```console\n(?P<text>.*?)^```", re.M | re.S)
RUN = re.compile(r"run(?: with (?P<options>[^:]+))?(?:: exit status (?P<status>\d+))?")
FILE = re.compile(
    r"^<!-- file: (?P<name>\S+)(?: = (?P<copy>\S+))? -->\n(?:```\w+\n(?P<text>.*?)^```)?",
    re.M | re.S,
)


class Block(NamedTuple):
    commands: list[str]
    """As they would be typed, without the prompt."""
    how: str
    """What the comment before it says; empty: nothing."""

    @property
    def runs(self) -> re.Match[str] | None:
        return RUN.fullmatch(self.how)

    @property
    def is_explained(self) -> bool:
        return self.how.startswith("not run: ")


def blocks(text: str) -> list[Block]:
    return [Block([*commands(one["text"])], one["how"] or "") for one in BLOCK.finditer(text)]


def commands(text: str) -> Iterator[str]:
    """The lines that begin with a prompt; one that ends with a backslash goes on."""
    yield from re.findall(r"^\$ ((?:.*\\\n)*.*)", text, re.M)


def test_neither_run_nor_explained_is_seen() -> None:
    told = "<!-- not run: takes hours -->\n```console\n$ race soak\n```\n"
    run = "<!-- run with --reps 2: exit status 1 -->\n```console\n$ race test a.py \\\n -k b\n```"
    silent = "```console\n$ race demo\n```\n"
    found = blocks(f"{told}{run}\n{silent}")
    assert [one.commands for one in found] == [
        ["race soak"],
        ["race test a.py \\\n -k b"],
        ["race demo"],
    ]
    assert [one.is_explained for one in found] == [True, False, False]
    assert [bool(one.runs) for one in found] == [False, True, False]
    assert found[1].runs is not None
    assert found[1].runs.groups() == ("--reps 2", "1")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_block_is_run_or_says_why_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = blocks(text)
    assert [one.commands for one in found if not (one.runs or one.is_explained)] == []
    assert all(one.commands for one in found)


def unknown(command: str) -> Iterator[str]:
    """What is said to `race` in a line and that it does not know."""
    for words in re.split(r"&&|\|", command):
        name, *rest = called(words)
        if not name:
            continue
        if name not in COMMANDS:
            yield f"race {name}"
            continue
        known = {
            option
            for one in reference.parameters(name, COMMANDS[name].function())
            for option in (*one.opts, *one.secondary_opts)
        }
        yield from (word for word in rest if re.match("--?[a-z]", word) and word not in known)


def called(words: str) -> list[str]:
    """The command of `race` and what follows it; its name is empty if something else is called."""
    split = shlex.split(words.replace("\\\n", " "), comments=True)
    while split and ("=" in split[0] or split[0] in ("uv", "run")):
        split.pop(0)
    return split[1:] if len(split) > 1 and split[0] == "race" else [""]


def test_an_option_that_there_is_not_is_seen() -> None:
    assert list(unknown("race test a.py --reps 3 -k b --neigbour   # --no")) == ["--neigbour"]
    assert list(unknown("pip install uv && uv run race demmo")) == ["race demmo"]
    assert (
        list(unknown("RACE_DIGEST_LOG=one.log race show a.json --no-neighbour | head -n 3")) == []
    )


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_race_knows_each_command_and_option(page: Path) -> None:
    found = blocks(page.read_text(encoding="utf-8"))
    assert [word for one in found for command in one.commands for word in unknown(command)] == []


RUNNING = [page for page in PAGES if any(one.runs for one in blocks(page.read_text("utf-8")))]


def test_some_pages_have_commands_that_are_run() -> None:
    assert {"flaky-test", "sweep", "own-client", "own-scenario"} <= {page.stem for page in RUNNING}


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.stem)
def test_the_commands_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    text = page.read_text(encoding="utf-8")
    for part in sorted([*FILE.finditer(text), *BLOCK.finditer(text)], key=re.Match.start):
        if part.re is FILE:
            save(part, tmp_path)
        elif how := RUN.fullmatch(part["how"]):
            for command in commands(part["text"]):
                run(command, how, tmp_path)


def save(file: re.Match[str], folder: Path) -> None:
    text = (ROOT / file["copy"]).read_text("utf-8") if file["copy"] else file["text"]
    (folder / file["name"]).write_text(text, encoding="utf-8")


def run(command: str, how: re.Match[str], folder: Path) -> None:
    words = re.sub(r"\s+#.*", "", command)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"{words} {how['options'] or ''}"],
        cwd=folder,
        env={**env, "PATH": programs, "RACE_RECORD": str(folder / "record.db")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == int(how["status"] or 0), f"{command}\n{done.stdout}{done.stderr}"
