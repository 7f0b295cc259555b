"""`race bisect` and `race bisect-run`, with other judges and workers in the place of releases."""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Race, error_of
from packaging.version import Version

from race_harness.bisect.judged import Judged, Point
from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.environments.releases import Published
from race_harness.model.errors import ClientUnavailable, OutOfReach
from race_harness.model.failure import Failure

ROOT = Path(__file__).parents[2]
EARLY = str(ROOT / "docs" / "results" / "findings" / "reconnect-snapshot.json")
"""A failure file whose verdict is `early`."""

JUDGED = {
    "g": Judged("good", "as it should", 100, 100),
    "b": Judged("bad", "as it should not", 100, 40),
    "?": Judged("unclear", "it does not build"),
}


@dataclass
class Releases:
    """1.0.0, 1.1.0 and so on, one letter each; and which were judged."""

    letters: str = ""
    judged: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    """At which of them the index stops answering."""

    def published(self) -> list[Published]:
        return [
            Published(Version(f"1.{n}.0"), None, yanked=False) for n in range(len(self.letters))
        ]

    def judge(self, point: Point) -> Judged:
        if point.client in self.silent:
            raise OutOfReach("the package index does not answer: check the network")
        self.judged.append(point.client)
        return JUDGED[self.letters[int(point.client.split(".")[1])]]


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    monkeypatch.setenv("RACE_HOME", str(tmp_path / "home"))
    made = Releases()

    class StubJudge:
        failures: dict[str, Failure] = {}  # noqa: RUF012

        def __init__(self, *_: Any, **__: Any) -> None: ...

        def __call__(self, point: Point) -> Judged:
            return made.judge(point)

    monkeypatch.setattr("race_harness.bisect.ranges.published", made.published)
    monkeypatch.setattr("race_harness.bisect.session.Judge", StubJudge)
    return made


def test_the_first_bad_release(race: Race, releases: Releases, tmp_path: Path) -> None:
    releases.letters = "ggggg?bbbbb"
    done = race("bisect", "--good", "1.0.0", "--bad", "1.10.0", "--json", "found.json")
    assert done.returncode == 1
    assert (
        "first bad one: one of these 2, of which only the last could be judged: 1.5.0, 1.6.0"
        in done.stdout
    )
    assert "skipped 1.5.0: it does not build" in done.stdout
    assert "sequential test (Wald 1945)" in done.stdout
    data = json.loads((tmp_path / "found.json").read_text())
    assert (data["kind"], data["boundary"]) == ("first-bad", ["1.4.0", "1.6.0"])
    assert data["skipped"] == [{"client": "1.5.0", "reason": "it does not build"}]


def test_the_first_good_release(race: Race, releases: Releases) -> None:
    releases.letters = "bbbbggg"
    ends = ("--good", "1.6.0", "--bad", "1.0.0")
    done = race("bisect", *ends, "--fixed")
    assert done.returncode == 0
    assert "first good one: 1.4.0" in done.stdout
    assert "last bad one before: 1.3.0" in done.stdout
    assert "--fixed" in error_of(race("bisect", *ends), 2)


def test_json_alone_on_stdout(race: Race, releases: Releases) -> None:
    releases.letters = "gb"
    done = race("bisect", "--good", "1.0.0", "--bad", "1.1.0", "--json", "-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["boundary"] == ["1.0.0", "1.1.0"]


def test_a_range_without_a_change(race: Race, releases: Releases) -> None:
    releases.letters = "ggggggg"
    done = race("bisect", "--good", "1.0.0", "--bad", "1.6.0")
    assert done.returncode == 1
    assert "no change at all: 1.0.0 is good, and so is 1.6.0" in done.stdout
    assert releases.judged == ["1.0.0", "1.6.0"]


def test_an_index_that_stops_answering_leaves_a_bisect_that_goes_on(
    race: Race, releases: Releases
) -> None:
    releases.letters = "ggggggbbb"
    releases.silent = {"1.6.0"}
    command = ("bisect", "--good", "1.0.0", "--bad", "1.8.0")
    said = race(*command)
    assert said.returncode == 3
    assert "3 judgements are kept: the same command goes on from there" in said.stderr
    assert releases.judged == ["1.0.0", "1.8.0", "1.4.0"]

    releases.silent = set()
    done = race(*command)
    assert done.returncode == 0
    assert "first bad one: 1.6.0" in done.stdout
    assert "3 were known from before" in done.stdout
    assert releases.judged == ["1.0.0", "1.8.0", "1.4.0", "1.6.0", "1.5.0"]

    # Another question knows nothing of it, and --fresh wants to know nothing.
    race(*command, "--seed", "1")
    assert len(releases.judged) == 10
    race(*command, "--fresh")
    assert len(releases.judged) == 15
    race(*command)
    assert len(releases.judged) == 15


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--schedule", "f.json", "--scenario", "clean"], "not both"),
        (["--schedule", "none.json"], "cannot read none.json"),
        (["--scenario", "none"], "none"),
        (["--paths", "src"], "give --repo"),
        (["--by", "late", "--verdict", "late"], "give --by or --verdict, not both"),
        (["--by", "late", "--any-verdict"], "give --by or --any-verdict, not both"),
        (["--by", "slow"], "no verdict 'slow' to look for; there are: hang"),
        (["--by", "late", "--alpha", "0.7"], "the test of the numbers: alpha"),
        (["--good-fails", "0.5"], "failure rates 0.5 and 0.02"),
        (["--alpha", "0.7"], "alpha 0.7"),
        (["--server", "own"], "no server 'own'"),
        (["--json", "nowhere/f.json"], "cannot write"),
    ],
)
def test_bad_usage(
    race: Race, releases: Releases, arguments: Sequence[str], complaint: str
) -> None:
    releases.letters = "gb"
    done = race("bisect", "--good", "1.0.0", "--bad", "1.1.0", *arguments)
    assert complaint in error_of(done, 2)
    assert releases.judged == []


@pytest.fixture
def history(tmp_path: Path) -> list[str]:
    """The commits of a repository in whose history a bug is planted; each names its client."""
    package = tmp_path / "clone" / "openhands-sdk"
    package.mkdir(parents=True)
    (package / "pyproject.toml").write_text('[project]\nname = "openhands-sdk"\n')
    git(package.parent, "init", "--quiet")
    shas = []
    for number, client in enumerate(["reference", "broken", "reference:eager"]):
        (package / "client").write_text(client)
        git(package, "add", "--all")
        git(package, "commit", "--quiet", "--message", f"make it {client} (#{number})")
        shas.append(git(package, "rev-parse", "HEAD"))
    return shas


def git(directory: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    command = ["git", "-C", str(directory), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.usefixtures("ready")
@pytest.mark.slow
def test_a_schedule_is_tried_on_one_commit_after_the_other(
    race: Race, history: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real workers, of the client that a commit names."""
    monkeypatch.setenv("RACE_HOME", str(tmp_path / "home"))
    built: list[list[str]] = []
    monkeypatch.setattr(
        "race_harness.environments.ahead.Ahead.want", lambda _, wanted: built.append(list(wanted))
    )

    def find(
        argument: str, progress: Callable[[str], None], *, server: str, world: str
    ) -> ClientUnderTest:
        repository, _, sha = argument.rpartition("@")
        name = git(Path(repository), "show", f"{sha}:openhands-sdk/client")
        if name == "broken":
            raise ClientUnavailable("cannot install it: SyntaxError")
        return replace(find_client(name, progress), argument=argument)

    monkeypatch.setattr("race_harness.campaign.finding.find_client", find)
    ends = ("--good", history[0][:8], "--bad", "HEAD", "--repo", "clone")
    options = ("--reps", 10, "--jobs", 1, "--schedule", EARLY, "--json", "found.json")
    done = race("bisect", *ends, *options)
    assert done.returncode == 1, done.stderr
    clients = [f"{tmp_path}/clone@{sha}" for sha in history]
    data = json.loads((tmp_path / "found.json").read_text())
    assert (data["ending"], data["boundary"]) == ("left", [clients[0], clients[2]])
    tested = {each["client"]: (each["judgement"], each["reps"]) for each in data["tested"]}
    assert tested == {clients[0]: ("good", 10), clients[2]: ("bad", 10)}
    (skipped,) = data["skipped"]
    assert skipped == {"client": clients[1], "reason": "cannot install it: SyntaxError"}
    assert data["commits"][clients[2]]["pull_request"] == 2
    assert f"  {history[2][:9]} make it reference:eager (#2)" in done.stdout
    # The story of both sides; that of the broken one was kept when it was judged.
    assert f"before, {history[0][:9]}:\nok: client" in done.stdout
    assert f"after, {history[2][:9]}:\nlost, early: client" in done.stdout
    assert len(list((tmp_path / ".race" / "failures").glob("*-lost-*.json"))) == 1
    # What is likely to be next is built meanwhile.
    assert built == [[clients[2], clients[1]], [clients[1]]]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[[Judged | Exception], None]:
    """Sets what comes of the work tree."""

    def use(result: Judged | Exception) -> None:
        class StubJudge:
            def __init__(self, *_: Any, **__: Any) -> None: ...

            def __call__(self, point: Point) -> Judged:
                assert point.client == "."
                if isinstance(result, Exception):
                    raise result
                return result

        monkeypatch.setattr("race_harness.bisect.judging.Judge", StubJudge)

    return use


@pytest.mark.parametrize(
    ("letter", "status", "status_of_fix"), [("g", 0, 1), ("b", 1, 0), ("?", 125, 125)]
)
def test_git_is_told_by_the_exit_status(
    race: Race,
    judged: Callable[[Judged], None],
    letter: str,
    status: int,
    status_of_fix: int,
) -> None:
    judged(JUDGED[letter])
    done = race("bisect-run", EARLY)
    assert done.returncode == status
    assert JUDGED[letter].says in done.stdout
    assert race("bisect-run", EARLY, "--fixed").returncode == status_of_fix


@pytest.mark.parametrize("error", [OutOfReach("the index does not answer"), ValueError("a bug")])
def test_what_tells_nothing_of_the_work_tree_ends_the_bisect_of_git(
    race: Race, judged: Callable[[Exception], None], error: Exception
) -> None:
    """For git any status from 1 to 127 but 125 is bad."""
    judged(error)
    done = race("bisect-run", EARLY)
    assert done.returncode == 128
    assert str(error) in done.stderr


@pytest.mark.parametrize("arguments", [["none.json"], [], [EARLY, "--nonsense"]])
def test_so_does_bad_usage(race: Race, arguments: list[str]) -> None:
    assert race("bisect-run", *arguments).returncode == 128
