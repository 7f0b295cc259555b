"""The action and the workflows: their options are there, and inputs do what they say."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from race_harness.cli.commands import COMMANDS, new_app

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOWS: dict[str, dict[str, Any]] = {
    path.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((GITHUB / "workflows").glob("*.yml"))
}


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, workflow in WORKFLOWS.items():
        for job in workflow["jobs"].values():
            yield from ((name, step) for step in job["steps"])
    yield from (("action.yml", step) for step in ACTION["runs"]["steps"])


SCRIPTS = [(name, step["run"]) for name, step in steps() if "run" in step]


def options_of(command: str) -> set[str]:
    import typer

    app = new_app(add_completion=False)
    app.command(command)(COMMANDS[command].function())
    return {option for one in typer.main.get_command(app).params for option in one.opts}


def unknown(line: str) -> list[str]:
    """What a command line of `race` names that is not there."""
    command, _, rest = line.partition(" ")
    if command.startswith("-"):
        return [] if command == "--version" else [command]
    if command not in COMMANDS:
        return [command]
    options = re.findall(r"(?<=\s)--?[a-z][\w-]*", f" {rest}")
    return [option for option in options if option not in options_of(command)]


def called(script: str) -> list[str]:
    """The command lines of `race` in a script, without the word itself."""
    whole = re.sub(r"\\\n\s*", " ", script)
    lines = re.findall(r"(?:^|[;&|]\s*|uv run )\s*race ([^\n;&|>]*)", whole, re.MULTILINE)
    return [line.strip() for line in lines]


@pytest.mark.parametrize(("name", "script"), SCRIPTS)
def test_every_command_and_option_is_there(name: str, script: str) -> None:
    assert {line: found for line in called(script) if (found := unknown(line))} == {}


def test_one_that_is_not_there_would_be_seen() -> None:
    (line,) = called("uv run race soak latest --hurry --reps 3 || status=$?")
    assert unknown(line) == ["--hurry"]
    assert unknown("jog --reps 3") == ["jog"]
    assert sum(len(called(script)) for _, script in SCRIPTS) >= 9


def test_no_input_is_part_of_a_script() -> None:
    """What it holds would be run."""
    assert [
        script for _, script in SCRIPTS if "${{ inputs" in script or "github.ref" in script
    ] == []


def test_every_input_is_used_and_every_use_is_an_input() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    assert all("default" in one and one["description"] for one in ACTION["inputs"].values())


def test_what_the_workflows_give_the_action_are_inputs() -> None:
    own = [step for _, step in steps() if step.get("uses") == "./"]
    assert own
    for step in own:
        assert set(step["with"]) <= set(ACTION["inputs"])


def step_of(name: str) -> dict[str, Any]:
    (step,) = [one for one in ACTION["runs"]["steps"] if one.get("id") == name]
    return step


def run_step(name: str, folder: Path, status: int = 0, **given: str) -> list[list[str]]:
    """Run a step of the action as the runner does, with a `race` that only says how it is called;
    gives the words of each call."""
    inputs = {key: str(one["default"]) for key, one in ACTION["inputs"].items()} | {
        key.replace("_", "-"): value for key, value in given.items() if key != "STATUS"
    }
    environment = {
        variable: inputs.get(value.removeprefix("${{ inputs.").removesuffix(" }}"), "")
        for variable, value in step_of(name)["env"].items()
    } | {key: value for key, value in given.items() if key == "STATUS"}
    (folder / "race").write_text(
        f'#!/bin/bash\nfor word in "$@"; do echo "$word"; done >> {folder}/calls\n'
        f"echo END OF CALL >> {folder}/calls\nexit {status}\n"
    )
    (folder / "race").chmod(0o755)
    (folder / "calls").write_text("")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step_of(name)["run"]],
        cwd=folder,
        env={
            **environment,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(folder / "output"),
        },
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, name, done.stdout, done.stderr)
    whole = (folder / "calls").read_text().split("\nEND OF CALL\n")
    return [call.splitlines() for call in whole if call]


BASE = ["--github", "--seed", "0", "--record", "race-record.db"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"test": "tests/a.py::test_x[1 2]\ntests/b.py\n", "faults": "socket"},
            [
                *("test", *BASE, "--faults", "socket", "--reps", "1000", "--"),
                *("tests/a.py::test_x[1 2]", "tests/b.py"),
            ],
        ),
        (
            {"client": "latest", "scenario": "final-events", "reps": "20"},
            ["run", *BASE, "--scenario", "final-events", "--reps", "20", "--", "latest"],
        ),
        (
            {"client": ".", "baseline": "1.11.1"},
            ["compare", *BASE, "--reps", "1000", "--", "1.11.1", "."],
        ),
        (
            {"client": "latest", "test": "a.py"},
            ["run", *BASE, "--test", "a.py", "--reps", "1000", "--", "latest"],
        ),
        (
            {"client": "latest\nupstream\n", "soak": "30m", "baseline_record": "there.db"},
            ["soak", *BASE, "--for", "30m", "--baseline", "there.db", "--", "latest", "upstream"],
        ),
        (
            {"client": "latest", "soak": "reps", "baseline_record": "missing.db"},
            ["soak", *BASE, "--reps", "1000", "--", "latest"],
        ),
        (
            {"test": "$(touch injected); `touch injected` --help"},
            ["test", *BASE, "--reps", "1000", "--", "$(touch injected); `touch injected` --help"],
        ),
    ],
)
def test_what_the_inputs_ask_for_is_run(
    tmp_path: Path, given: dict[str, str], words: list[str]
) -> None:
    (tmp_path / "there.db").touch()
    assert run_step("race", tmp_path, **given) == [words]
    asked = words[: words.index("--")]
    assert unknown(" ".join(asked)) == []
    assert (tmp_path / "output").read_text() == "status=0\n"
    assert not (tmp_path / "injected").exists()


def test_the_exit_status_is_kept_for_later(tmp_path: Path) -> None:
    run_step("race", tmp_path, status=5, client="latest", soak="reps")
    assert (tmp_path / "output").read_text() == "status=5\n"


@pytest.mark.parametrize(
    ("status", "fail_on", "red"),
    [
        ("0", "failure", 0),
        ("1", "failure", 1),
        ("1", "regression", 0),
        ("5", "regression", 5),
        ("4", "regression", 4),
    ],
)
def test_what_makes_the_job_red(tmp_path: Path, status: str, fail_on: str, red: int) -> None:
    try:
        run_step("verdict", tmp_path, STATUS=status, fail_on=fail_on)
        seen = 0
    except subprocess.CalledProcessError as error:
        seen = error.returncode
    assert seen == red


def test_a_report_is_made_of_the_record_if_there_is_one(tmp_path: Path) -> None:
    assert run_step("report", tmp_path) == []
    (tmp_path / "race-record.db").touch()
    page, summary = run_step("report", tmp_path)
    record = ["report", "--record", "race-record.db"]
    assert page == [*record, "--output", "race-report.html", "--junit", "race-junit.xml"]
    assert summary == [*record, "--markdown"]


def test_the_release_is_published_without_a_secret() -> None:
    publish = WORKFLOWS["release.yml"]["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in (GITHUB / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert publish["needs"] == "install"
    assert WORKFLOWS["release.yml"]["jobs"]["install"]["needs"] == "build"


@pytest.mark.parametrize(
    "path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda path: path.stem
)
def test_an_issue_template_is_one(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len({*ids}) == len(ids)
    assert {field["type"] for field in form["body"]} <= {"textarea", "input"}
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_citation_is_of_this_release() -> None:
    from race_harness.model.version import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == "MIT"
