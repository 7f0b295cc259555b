"""`race show` on a real failure of a client that trusts a poll."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Race, error_of

from race_harness.model.failure import Failure


@pytest.fixture
def file(late: Failure, tmp_path: Path) -> Path:
    late.write(tmp_path / "failure.json")
    return tmp_path / "failure.json"


def words(text: str) -> str:
    return " ".join(text.split())


def test_timeline_and_words(race: Race, file: Path) -> None:
    done = race("show", file, "--no-neighbour")
    assert (done.returncode, done.stderr) == (0, "")
    assert "run() called" in words(done.stdout)
    after = words(done.stdout[done.stdout.index("in words:") :])
    assert re.search(r"in words: The server assigned `finished` \d+\.\d ms after run\(\)", after)
    assert re.search(
        r"When run\(\) returned, #\d+ .*were persisted and not visible\. The frame", after
    )
    assert "passes" not in after


def test_everything_is_shown_from_the_beginning_on(race: Race, file: Path) -> None:
    folded, everything = (race("show", file, "--no-neighbour", *more) for more in ([], ["--all"]))
    assert (everything.returncode, everything.stderr) == (0, "")
    assert "before run(), not shown" in folded.stdout
    assert "before run(), not shown" not in everything.stdout
    assert len(everything.stdout.splitlines()) > len(folded.stdout.splitlines())
    short, long = (
        race("show", file, "--no-neighbour", "--html", "-", *more).stdout
        for more in ([], ["--all"])
    )
    assert len(short) < len(long)


def test_a_diagram_of_everything_is_refused(race: Race, file: Path) -> None:
    done = race("show", file, "--all", "--mermaid")
    assert error_of(done, 2).startswith("race: --all is for the timeline and the page")


def test_what_the_file_tells_of_the_neighbour_needs_no_client(race: Race, file: Path) -> None:
    data = json.loads(file.read_text())
    told = {**data, "client": "reference:nobody", "neighbour": "It passes on Sundays."}
    file.write_text(json.dumps(told))
    done = race("show", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert words(done.stdout).endswith("It passes on Sundays.")
    assert "Sundays" not in race("show", file, "--no-neighbour").stdout
    assert race("show", file, "--neighbour").returncode == 2


def test_without_being_asked_nothing_is_run(race: Race, file: Path) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "client": "reference:nobody"}))
    done = race("show", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no bug 'nobody'" in error_of(race("show", file, "--neighbour"), 2)
    assert "passes" not in done.stdout


@pytest.mark.usefixtures("ready")
def test_the_neighbour_is_found_by_running_the_client(race: Race, file: Path) -> None:
    done = race("show", file, "--neighbour")
    assert done.returncode == 0
    neighbour_in(done.stdout)


@pytest.mark.usefixtures("ready")
def test_the_neighbour_is_asked_for_and_told_on_the_page(
    race: Race, file: Path, tmp_path: Path
) -> None:
    done = race("show", file, "--neighbour", "--html", "page.html")
    assert done.returncode == 0
    assert neighbour_in(done.stdout) in (tmp_path / "page.html").read_text(encoding="utf-8")


def neighbour_in(text: str) -> str:
    """The sentence about it, which must be true of the schedule."""
    found = re.search(
        r"It passes when (\S+) is (\S+) instead of (\S+), all else the same\. (\S+) still fails\.",
        words(text),
    )
    assert found is not None
    path, passing, failing, still_failing = found.groups()
    assert float(passing) < float(still_failing) < float(failing)
    assert {"server.publish_ms": "400.0", "network.socket.latency_ms": "90.0"}[path] == failing
    return found[0]


@pytest.mark.usefixtures("ready")
def test_a_client_that_has_no_such_bug_has_no_neighbour(race: Race, file: Path) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "client": "reference"}))
    done = race("show", file, "--neighbour")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("race: the schedule passes as it is")


@pytest.mark.usefixtures("ready")
def test_no_single_change_is_said_so(race: Race, file: Path) -> None:
    data = json.loads(file.read_text())
    # A client that loses whatever the schedule.
    file.write_text(json.dumps({**data, "client": "reference:eager"}))
    done = race("show", file, "--neighbour", "--mermaid")
    assert done.returncode == 0
    assert words(done.stdout).endswith(
        "No single field that is set to its benign value makes it pass."
    )


def test_the_diagram_alone_can_be_piped(race: Race, file: Path) -> None:
    done = race("show", file, "--mermaid", "--no-neighbour")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("```mermaid\nsequenceDiagram\n")
    assert done.stdout.endswith("```\n")


def test_page_and_trace_are_written(race: Race, file: Path, tmp_path: Path) -> None:
    page, trace = tmp_path / "page.html", tmp_path / "trace.json"
    done = race("show", file, "--no-neighbour", "--html", page, "--perfetto", trace)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"wrote {page}\nwrote {trace}\n"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert json.loads(trace.read_text())["traceEvents"]
    shown = race("show", file, "--no-neighbour", "--perfetto", "-").stdout
    assert json.loads(shown) == json.loads(trace.read_text())


def test_a_file_that_cannot_be_written_is_told_before_anything_runs(
    race: Race, file: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "missing" / "page.html"
    said = error_of(race("show", file, "--html", nowhere, "--neighbour"), 2)
    assert said == f"race: cannot write {nowhere}: No such file or directory\n"


def with_happening(data: dict[str, Any], **detail: Any) -> dict[str, Any]:
    odd = {"at_ms": 1.0, "lane": "server", "what": "persisted", **detail}
    return {**data, "happenings": [*data["happenings"], odd]}


def with_event(data: dict[str, Any], **event: Any) -> dict[str, Any]:
    return {**data, "evidence": [{"verdict": "late", "says": "so", "events": [event]}]}


@pytest.mark.parametrize("command", ["show", "export"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: {**data, "schema": 99},
        lambda data: {},
        lambda data: {**data, "client": "\ud800"},
        lambda data: with_happening(data, at_ms=float("nan")),
        lambda data: with_happening(data, at_ms="soon"),
        lambda data: with_happening(data, event=["no", "text"]),
        lambda data: with_happening(data, what="run-started", run={}),
        lambda data: with_event(data, kind="X"),
        lambda data: with_event(data, id="e", persisted_ms="soon"),
    ],
)
def test_a_spoilt_file_is_one_clear_line(
    race: Race,
    file: Path,
    tmp_path: Path,
    command: str,
    spoil: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    file.write_text(json.dumps(spoil(json.loads(file.read_text()))))
    outputs = (
        ["-o", str(tmp_path / "t.py")]
        if command == "export"
        else ["--html", str(tmp_path / "p.html"), "--perfetto", str(tmp_path / "t.json")]
    )
    said = error_of(race(command, file, *outputs), 2)
    assert re.fullmatch(rf"race: {re.escape(str(file))}:? .+\n", said), said
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("command", ["show", "export"])
def test_no_file_is_one_clear_line(race: Race, tmp_path: Path, command: str) -> None:
    missing = tmp_path / "missing.json"
    said = error_of(race(command, missing), 2)
    assert said == f"race: cannot read {missing}: No such file or directory\n"
