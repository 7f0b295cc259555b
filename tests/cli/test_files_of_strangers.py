"""Failure files from strangers: nothing of theirs is run, no file is written, text stays text."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Race, call, error_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from race_harness.model.errors import ClientUnavailable
from race_harness.model.failure import LARGEST, Failure
from race_harness.model.verdict import TrialResult
from race_harness.store.series import Series
from race_harness.store.store import Store

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs/results/findings/first-snapshot.json").read_text()
)
EVIL = "from pathlib import Path\nPath('EVIL').touch()\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where it came with files, all of which leave `EVIL` behind if they are run."""
    (tmp_path / "evil.py").write_text(EVIL)
    for name in ("evil", "1.58.2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "setup.py").write_text(EVIL)
        (tmp_path / name / "pyproject.toml").write_text("[build-system]\nrequires = []\n")
    return tmp_path


def stranger(folder: Path, **changed: Any) -> Path:
    (folder / "theirs.json").write_text(json.dumps({**DOCUMENT, **changed}))
    return folder / "theirs.json"


NAMED = [
    {"client": "evil.py"},
    {"client": "evil.py:Client", "server": "own"},
    {"client": "reference:evil.py"},
    {"client": "latest", "resolved_version": "evil.py"},
    {"client": "evil"},
    {"client": "./evil@main"},
    {"client": "1.58.2"},
    {"client": "reference", "server": "real", "server_version": "./evil"},
    {"client": "installed", "server": "real:./evil", "world": "real"},
    {"client": "installed", "server": "fake:./evil"},
    {"client": "installed", "server": "real:1.58.2", "world": "real"},
    {"schedule": {**DOCUMENT["schedule"], "scenario": "evil.py::test"}},
]
COMMANDS = [
    ["show"],
    ["show", "--html", "page.html", "--perfetto", "trace.json"],
    ["show", "--neighbour"],
    ["replay"],
    ["confirm", "--combination", "sim-real"],
    ["confirm", "--combination", "sim-own"],
    ["confirm", "--schedule"],
    ["export", "-o", "exported.txt"],
]


@pytest.mark.parametrize("named", NAMED, ids=str)
def test_opening_a_file_runs_nothing_that_it_names(
    race: Race, folder: Path, named: dict[str, Any]
) -> None:
    file = stranger(folder, **named)
    for command in COMMANDS:
        done = race(*command, file)
        assert done.returncode in (0, 2), done.stderr
        assert len(done.stderr.splitlines()) <= 2
        assert "Traceback" not in done.stderr
    assert not (folder / "EVIL").exists()
    assert not (folder / ".race").exists()


@pytest.mark.parametrize("server", ["real:./evil", "fake:./evil", "real:", "real:1.58.2"])
@pytest.mark.parametrize("client", ["installed", "reference"])
def test_naming_a_client_runs_no_server_of_the_file(
    race: Race, folder: Path, server: str, client: str
) -> None:
    """A folder here is called 1.58.2, and would be taken for that release."""
    file = stranger(folder, client="evil.py:Client", server=server, world="real")
    for command in (
        ["replay", file, "--client", client],
        ["confirm", file, "--client", client, "--combination", "real-real"],
        ["bisect", "--good", "1.10.0", "--bad", "1.11.1", "--schedule", file],
    ):
        done = race(*command)
        assert done.returncode == 2, command
        assert done.stderr.splitlines()[-1].startswith("race: "), command
        assert "Traceback" not in done.stderr
    assert not (folder / "EVIL").exists()


def test_what_the_file_asked_for_is_said_where_a_path_is_named(race: Race, folder: Path) -> None:
    file = stranger(folder, client="/theirs/evil.py:Client", server="own")
    done = race("replay", file, "--client", "missing.py")
    said = done.stderr.splitlines()
    assert said == [
        f"{file} asks for the client /theirs/evil.py:Client: missing.py is run",
        "race: no file 'missing.py'",
    ]


def test_a_path_on_the_command_line_is_run(race_process: Race, folder: Path) -> None:
    done = race_process("replay", stranger(folder, client="evil.py"), "--client", "evil.py")
    assert (folder / "EVIL").exists()
    assert "evil.py has no Adapter" in done.stderr


def test_a_record_from_a_stranger_writes_where_it_is_told_to(race: Race, folder: Path) -> None:
    schedule = {**DOCUMENT["schedule"], "scenario": "../../x"}
    failure = Failure.from_json(
        json.dumps({**DOCUMENT, "schedule": schedule, "digest": "/../../y"}), "it"
    )
    with Store(folder / "theirs.db") as store:
        series = Series(0, "1.10.0", "1.10.0", "sim", "fake", "", "../../x", 7, drawn=True)
        begun = store.campaign("run", {}).series(series)
        begun.trial(TrialResult(0, failure.judgement.verdicts, failure.digest, 1.0, 1.0))
        begun.failure(failure, Path("../../../precious"))
    before = {path for path in folder.rglob("*") if path.is_file()}
    export = ("export-db", "--record", "theirs.db", "--failures", "deep/down/here")
    done = race(*export)
    assert done.returncode == 0, done.stderr
    (written,) = {path for path in folder.rglob("*") if path.is_file()} - before
    assert written.parent == folder / "deep/down/here"
    written.write_text("precious")
    assert "exists already and is not replaced" in error_of(race(*export), 2)
    assert written.read_text() == "precious"
    assert race(*export, "--force").returncode == 0
    assert Failure.read(written) == failure


HOSTILE = "[/]\x1b]0;title\x07\x9b31m\u202e[bold]\nrace: all is well\n```\n</script>"


def hostile(value: Any) -> Any:
    """The document with that in each text that may be any."""
    names = ("resolved_version", "digest", "harness_version", "neighbour")
    told = dict.fromkeys(names, HOSTILE)
    return {
        **value,
        **told,
        "client": HOSTILE,
        "notes": [HOSTILE],
        "stacks": {HOSTILE: HOSTILE},
        "schedule": {**value["schedule"], "scenario": HOSTILE},
        "happenings": [
            {**entry, **{name: HOSTILE for name in entry if name in ("kind", "tool", "route")}}
            for entry in value["happenings"]
        ],
    }


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["show", "--all"],
        ["show", "--mermaid"],
        ["show", "--html", "-"],
        ["replay"],
        ["confirm"],
        ["export", "-o", "-"],
    ],
    ids=" ".join,
)
def test_hostile_text_stays_text_in_every_form(
    race: Race, folder: Path, command: list[str]
) -> None:
    file = stranger(folder, **hostile(DOCUMENT))
    done = race(*command, file)
    for printed in (done.stdout, done.stderr):
        assert all(one.isprintable() or one in "\n\t\N{NO-BREAK SPACE}" for one in printed)
        # A page has it in its text, where lines mean nothing.
        assert "race: all is well" not in printed.splitlines() or "--html" in command
    if command[0] == "show":
        assert done.returncode == 0, done.stderr
    else:
        assert len(done.stderr.splitlines()) <= 1
    if "--html" in command:
        assert done.stdout.count("</script>") == 1
    if "--mermaid" in command:
        assert done.stdout.count("```") == 2


@pytest.mark.usefixtures("ready")
def test_markup_does_not_end_a_replay(race: Race, folder: Path) -> None:
    file = stranger(folder, client="reference", resolved_version="[/bold]")
    done = race("replay", file)
    assert "the file is of [/bold], this is " in done.stdout


# sizes


def test_what_is_no_plain_file_is_one_line(race: Race, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in ("/dev/zero", "fifo", "."):
        for command in ("show", "replay", "confirm", "export"):
            said = error_of(race(command, path), 2)
            assert path in said
    too_large = tmp_path / "large.json"
    with too_large.open("w") as file:
        file.truncate(LARGEST + 1)
    assert error_of(race("show", too_large), 2) == (
        f"race: {too_large} is larger than a failure file may be, which is {LARGEST // 10**6} MB\n"
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "reference", "--seed", -1], "--seed"),
        (["run", "reference", "--seed", 2**63], "--seed"),
        (["hunt", "reference", "--seed", 10**30], "--seed"),
        (["run", "reference", "--reps", 10**30], "--reps"),
        (["run", "reference", "--jobs", 100_000], "--jobs"),
        (["replay", "f.json", "--times", 10**9], "--times"),
        (["confirm", "f.json", "--tries", 10**9], "--tries"),
        (["soak", "reference", "--for", "0s"], "--for"),
        (["soak", "reference", "--for", "0.0h"], "--for"),
        (["hunt", "reference", "--for", "9" * 400], "--for"),
        (["test", "test_a.py", "--sweep", 1e300], "--sweep"),
    ],
)
def test_a_number_out_of_its_range_is_one_line(
    race: Race, arguments: list[object], named: str
) -> None:
    said = error_of(race(*arguments), 2)
    assert named in said


@pytest.mark.usefixtures("ready")
def test_the_largest_seed_is_taken(race: Race, tmp_path: Path) -> None:
    largest = ("--seed", 2**63 - 1, "--reps", 1, "--scenario", "clean")
    assert race("run", "reference", *largest).returncode == 0


# anything

TEXTS = st.sampled_from(
    [HOSTILE, "evil.py", "evil.py::test", "../../x", "", "\x00", "latest", "1.58.2", "x" * 5_000]
)
VALUES = st.one_of(
    TEXTS,
    st.text(max_size=20),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.just([]),
    st.just({}),
    st.just([[]] * 50),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, each in inside for place in places(each, (*path, key)))]


SMALL = {**DOCUMENT, "happenings": DOCUMENT["happenings"][:40]}
PLACES = places(SMALL)


def mutated(changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    document: Any = copy.deepcopy(SMALL)
    for path, to in changes:
        if not path:
            document = to
            continue
        at = document
        try:
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = to
        except (TypeError, KeyError, IndexError):
            continue  # An earlier change took it away.
    return document


CHANGES = st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=4)


def never(*_arguments: object, **_options: object) -> None:
    raise AssertionError("something is run")


@given(changes=CHANGES, command=st.sampled_from(COMMANDS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_file_ends_in_a_result_or_in_one_line(
    folder: Path, changes: list[tuple[tuple[Any, ...], Any]], command: list[str]
) -> None:
    """Mutated failure files through every reader, up to where a client would be run."""
    (folder / "theirs.json").write_text(json.dumps(mutated(changes)))
    asked: list[str] = []

    def find(argument: str, *_: object, **__: object) -> None:
        asked.append(argument)
        raise ClientUnavailable("there is none")

    places_of_it = ("replaying", "nearest", "elsewhere")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for module in places_of_it:
            monkeypatch.setattr(f"race_harness.campaign.{module}.find_client", find)
        monkeypatch.setattr("race_harness.campaign.named_test.find_tests", never)
        for made in ("page.html", "trace.json", "exported.txt"):
            (folder / made).unlink(missing_ok=True)
        before = sorted(folder.rglob("*"))
        done = call(folder, *command, "theirs.json", RACE_RECORD=str(folder / "record.db"))
    assert done.returncode in (0, 1, 2, 3), done.stderr
    assert "Traceback" not in done.stderr
    assert all(one.isprintable() or one in "\n\t\N{NO-BREAK SPACE}" for one in done.stdout)
    if done.returncode == 2:
        assert len(done.stderr.splitlines()) == 1
        assert len(done.stderr) < 1_000 + 5_000
    assert all(
        one == "installed" or one[:1].isdigit() or one.startswith("reference") for one in asked
    )
    written = {path.name for path in {*folder.rglob("*")} - {*before}}
    assert written <= {
        "page.html",
        "trace.json",
        "exported.txt",
        "record.db",
        "record.db-wal",
        "record.db-shm",
    }
