"""`race show` on a real failure of a client that trusts a poll."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.campaign import examine
from harness.campaign.client import find_client
from harness.campaign.pool import Workers
from harness.cli import main
from harness.schedule import Link, Network, Schedule, ServerTiming

SCHEDULE = Schedule(
    "final-events", server=ServerTiming(publish_ms=400.0), network=Network(socket=Link(90.0))
)

Race = Callable[..., tuple[int, str, str]]


@pytest.fixture
def race(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Race:
    """Run the command line in this process: exit status, stdout, stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["race", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def file(workers: Callable[[str], Workers], tmp_path: Path) -> Path:
    name = "reference:poll"
    path = tmp_path / "failure.json"
    failure = examine(find_client(name, lambda _line: None), workers(name), SCHEDULE)
    assert failure.judgement.verdicts == ("late",)
    failure.write(path)
    return path


def words(text: str) -> str:
    return " ".join(text.split())


def test_timeline_and_words(race: Race, file: Path) -> None:
    status, out, err = race("show", file, "--no-neighbour")
    assert (status, err) == (0, "")
    assert "run() called" in words(out)
    after = words(out[out.index("in words:") :])
    assert re.search(r"in words: The server assigned `finished` \d+\.\d ms after run\(\)", after)
    assert re.search(
        r"When run\(\) returned, #\d+ .*were persisted and not visible\. The frame", after
    )
    assert "passes" not in after


def test_what_the_file_tells_of_the_neighbour_needs_no_client(race: Race, file: Path) -> None:
    data = json.loads(file.read_text())
    told = {**data, "client": "reference:nobody", "neighbour": "It passes on Sundays."}
    file.write_text(json.dumps(told))
    status, out, err = race("show", file)
    assert (status, err) == (0, "")
    assert words(out).endswith("It passes on Sundays.")
    assert race("show", file, "--neighbour")[0] == 2


def test_without_a_client_all_the_rest_is_shown(race: Race, file: Path) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "client": "reference:nobody"}))
    status, out, _ = race("show", file)
    assert status == 0
    assert "Which change would make it pass was not found: no bug 'nobody'" in words(out)


@pytest.mark.parametrize("asked", [(), ("--neighbour",)])
def test_the_neighbour_is_found_by_running_the_client(
    race: Race, file: Path, asked: tuple[str, ...]
) -> None:
    status, out, _ = race("show", file, *asked)
    assert status == 0
    found = re.search(
        r"It passes when (\S+) is (\S+) instead of (\S+), all else the same\. (\S+) still fails\.",
        words(out),
    )
    assert found is not None
    path, passing, failing, still_failing = found.groups()
    assert float(passing) < float(still_failing) < float(failing)
    assert {"server.publish_ms": "400.0", "network.socket.latency_ms": "90.0"}[path] == failing


def test_a_client_that_has_no_such_bug_has_no_neighbour(race: Race, file: Path) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "client": "reference"}))
    status, _, err = race("show", file, "--neighbour")
    assert status == 1
    assert err.splitlines()[-1].startswith("race: the schedule passes as it is")


def test_no_single_change_is_said_so(race: Race, file: Path) -> None:
    data = json.loads(file.read_text())
    # A client that loses whatever the schedule.
    file.write_text(json.dumps({**data, "client": "reference:eager"}))
    status, out, _ = race("show", file, "--neighbour", "--mermaid")
    assert status == 0
    assert words(out).endswith("No single field that is set to its benign value makes it pass.")


def test_the_diagram_alone_can_be_piped(race: Race, file: Path) -> None:
    status, out, err = race("show", file, "--mermaid", "--no-neighbour")
    assert (status, err) == (0, "")
    assert out.startswith("```mermaid\nsequenceDiagram\n")
    assert out.endswith("```\n")


def test_page_and_trace_are_written(race: Race, file: Path, tmp_path: Path) -> None:
    page, trace = tmp_path / "page.html", tmp_path / "trace.json"
    status, out, err = race("show", file, "--no-neighbour", "--html", page, "--perfetto", trace)
    assert (status, out) == (0, "")
    assert err == f"wrote {page}\nwrote {trace}\n"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert json.loads(trace.read_text())["traceEvents"]
    shown = race("show", file, "--no-neighbour", "--perfetto", "-")[1]
    assert json.loads(shown) == json.loads(trace.read_text())


def test_the_page_tells_the_neighbour(race: Race, file: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    race("show", file, "--neighbour", "--html", page)
    assert "It passes when " in page.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_is_told_before_anything_runs(
    race: Race, file: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "missing" / "page.html"
    status, out, err = race("show", file, "--html", nowhere, "--neighbour")
    assert (status, out) == (2, "")
    assert err == f"race: cannot write {nowhere}: No such file or directory\n"


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
    status, out, err = race(command, file, *outputs)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"race: {re.escape(str(file))}:? .+\n", err), err
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("command", ["show", "export"])
def test_no_file_is_one_clear_line(race: Race, tmp_path: Path, command: str) -> None:
    missing = tmp_path / "missing.json"
    status, out, err = race(command, missing)
    assert (status, out) == (2, "")
    assert err == f"race: cannot read {missing}: No such file or directory\n"
