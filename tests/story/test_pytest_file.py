"""The test that is written must be a valid file, whatever stands in the failure."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.story.pytest_file import pytest_file


@pytest.mark.parametrize(
    "hostile", ['"""', "\\", 'a"""\\"""\nimport os', "\x00\ud800", '"', "{x}"]
)
def test_the_file_is_valid_and_holds_the_schedule(failure: Failure, hostile: str) -> None:
    # A scenario's name is text; a client's may be anything that was typed.
    scenario = f"odd {hostile.encode(errors='ignore').decode()}"
    failure = replace(failure, client=hostile, schedule=Schedule(scenario))
    tree = ast.parse(pytest_file(failure, Path("f.json")))
    docstring, json_, os_, harness, schedule, test = tree.body
    assert isinstance(docstring, ast.Expr)
    assert [type(node) for node in (json_, os_, harness)] == [
        ast.Import, ast.Import, ast.ImportFrom,
    ]  # fmt: skip
    assert isinstance(schedule, ast.Assign)
    assert isinstance(schedule.value, ast.Call)
    text = ast.literal_eval(schedule.value.args[0])
    assert Schedule.from_dict(json.loads(text)) == failure.schedule
    assert isinstance(test, ast.FunctionDef)
    assert test.name.startswith("test_odd_")


def test_the_docstring_tells_where_it_comes_from_and_what_happened(failure: Failure) -> None:
    text = ast.get_docstring(ast.parse(pytest_file(failure, Path("dir/f.json"))))
    assert text is not None
    told = " ".join(text.split())
    for said in (
        "A race that was lost: late.",
        "client 1.10.0, scenario slow-publication",
        f"from f.json, digest {failure.digest}.",
        "When run() returned, #2 and #3 were persisted and not visible.",
        "RACE_CLIENT",
    ):
        assert said in told, said


@pytest.mark.parametrize("odd", ["C:\\new\\x41", 'say"""so', "ends\\"])
def test_the_docstring_says_an_odd_name_as_it_is(failure: Failure, odd: str) -> None:
    text = ast.get_docstring(ast.parse(pytest_file(replace(failure, client=odd), Path("f"))))
    assert text is not None
    assert f"client {odd} (1.10.0)" in " ".join(text.split())


@pytest.mark.parametrize(
    ("world", "server", "asked"),
    [
        ("sim", "fake", {}),
        ("sim", "own", {}),
        ("sim", "real", {"server": "real", "world": "sim"}),
        ("real", "own", {"server": "fake", "world": "real"}),
    ],
)
def test_it_is_run_where_the_failure_was_seen(
    failure: Failure, world: str, server: str, asked: dict[str, str]
) -> None:
    seen = replace(failure, world=world, server=server)
    test = ast.parse(pytest_file(seen, Path("f.json"))).body[-1]
    assert isinstance(test, ast.FunctionDef)
    (call,) = test.body
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    options = {word.arg: word.value for word in call.value.keywords if word.arg != "client"}
    assert {name: ast.literal_eval(value) for name, value in options.items()} == asked
