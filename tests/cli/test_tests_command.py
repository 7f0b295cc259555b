"""`race test`, as people call it, and what becomes of the files that it writes."""

import json
import re
import shutil
from pathlib import Path

import pytest
from cli_rig import Race

VOTES = Path(__file__).parents[1] / "workers" / "votes.py"
DOCS = Path(__file__).parents[2] / "docs"
TEST = "test_votes.py::test_every_vote_counts"
LOSING = "Votes.count = before + 1"
STALLED = {
    "interleaving": {"stalls": [{"function": "Votes.do_POST", "line": LOSING, "for_ms": 50.0}]}
}


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """A folder with the flaky test of the documentation."""
    shutil.copy(VOTES, tmp_path / "test_votes.py")
    (tmp_path / "stalled.json").write_text(json.dumps(STALLED))
    return tmp_path


def test_a_test_that_loses_a_race(votes: Path, race_process: Race) -> None:
    done = race_process(
        *("test", TEST, "--schedule", "stalled.json", "--reps", "4", "--json", "out.json")
    )
    assert done.returncode == 1
    assert "0 / 4 = 0.0 %" in done.stdout
    assert f"{TEST}: 4 with a stall; stalls 4 of 4" in " ".join(done.stdout.split())
    assert "AssertionError: assert 1 == 2 at test_every_vote_counts" in done.stderr
    numbers = json.loads((votes / "out.json").read_text())
    assert (numbers["test"], "scenario" in numbers) == (TEST, False)
    (client,) = numbers["clients"]
    assert client["grades"] == {"order": 0, "stall": 4, "fault": 0}
    assert client["strategies"] == {"stalls": [4, 4]}
    # It is kept, and shorter: 50 ms were more than it needs.
    failure = json.loads((votes / client["first_failure"]).read_text())
    (stall,) = failure["schedule"]["interleaving"]["stalls"]
    assert 0 < stall["for_ms"] < 50
    assert failure["replay"].endswith(f"--test {TEST}")


def test_a_fault_at_a_moment_of_the_wire_is_told_by_it(tmp_path: Path, race_process: Race) -> None:
    shutil.copy(VOTES.with_name("wire_tests.py"), tmp_path / "test_wire.py")
    page = DOCS / "how-to" / "network-faults.md"
    (block,) = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "lost-answer.json").write_text(block)
    test = "test_wire.py::test_a_vote_that_is_sent_again"
    done = race_process(
        *("test", test, "--schedule", "lost-answer.json", "--reps", "2", "--json", "out.json")
    )
    assert done.returncode == 1
    (client,) = json.loads((tmp_path / "out.json").read_text())["clients"]
    assert client["grades"] == {"order": 0, "stall": 0, "fault": 2}
    story = " ".join(race_process("show", str(tmp_path / client["first_failure"])).stdout.split())
    assert "reset of its connection at request-answered of POST /votes" in story
    assert ", when POST /votes was answered, the REST connection was reset." in story
    sent = block.replace("request-answered", "request-sent")
    (tmp_path / "lost-request.json").write_text(sent)
    done = race_process("test", test, "--schedule", "lost-request.json", "--reps", "2")
    assert done.returncode == 0


OF_A_PROCESS = """
import os, socket

def test_process():
    one, other = socket.socketpair()
    one.send({sent})
    assert other.recv(100) == b"1"
"""


@pytest.mark.parametrize(
    ("sent", "repeats"), [("str(os.getpid()).encode()", False), ('b"2"', True)], ids=str
)
def test_results_of_a_test_that_does_not_repeat_are_kept_and_it_is_told(
    sent: str, repeats: bool, tmp_path: Path, race_process: Race
) -> None:
    (tmp_path / "test_process.py").write_text(OF_A_PROCESS.format(sent=sent))
    (tmp_path / "pytest.ini").touch()
    done = race_process("test", "test_process.py", "--reps", "3", "--json", "out.json")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert ("test_process did not repeat: digest" in told) == (not repeats)
    assert ("depends on something that is not simulated" in told) == (not repeats)
    (client,) = json.loads((tmp_path / "out.json").read_text())["clients"]
    assert client["verdicts"] == {"failed": 3}
    assert "failed: client installed, test test_process.py::test_process, sim world" in told
    kept = json.loads((tmp_path / client["first_failure"]).read_text())
    assert (kept["verdicts"], kept["neighbour"] is None) == (["failed"], not repeats)


def test_the_grade_decides_what_counts(votes: Path, race_process: Race) -> None:
    stalled = ("test", TEST, "--schedule", "stalled.json", "--reps", "2")
    assert race_process(*stalled, "--grade", "order").returncode == 0
    assert race_process(*stalled, "--grade", "stall").returncode == 1


def test_a_file_alone_has_no_test_run(votes: Path, race_process: Race) -> None:
    race_process("test", TEST, "--schedule", "stalled.json", "--reps", "1")
    (file,) = (votes / ".race" / "failures").glob("*.json")
    refused = race_process("replay", str(file))
    assert refused.returncode == 2
    assert f"add --test {TEST}" in refused.stderr
    assert race_process("replay", str(file), "--test", "other.py::test").returncode == 2
    done = race_process("replay", str(file), "--test", TEST)
    assert done.returncode == 0
    assert "the test fails: AssertionError" in " ".join(done.stdout.split())
    assert "reproduced" in done.stdout
    shown = race_process("show", str(file))
    assert shown.returncode == 0
    assert "The test had run for" in shown.stdout


ABOUT = f"is about the test {TEST}"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["confirm"], ABOUT),
        (["run", "reference", "--schedule"], ABOUT),
        (["export"], "has not been run: race test"),
        (["confirm", "--test", TEST], f"has not been run: race test {TEST} --schedule"),
    ],
)
def test_what_cannot_be_done_with_it_is_one_line(
    votes: Path, race_process: Race, command: list[str], says: str
) -> None:
    file = votes / "failure.json"
    file.write_text(json.dumps({"scenario": TEST, **STALLED}))
    done = race_process(*command, str(file))
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_failure_in_real_time_and_as_a_marker(votes: Path, race_process: Race) -> None:
    """What needs a stall fails with that stall over real sockets, too, and not without."""
    race_process("test", TEST, "--schedule", "stalled.json", "--reps", "1")
    (file,) = (votes / ".race" / "failures").glob("*.json")
    found = json.loads(file.read_text())
    (stall,) = found["schedule"]["interleaving"]["stalls"]
    stall["for_ms"] = 300.0  # Longer than a machine that is busy holds up anybody else.
    file.write_text(json.dumps(found))
    done = race_process("confirm", str(file), "--test", TEST, "--tries", "2", "--json", "n.json")
    assert done.returncode == 0, done.stderr
    (confirmed,) = json.loads((votes / "n.json").read_text())["confirmed"].items()
    assert (confirmed[0], confirmed[1]["reproduced"]) == ("real×own", 2)
    refused = race_process("confirm", str(file), "--test", "test_other.py::test_a")
    assert (refused.returncode, f"add --test {TEST}" in refused.stderr) == (2, True)
    marker = race_process("export", str(file)).stdout
    assert marker.startswith("# At ")
    assert "\n@pytest.mark.race(\n    reps=1,\n" in marker
    text = (votes / "test_votes.py").read_text()
    begin = "def test_every_vote_counts"
    marked = text.replace("import threading", "import threading\n\nimport pytest", 1)
    (votes / "test_votes.py").write_text(marked.replace(begin, f"{marker}{begin}"))
    (votes / "stalled.json").write_text(json.dumps({"interleaving": {}}))
    calm = {**found, "schedule": {"scenario": TEST}}
    file.write_text(json.dumps(calm))
    assert race_process("confirm", str(file), "--test", TEST, "--tries", "2").returncode == 1
    again = race_process("test", TEST, "--schedule", "stalled.json", "--reps", "2")
    assert again.returncode == 0


def test_a_stall_at_a_line_that_is_gone_is_no_pass(votes: Path, race_process: Race) -> None:
    text = (votes / "test_votes.py").read_text()
    (votes / "test_votes.py").write_text(text.replace("before + 1", "before + int(1)"))
    done = race_process("test", TEST, "--schedule", "stalled.json", "--reps", "1")
    assert done.returncode == 2
    gone = "no line `Votes.count = before + 1` in Votes.do_POST to stall at"
    assert gone in done.stderr
    # In real time it would only seem not to be reproduced.
    (votes / "test_votes.py").write_text(text)
    race_process("test", TEST, "--schedule", "stalled.json", "--reps", "1")
    (file,) = (votes / ".race" / "failures").glob("*.json")
    (votes / "test_votes.py").write_text(text.replace("before + 1", "before + int(1)"))
    done = race_process("confirm", str(file), "--test", TEST, "--tries", "1")
    assert (done.returncode, gone in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.py"], "nowhere.py"),
        ([f"{TEST}_in_vain"], "test_every_vote_counts_in_vain"),
        (["test_votes.py", "-k", "nothing"], "no test in test_votes.py is selected"),
        ([TEST, "--grade", "a"], "no grade 'a'; there are: order, stall, fault"),
        ([TEST, "--faults", "a"], "no fault family 'a'"),
    ],
)
def test_what_cannot_be_run_is_one_line(
    votes: Path, race_process: Race, arguments: list[str], says: str
) -> None:
    done = race_process("test", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_sweep_tries_every_line_and_names_those_that_lose(
    votes: Path, race_process: Race
) -> None:
    done = race_process("test", TEST, "--sweep", "50", "--json", "swept.json")
    assert done.returncode == 1
    first, losing, pairs, again = done.stdout.splitlines()
    assert first.startswith(f"{TEST}: 13 lines, 13 of them reached and stalled for 50 ms")
    assert first.endswith("1 loses the race")
    at = (votes / "test_votes.py").read_text().splitlines().index(f"        {LOSING}") + 1
    assert losing == f"  failed: 50 ms at test_votes.py:{at} Votes.do_POST: {LOSING}"
    assert re.match(r"\d+ pairs? of other lines looks? promising", pairs)
    assert again.endswith(f"--test {TEST}")
    told = json.loads((votes / "swept.json").read_text())
    assert (told["schema"], told["lengths_ms"]) == (2, [50.0])
    (numbers,) = told["swept"]
    assert (numbers["lines"], numbers["reached"], len(numbers["losing"])) == (13, 13, 1)
    assert numbers["trials"] == 2 + 13 + numbers["pairs"]
    (stall,) = numbers["losing"][0]["stalls"]
    assert (stall["line"], stall["number"], stall["for_ms"]) == (LOSING, at, 50.0)
    assert race_process("test", TEST, "--sweep", "50", "--grade", "order").returncode == 0
    flaky = "        before = Votes.count\n        Votes.count = before + 1\n"
    right = "        with LOCK:\n" + flaky.replace("        ", "            ")
    text = (votes / "test_votes.py").read_text()
    assert flaky in text
    (votes / "test_votes.py").write_text(
        f"{text.replace(flaky, right)}\n\nLOCK = threading.Lock()\n"
    )
    done = race_process("test", TEST, "--sweep", "50")
    assert done.returncode == 0
    assert "14 lines, 14 of them reached" in done.stdout
    assert "0 lose the race" in done.stdout


def test_a_line_loses_by_the_shortest_stall_that_does(votes: Path, race_process: Race) -> None:
    done = race_process(*("test", TEST, "--sweep", "50,1", "--sweep", "0.2", "--json", "-"))
    told = json.loads(done.stdout)
    assert told["lengths_ms"] == [0.2, 1.0, 50.0]
    (losing,) = told["swept"][0]["losing"]
    (stall,) = losing["stalls"]
    assert stall["for_ms"] == 0.2


TWO = """import threading


class State:
    busy = False


def test_two():
    seen = []

    def look():
        seen.append(State.busy)

    def work():
        State.busy = True
        State.busy = False

    threads = [threading.Thread(target=each) for each in (look, work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False]
"""
"""Whoever looks comes first, and then nobody is at work: both have to be held up."""


def test_two_lines_lose_together_where_neither_does_alone(
    tmp_path: Path, race_process: Race
) -> None:
    (tmp_path / "test_two.py").write_text(TWO)
    done = race_process("test", "test_two.py", "--sweep", "50", "--json", "two.json")
    assert done.returncode == 1
    assert "0 lose the race" in done.stdout.splitlines()[0]
    (swept,) = json.loads((tmp_path / "two.json").read_text())["swept"]
    assert swept["losing"] == []
    (pair,) = swept["losing_pairs"]
    assert [stall["line"] for stall in pair["stalls"]] == [
        "seen.append(State.busy)",
        "State.busy = False",
    ]
    assert "50 ms at test_two.py:12" in done.stdout
    file = swept["first_failure"]
    assert (
        len(json.loads((tmp_path / file).read_text())["schedule"]["interleaving"]["stalls"]) == 2
    )
    replayed = race_process("replay", file, "--test", "test_two.py::test_two")
    assert "reproduced" in replayed.stdout
    # Where no pair may be tried, none is.
    done = race_process("test", "test_two.py", "--sweep", "50", "--pairs", "0")
    assert done.returncode == 0
    assert "4 pairs of other lines look promising, none of them was tried" in done.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--sweep", "long"], "--sweep 'long' is no length of a stall"),
        (["--sweep", "1,,2"], "--sweep '' is no length of a stall"),
        (["--sweep", "0"], "--sweep '0' is no length of a stall"),
        (["--sweep", "nan"], "--sweep 'nan' is no length of a stall"),
        (["--sweep", "5", "--markdown"], "leave out --markdown"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_line(
    votes: Path, race_process: Race, options: list[str], says: str
) -> None:
    done = race_process("test", TEST, *options)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_sweep_blames_no_line_where_a_test_fails_anyway(
    tmp_path: Path, race_process: Race
) -> None:
    (tmp_path / "test_bad.py").write_text("def test_a():\n    assert not [1]\n")
    done = race_process("test", "test_bad.py", "--sweep", "5")
    assert done.returncode == 1
    assert done.stdout == "test_bad.py::test_a: does not pass as it is, so no line was tried\n"


@pytest.mark.nightly
def test_a_client_is_swept_in_a_scenario(tmp_path: Path, race_process: Race) -> None:
    swept = ("--scenario", "final-events", "--sweep", "1000", "--pairs", "5", "--json", "out.json")
    done = race_process("run", "reference:poll", *swept)
    assert done.returncode == 1
    (numbers,) = json.loads((tmp_path / "out.json").read_text())["swept"]
    assert numbers["name"] == "final-events"
    assert 0 < numbers["reached"] < numbers["lines"]
    assert numbers["pairs"] == 5
    lines = [one["stalls"][0]["line"] for one in numbers["losing"]]
    assert "self._ring(text)" in lines
    assert "doorbell.py:" in done.stdout
    assert "reproduced" in race_process("replay", numbers["first_failure"]).stdout
    # The right one bears a stall at any of its lines.
    assert race_process("run", "reference", *swept).returncode == 0


def test_no_real_thread_is_swept(race_process: Race) -> None:
    done = race_process("run", "reference", "--sweep", "5", "--world", "real")
    assert done.returncode == 2
    assert "a real thread cannot be stopped at a line" in done.stderr


def test_run_and_compare_take_tests_in_place_of_a_scenario(
    votes: Path, race_process: Race
) -> None:
    stalled = ("--test", TEST, "--schedule", "stalled.json", "--reps", "2")
    done = race_process("run", "installed", *stalled)
    assert done.returncode == 1
    assert "0 / 2 = 0.0 %" in done.stdout
    assert race_process("run", "installed", *stalled, "--grade", "order").returncode == 0
    both = race_process("compare", "installed", "installed", *stalled, "--json", "both.json")
    assert both.returncode == 0
    assert "only in installed 0, both 2" in " ".join(both.stdout.split())
    numbers = json.loads((votes / "both.json").read_text())
    assert [client["passed"] for client in numbers["clients"]] == [0, 0]
    for wrong in (("--server", "real"), ("--scenario", "clean"), ("--with", "requests")):
        refused = race_process("run", "installed", *stalled, *wrong)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_hunt_finds_what_a_test_loses_by_and_how_much_it_needs(
    votes: Path, race_process: Race
) -> None:
    done = race_process(
        *("hunt", "installed", "--test", TEST, "--examples", "40", "--json", "hunt.json")
    )
    assert done.returncode == 1
    (found,) = json.loads((votes / "hunt.json").read_text())["failures"]
    assert (found["verdict"], found["grade"]) == ("failed", "order")
    assert race_process("replay", found["path"], "--test", TEST).returncode == 0


@pytest.mark.slow
def test_a_soak_of_tests_counts_and_keeps(votes: Path, race_process: Race) -> None:
    (votes / "test_right.py").write_text("def test_a():\n    pass\n")
    both = ("--test", TEST, "--test", "test_right.py")
    done = race_process("soak", *both, "--reps", "100", "--json", "soak.json")
    assert done.returncode == 1
    assert f"--test {TEST}" in " ".join(done.stdout.split())
    numbers = json.loads((votes / "soak.json").read_text())
    passed = {one["scenario"]: one["clients"][0]["passed"] for one in numbers["scenarios"]}
    assert passed["test_right.py::test_a"] == 100
    assert passed[TEST] < 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hunt", "installed", "--server", "real"], "--server: not for a test of your own"),
        (["hunt", "installed", "--scenario", "clean"], "--scenario: not for a test"),
        (["hunt", "installed", "--grade", "order", "--faults", "socket"], "give one of them"),
        (["soak", "--reps", "1", "--dask", "tcp://127.0.0.1:1"], "--dask: not for a test"),
        (["soak", "--reps", "1", "--faults", "wind"], "--grade order leaves out what --faults"),
        (["bisect", "--good", "1.0.0", "--bad", "1.1.0", "--by", "early"], "--by: not for a"),
    ],
)
def test_what_is_about_scenarios_alone_is_one_line(
    votes: Path, race_process: Race, arguments: list[str], says: str
) -> None:
    done = race_process(*arguments, "--test", TEST)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "reference", "--source", "mylib"],
        ["run", "reference", "--sweep", "5", "--invariant"],
        ["compare", "reference", "reference", "--invariant"],
        ["hunt", "reference", "--grade", "order"],
        ["soak", "reference", "--reps", "1", "--child-processes"],
        ["bisect", "--good", "1.0.0", "--bad", "1.1.0", "--error", "Timeout"],
    ],
)
def test_what_is_about_tests_alone_needs_one(race: Race, arguments: list[str]) -> None:
    done = race(*arguments)
    assert done.returncode == 2
    assert "for a test of your own; add --test PATH::NAME" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_several_tests_have_a_row_each(tmp_path: Path, race_process: Race) -> None:
    (tmp_path / "test_two.py").write_text(
        "def test_a():\n    pass\n\n\ndef test_b():\n    pass\n\n\ndef test_c():\n    pass\n"
    )
    done = race_process(*("test", "test_two.py", "-k", "a or b", "--reps", "3", "--json", "-"))
    assert done.returncode == 0
    told = [test["test"] for test in json.loads(done.stdout)["tests"]]
    assert told == ["test_two.py::test_a", "test_two.py::test_b"]
    markdown = race_process(*("test", "test_two.py", "--reps", "2", "--markdown")).stdout
    assert markdown.splitlines()[2].startswith("| `test_two.py::test_a` | 2 | 2 / 2 = 100.0 %")


def test_a_test_that_is_only_skipped_has_not_passed(tmp_path: Path, race_process: Race) -> None:
    (tmp_path / "test_skip.py").write_text("import pytest\n\n\ndef test_a():\n    pytest.skip()\n")
    done = race_process("test", "test_skip.py", "--reps", "2")
    assert done.returncode == 1
    assert "2 of 2 repetitions are void" in done.stderr


def test_a_setup_that_fails_now_and_then_is_no_success(tmp_path: Path, race_process: Race) -> None:
    (tmp_path / "test_set.py").write_text(
        "import random\n\nimport pytest\n\n\n@pytest.fixture\ndef luck():\n"
        "    assert random.random() < 0.5\n\n\ndef test_a(luck):\n    pass\n"
    )
    done = race_process("test", "test_set.py", "--reps", "20", "--json", "-")
    (client,) = json.loads(done.stdout)["clients"]
    assert 0 < client["passed"] < 20
    assert client["passed"] + client["void"] == 20
    assert done.returncode == 1


def test_a_client_that_is_a_folder_has_to_be_named_again(votes: Path, race_process: Race) -> None:
    race_process("test", TEST, "--schedule", "stalled.json", "--reps", "1")
    (file,) = (votes / ".race" / "failures").glob("*.json")
    file.write_text(file.read_text().replace('"client": "installed"', '"client": "./evil@HEAD"'))
    done = race_process("replay", str(file), "--test", TEST)
    assert done.returncode == 2
    assert "add --client ./evil@HEAD" in done.stderr


def test_the_tutorial_shows_the_test_whole() -> None:
    text = (DOCS / "tutorial" / "flaky-test.md").read_text(encoding="utf-8")
    assert re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0] == VOTES.read_text("utf-8")
