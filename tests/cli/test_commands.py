"""The commands as people and scripts call them: exit status, stdout, stderr, files."""

import json
import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli_rig import RACE, Pools, Race, call, error_of

from race_harness.model.failure import Failure
from race_harness.model.schedule import RestFault
from race_harness.model.version import __version__
from race_harness.search import library

# bad usage


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["run", "reference", "--scenario", "nope"],
            "no scenario 'nope'; there are: clean, clock-stepped, close",
        ),
        (["run", "reference:charm"], "no bug 'charm'"),
        (["run", "reference", "--reps", "0"], "'--reps'"),
        (["run", "reference", "--seed", "-1"], "'--seed'"),
        (["run", "reference", "--hurry"], "--hurry"),
        (["run"], "Missing argument"),
        (["compare"], "Missing argument"),
        (["hunt", "reference", "--faults", "wind"], "no fault family 'wind'; there are: latency"),
        (["hunt", "reference", "--faults", "socket,wind"], "no fault family 'wind'"),
        (["hunt", "reference", "--faults", ""], "no fault family ''"),
        (["hunt", "reference", "--faults", "rest", "--scenario", "nope"], "no scenario 'nope'"),
        (["hunt", "reference", "--for", "soon"], "--for 'soon' is no time"),
        (["jog"], "jog"),
        (["replay", "missing.json"], "cannot read missing.json"),
        (["run", "reference", "--server", "reel"], "no server 'reel'; there are: fake, real"),
        (["run", "reference", "--world", "dream"], "no world 'dream'; there are: sim, real"),
        (["hunt", "1.10.0", "--server", "real:1.11.1"], "add --world real"),
        (["compare", "mine.py", "--server", "real"], "mine.py brings its own server"),
        (["confirm", "missing.json"], "cannot read missing.json"),
        (["confirm", "missing.json", "--tries", "0"], "'--tries'"),
        (["serve", "--port", "65536"], "'--port'"),
        (["serve", "--server-version", "newest"], "'newest' is not a release"),
    ],
    ids=" ".join,
)
def test_bad_usage_is_one_line_and_2(
    race: Race, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "mine.py").touch()
    assert says in error_of(race(*arguments), 2)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["run", "reference", "--scenario", "nope"], 2),
        (["run", "reference", "--hurry"], 2),
        (["run", "/no/such/place"], 3),
    ],
)
def test_the_command_itself_ends_so(race_process: Race, arguments: list[str], status: int) -> None:
    error_of(race_process(*arguments), status)


@pytest.mark.parametrize(("command", "place"), [("run", "missing/numbers.json"), ("compare", ".")])
def test_where_no_numbers_can_be_written_nothing_else_is_tried(
    race: Race, command: str, place: str
) -> None:
    """Not even the client, which is wrong, too."""
    assert f"cannot write {place}" in error_of(race(command, "/no/such", "--json", place), 2)


def test_without_arguments_there_is_help(race: Race) -> None:
    done = race()
    assert done.returncode == 2
    assert "Usage: race" in done.stdout + done.stderr
    assert "compare" in done.stdout + done.stderr


# clients that cannot be had


@pytest.mark.parametrize("client", ["/no/such/place", "/nope@HEAD", "referee"])
def test_an_unknown_client_is_one_line_and_3(race: Race, tmp_path: Path, client: str) -> None:
    # One that can be had does not run before.
    error_of(race("compare", "reference:eager", client, "--reps", 1), 3)
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_does_not_answer_is_one_line_and_3(race: Race, tmp_path: Path) -> None:
    done = race(
        "run", "9.9.9", UV_DEFAULT_INDEX="http://127.0.0.1:9", RACE_HOME=str(tmp_path / "home")
    )
    assert done.returncode == 3
    assert done.stdout == ""
    progress, error = done.stderr.splitlines()
    assert progress == "resolving 9.9.9"
    assert error.startswith("race: the package index http://127.0.0.1:9")


# run


def test_all_pass_is_0(race_process: Race, tmp_path: Path) -> None:
    done = race_process("run", "reference", "--reps", 10)
    assert done.returncode == 0
    assert "10 / 10 = 100.0 %" in done.stdout
    assert "final-events, seed 0" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("ready")
def test_what_is_explained_passes_and_fails_who_is_strict(race: Race, tmp_path: Path) -> None:
    asked = ("run", "reference", "--scenario", "close-during-run", "--reps", 4)
    done = race(*asked)
    assert done.returncode == 0
    assert "explained 4" in done.stdout
    assert list(tmp_path.iterdir()) == []
    strict = race(*asked, "--strict")
    assert strict.returncode == 1
    assert "explained 4" in strict.stdout
    assert (
        "explained: run() raised 'ClosedError: the conversation was closed', because"
        in strict.stderr
    )
    (file,) = (tmp_path / ".race" / "failures").glob("*.json")
    assert Failure.read(file).judgement.verdicts == ("explained",)
    assert race("run", "reference", "--scenario", "clean", "--reps", 2, "--strict").returncode == 0


@pytest.mark.usefixtures("ready")
def test_a_failure_is_1_with_a_story_and_a_file_to_replay(race: Race, tmp_path: Path) -> None:
    done = race("run", "reference:eager", "--reps", 5, COLUMNS="80")
    assert done.returncode == 1
    assert "0 / 5 = 0.0 %" in done.stdout
    story = done.stderr.splitlines()
    assert len(story) <= 8
    assert "client reference:eager" in story[0]
    # Whole, however narrow the terminal: to be pasted.
    (command,) = [line for line in story if line.startswith("replay: ")]
    path = command.removeprefix("replay: race replay ")
    assert Failure.read(tmp_path / path).client == "reference:eager"


@pytest.mark.slow
def test_over_real_sockets_the_seconds_are_those_of_the_wall(race: Race, tmp_path: Path) -> None:
    """And what failed is kept as it failed: a second time it may not."""
    done = race("run", "reference:eager", "--scenario", "clean", "--reps", 2, "--world", "real")
    assert done.returncode == 1, done.stderr
    assert "clean, seed 0, real world, fake server" in done.stdout
    assert "wall s" in done.stdout
    assert "virtual s" not in done.stdout
    (path,) = (tmp_path / ".race" / "failures").glob("*.json")
    failure = Failure.read(path)
    assert (str(failure.combination), failure.judgement.headline) == ("real×fake", "early")
    assert failure.confirmed["real×fake"].reproduced == 1
    assert "not tried on the real server; real×fake 1 of 1" in done.stderr


# compare

REPS = 20
"""The client that trusts a poll fails some of them."""

SPREAD = {"mean", "p50", "p95", "p99"}


@pytest.fixture(scope="module")
def compared(
    pools: Pools, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, dict[str, Any]]:
    """A folder, the text and the numbers of a comparison in which one client fails."""
    folder = tmp_path_factory.mktemp("compared")
    asked = ("reference", "reference:poll", "--reps", REPS, "--json", "numbers.json")
    with pools.lending():
        done = call(folder, "compare", *asked)
    assert done.returncode == 0
    assert done.stderr == ""
    return folder, done.stdout, json.loads((folder / "numbers.json").read_text())


def test_the_numbers_of_a_comparison(compared: tuple[Path, str, dict[str, Any]]) -> None:
    folder, _, numbers = compared
    assert set(numbers) == {"schema", "scenario", "seed", "world", "server", "clients", "pairs"}
    head = [numbers[key] for key in ("schema", "scenario", "seed", "world", "server")]
    assert head == [1, "final-events", 0, "sim", "fake"]
    assert [client["client"] for client in numbers["clients"]] == ["reference", "reference:poll"]
    for client in numbers["clients"]:
        assert {key: type(value) for key, value in client.items()} == {
            "client": str,
            "resolved_version": str,
            "reps": int,
            "passed": int,
            "pass_rate": float,
            "ci95": list,
            "verdicts": dict,
            "void": int,
            "undone": int,
            "wall_ms": dict,
            "virtual_s": dict,
            "trials_per_s": float,
            "campaign_digest": str,
            "first_failure": str if client["client"] == "reference:poll" else type(None),
        }
        assert set(client["wall_ms"]) == set(client["virtual_s"]) == SPREAD
        assert client["resolved_version"] == __version__
        assert client["reps"] == REPS
        assert client["void"] == 0
        assert client["pass_rate"] == client["passed"] / REPS
        low, high = client["ci95"]
        assert 0 <= low <= client["pass_rate"] <= high <= 1
        assert client["verdicts"]["ok"] == client["passed"]
        assert sum(client["verdicts"].values()) == REPS  # no trial here has two
        assert re.fullmatch("[0-9a-f]{32}", client["campaign_digest"])
    good, poll = numbers["clients"]
    assert good["passed"] == REPS
    assert poll["passed"] < REPS
    assert Failure.read(folder / poll["first_failure"]).judgement.headline == "late"
    (pair,) = numbers["pairs"]
    assert set(pair) == {"a", "b", "only_a", "only_b", "both", "p_value"}
    assert (pair["a"], pair["b"]) == ("reference", "reference:poll")
    assert (pair["only_a"], pair["only_b"], pair["both"]) == (0, REPS - poll["passed"], 0)
    assert 0 < pair["p_value"] < 1


def test_the_table_says_the_same(compared: tuple[Path, str, dict[str, Any]]) -> None:
    _, text, numbers = compared
    passed = numbers["clients"][1]["passed"]
    assert f"{REPS} / {REPS} = 100.0 %" in text
    assert f"{passed} / {REPS} = " in text
    assert f"only in reference:poll {REPS - passed}" in text


def test_markdown_is_a_table_for_github(race: Race) -> None:
    done = race("compare", "reference:eager", "--reps", 5, "--markdown")
    assert done.returncode == 0
    assert done.stderr == ""
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    header, rule, row = rows
    assert re.fullmatch(r"\|(-+:?\|)+", re.sub(r"\|:", "|", rule))
    assert len({row.count("|") for row in rows}) == 1
    assert header.startswith("| client | reps |")
    assert row.startswith(f"| `reference:eager ({__version__})` | 5 | 0 / 5 = 0.0 %")
    # The rows are one block, so that GitHub sees a table.
    assert "\n".join(rows) in done.stdout


@pytest.mark.usefixtures("ready")
def test_json_to_stdout_is_json_and_nothing_else(race: Race) -> None:
    done = race("compare", "reference", "--reps", 5, "--seed", 5, "--json", "-")
    assert done.returncode == 0
    numbers = json.loads(done.stdout)
    assert (numbers["seed"], numbers["clients"][0]["passed"]) == (5, 5)
    assert done.stderr == ""


# replay


@pytest.fixture
def failure(compared: tuple[Path, str, dict[str, Any]]) -> Path:
    folder, _, numbers = compared
    return folder / str(numbers["clients"][1]["first_failure"])


@pytest.mark.usefixtures("ready")
def test_replaying_a_fresh_failure_is_0(race: Race, failure: Path) -> None:
    done = race("replay", failure, "--times", 3)
    assert done.returncode == 0
    assert "verdict: late; the file's (late) in 3 of 3" in done.stdout
    assert "trace digest: the file's in 3 of 3" in done.stdout
    assert done.stdout.endswith("\nreproduced\n")
    # The timeline is there, too.
    assert "run() returns" in done.stdout
    assert done.stderr == ""


@pytest.mark.usefixtures("ready")
def test_replaying_with_a_client_that_works_is_1(race: Race, failure: Path) -> None:
    done = race("replay", failure, "--client", "reference")
    assert done.returncode == 1
    assert "verdict: ok; the file's (late) in 0 of 1" in done.stdout
    assert done.stdout.endswith("\nNOT reproduced\n")


@pytest.mark.usefixtures("ready")
@pytest.mark.slow
def test_a_trial_that_does_something_else_is_1_whatever_its_verdict(
    race: Race, failure: Path, tmp_path: Path
) -> None:
    replace(Failure.read(failure), digest="0123").write(tmp_path / "other.json")
    done = race("replay", "other.json")
    assert done.returncode == 1
    assert "(late) in 1 of 1" in done.stdout
    assert "trace digest: the file's in 0 of 1" in done.stdout


@pytest.mark.usefixtures("ready")
def test_replaying_what_never_reaches_run_is_1_and_says_why(
    race: Race, failure: Path, tmp_path: Path
) -> None:
    gone = RestFault("status", "create", times=1_000, since="start", status=404, acted=False)
    before = Failure.read(failure)
    schedule = replace(before.schedule, rest=(gone,))
    replace(before, schedule=schedule).write(tmp_path / "void.json")
    done = race("replay", "void.json")
    assert done.returncode == 1
    assert "verdict: void; the file's (late) in 0 of 1" in done.stdout
    assert "404" in done.stdout


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_a_truncated_failure_file_is_one_line_and_2(
    race: Race, failure: Path, tmp_path: Path, share: float
) -> None:
    whole = failure.read_bytes()
    (tmp_path / "cut.json").write_bytes(whole[: int(share * len(whole))])
    assert "cut.json is not a whole JSON file" in error_of(race("replay", "cut.json"), 2)


def test_the_numbers_are_no_failure_file(
    race: Race, compared: tuple[Path, str, dict[str, Any]]
) -> None:
    folder, *_ = compared
    assert "holds no schedule" in error_of(race("replay", folder / "numbers.json"), 2)


# scenarios and serve


def test_scenarios_lists_all_with_what_is_known(race: Race) -> None:
    done = race("scenarios")
    assert done.returncode == 0
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    for name in library.names():
        assert rows[name].rstrip().endswith(library.load(name).fails or "none")


def test_serve_is_there_for_this_machine_alone_until_ctrl_c() -> None:
    with subprocess.Popen(
        [*RACE, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            address = first.split()[0]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
            created = httpx.post(f"{address}/api/conversations", json={"agent": {}})
            assert created.status_code == 201
            listening = {
                peer.split(":")[0]
                for table in ("tcp", "tcp6")
                for peer, state in listeners(process.pid, table)
                if state == "0A"
            }
            assert listening == {"0100007F"}
            process.send_signal(signal.SIGINT)
            told, complaints = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert complaints == ""
    assert "POST conversations" in told


def listeners(pid: int, table: str) -> list[tuple[str, str]]:
    """Local address and state of each of the process' sockets."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.exists()]
    mine = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [row.split() for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
    return [(row[1], row[3]) for row in rows if row[9] in mine]
