"""The commands with a client that a file of the user's brings."""

import json
import shutil
from pathlib import Path

import pytest
from cli_rig import Race, call, error_of

from race_harness.model.failure import Failure

OWN = Path(__file__).parents[1] / "clients" / "own_client.py"


@pytest.fixture(scope="module")
def own_failure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A failure of a client that was named by a path that only one folder knows."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine").mkdir()
    shutil.copy(OWN, folder / "mine" / "jobs.py")
    done = call(folder, "run", "mine/jobs.py:Racy", "--reps", 20)
    assert done.returncode == 1
    assert "final-events, seed 0, sim world, own server" in done.stdout
    assert "late: " in done.stderr
    (path,) = (folder / ".race" / "failures").glob("*.json")
    assert path.name.startswith("final-events-1.0-late-")
    assert Failure.read(path).client == f"{folder}/mine/jobs.py:Racy"
    return path


@pytest.mark.slow
def test_it_is_replayed_from_anywhere(race: Race, own_failure: Path) -> None:
    client = Failure.read(own_failure).client
    done = race("replay", own_failure, "--client", client)
    assert done.returncode == 0, done.stderr
    assert "reproduced" in done.stdout
    assert f"replay: race replay {own_failure} --client {client}\n" in done.stdout


@pytest.mark.usefixtures("ready")
def test_it_is_replayed_with_the_client_that_works(race: Race, own_failure: Path) -> None:
    done = race("replay", own_failure, "--client", f"{OWN}:Right")
    assert done.returncode == 1
    assert "verdict: ok" in done.stdout


def test_its_file_alone_has_none_of_it_run(race: Race, own_failure: Path) -> None:
    client = Failure.read(own_failure).client
    for command in (["replay"], ["confirm"], ["confirm", "--schedule"], ["export"]):
        assert error_of(race(*command, own_failure), 2) == (
            f"race: the file asks for the client {client}, which a file alone may not run: "
            f"add --client {client}\n"
        )
    assert error_of(race("show", own_failure, "--neighbour"), 2).endswith(
        "race show runs releases and the reference alone\n"
    )


def test_it_is_exported_for_itself(race_process: Race, own_failure: Path, tmp_path: Path) -> None:
    client = Failure.read(own_failure).client
    mine = ("--client", client, "-o", "test_mine.py")
    assert race_process("export", own_failure, *mine).returncode == 0
    text = (tmp_path / "test_mine.py").read_text()
    assert f'os.environ.get("RACE_CLIENT", "{client}")' in text


@pytest.mark.usefixtures("ready")
@pytest.mark.slow
def test_it_is_compared(race: Race) -> None:
    done = race("compare", f"{OWN}:Racy", f"{OWN}:Right", "--reps", 20, "--json", "-")
    assert done.returncode == 0
    numbers = json.loads(done.stdout)
    racy, right = numbers["clients"]
    assert (numbers["server"], racy["client"]) == ("own", f"{OWN}:Racy")
    assert racy["passed"] < right["passed"] == 20


@pytest.mark.parametrize(
    ("text", "says", "status"),
    [
        ("", "mine.py has no Adapter", 3),
        ("import no_such_module", "mine.py needs no_such_module", 3),
        ("1 / 0", "mine.py raises in line 1: ZeroDivisionError", 3),
        (None, "no file 'mine.py'", 3),
    ],
)
def test_a_file_without_a_client_is_one_line_and_3(
    race: Race, tmp_path: Path, text: str | None, says: str, status: int
) -> None:
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    assert says in error_of(race("run", "mine.py"), status)


def test_one_that_makes_a_real_socket_is_4_and_shows_where(race: Race, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import _socket\n"
        "from own_client import Right\n"
        "class Adapter(Right):\n"
        "    def connect(self, url, on_event):\n"
        "        _socket.socket()\n"
    )
    shutil.copy(OWN, tmp_path)
    done = race("run", "mine.py")
    assert (done.returncode, done.stdout) == (4, "")
    assert "making a real socket inside a trial was refused, at:" in done.stderr
    assert 'mine.py", line 5, in connect' in done.stderr
