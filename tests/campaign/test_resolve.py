"""What a client argument stands for."""

import importlib.metadata
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from race_harness.campaign.resolve import ClientUnderTest, find_client, find_tests
from race_harness.clients import Adapter, own_clients
from race_harness.clients.reference import KINDS
from race_harness.environments import Environment
from race_harness.model.combination import REAL_FAKE, REAL_REAL, SIM_FAKE, SIM_REAL, Combination
from race_harness.model.errors import ClientUnavailable, UsageError, WorldBroken
from race_harness.model.version import __version__
from race_harness.workers.protocol import Trouble, answer_of
from race_harness.workers.selection import Selection

HERE = Path(sys.executable)


def find(argument: str) -> ClientUnderTest:
    return find_client(argument, lambda line: pytest.fail(line))


@pytest.mark.parametrize("argument", ["reference", *(f"reference:{bug}" for bug in KINDS)])
def test_the_reference_client_and_each_of_its_bugs(argument: str) -> None:
    assert find(argument) == ClientUnderTest(argument, __version__, HERE, argument)


def test_what_is_known_of_releases_applies_to_the_real_client_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reference client's version is the harness' own, below that of any release."""
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "1.11.1")
    assert find("installed").is_sdk
    assert not find("reference:poll").is_sdk


def test_a_bug_that_there_is_not() -> None:
    with pytest.raises(UsageError, match=r"no bug 'charm'.* poll, eager") as caught:
        find("reference:charm")
    assert "\n" not in str(caught.value)


def test_the_reference_client_without_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith("race_harness.clients.reference")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ClientUnavailable, match="needs httpx"):
        find("reference")


def test_the_installed_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "1.11.1")
    assert find("installed") == ClientUnderTest("installed", "1.11.1", HERE, "openhands")


def test_no_client_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(ClientUnavailable, match=r"not installed.*install it") as caught:
        find("installed")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("argument", ["/no/such/place", "/no/such/place@HEAD", "referee", ""])
def test_a_client_that_there_is_not(argument: str) -> None:
    with pytest.raises(ClientUnavailable) as caught:
        find(argument)
    assert "\n" not in str(caught.value)


# which server, which world


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Every environment can be had at once; what was asked for, and whether with its server."""
    asked: list[tuple[str, bool]] = []

    def prepare(client: str, *, with_server: bool, progress: object) -> Environment:
        asked.append((client, with_server))
        return Environment(client, "1.43.1", Path("/there/python"), "3.13.0", Path("/there"))

    monkeypatch.setattr("race_harness.environments.prepare", prepare)
    return asked


def test_a_release_with_the_fake_server_and_with_its_own(
    prepared: list[tuple[str, bool]],
) -> None:
    fake, real = find("1.43.1"), find_client("1.43.1", pytest.fail, server="real", world="real")
    assert prepared == [("1.43.1", False), ("1.43.1", True)]
    assert (fake.combination, real.combination) == (SIM_FAKE, REAL_REAL)
    assert (real.server, real.world, real.is_sdk) == ("real", "real", True)


@pytest.mark.parametrize(
    ("server", "release"), [("real", "latest"), ("real:1.43.1", "1.43.1")], ids=str
)
def test_the_reference_client_runs_beside_the_server_of_any_release(
    prepared: list[tuple[str, bool]], server: str, release: str
) -> None:
    found = find_client("reference:poll", pytest.fail, server=server)
    assert prepared == [(release, True)]
    there = Path("/there/python")
    assert found == ClientUnderTest(
        "reference:poll", __version__, there, "reference:poll", SIM_REAL
    )


def test_in_the_real_world_the_fake_needs_no_environment(
    prepared: list[tuple[str, bool]],
) -> None:
    found = find_client("reference", pytest.fail, world="real")
    assert (found.combination, found.python, prepared) == (REAL_FAKE, HERE, [])


@pytest.mark.parametrize(
    ("argument", "world", "server", "asked", "where"),
    [
        ("1.43.1", "sim", "fake:1.58.2", [("1.43.1", False)], "sim×fake:1.58.2"),
        ("1.43.1", "real", "fake:1.58.2", [("1.43.1", False)], "real×fake:1.58.2"),
        # Its own is no other.
        ("1.43.1", "sim", "fake:1.43.1", [("1.43.1", False)], "sim×fake"),
        ("1.43.1", "sim", "real:1.43.1", [("1.43.1", True)], "sim×real"),
        ("reference", "sim", "fake:1.10.0", [], "sim×fake:1.10.0"),
    ],
    ids=str,
)
def test_a_client_and_the_server_of_another_release(
    prepared: list[tuple[str, bool]],
    argument: str,
    world: str,
    server: str,
    asked: list[tuple[str, bool]],
    where: str,
) -> None:
    found = find_client(argument, pytest.fail, server=server, world=world)
    assert (str(found.combination), prepared, found.server_python) == (where, asked, None)
    assert found.is_confirmed_beside_real == (where == "sim×fake" and found.is_sdk)


def test_over_sockets_the_real_server_of_another_release_has_its_own_environment(
    prepared: list[tuple[str, bool]],
) -> None:
    found = find_client("1.11.1", pytest.fail, server="real:latest", world="real")
    assert prepared == [("1.11.1", False), ("latest", True)]
    # As it was resolved, so that it can be had again.
    assert (found.server, found.server_python) == ("real:1.43.1", Path("/there/python"))


@pytest.mark.parametrize(
    ("argument", "options", "says"),
    [
        ("1.43.1", {"server": "real:1.58.2"}, "1.43.1 and the real server of 1.58.2 cannot share"),
        ("installed", {"server": "real:1.43.1"}, "add --world real, or say --server fake:1.43.1"),
        ("reference", {"server": "reel"}, "no server 'reel'; there are: fake, real, and fake:R"),
        ("reference", {"server": "real:"}, "no server 'real:'"),
        ("1.43.1", {"server": "fake:new"}, "releases, such as fake:1.58.2, not new"),
        ("reference", {"server": "own:1.43.1"}, "no server 'own:1.43.1'"),
        ("reference", {"world": "dream"}, "no world 'dream'; there are: sim, real"),
    ],
)
def test_a_server_or_a_world_that_cannot_be(
    prepared: list[tuple[str, bool]], argument: str, options: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_client(argument, pytest.fail, **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert prepared == []


def test_the_installed_client_needs_its_server_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"openhands-sdk": "1.58.0"}

    def version(name: str) -> str:
        if name not in there:
            raise importlib.metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(
        ClientUnavailable, match=r"^openhands-agent-server is not installed .* by its release, 1"
    ):
        find_client("installed", pytest.fail, server="real")
    there["openhands-agent-server"] = "1.58.0"
    assert find_client("installed", pytest.fail, server="real").combination == SIM_REAL


# a client of one's own

OWN = Path(__file__).parents[1] / "clients" / "own_client.py"
OWN_SERVER = Combination("sim", "own")


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a file of this text."""

    def write(text: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def test_a_file_is_a_client_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run by the interpreter that runs the harness, under a name that any directory knows."""
    monkeypatch.chdir(OWN.parent)
    found = find("own_client.py:Racy")
    assert found == ClientUnderTest("own_client.py:Racy", "1.0", HERE, f"{OWN}:Racy", OWN_SERVER)
    assert found.anywhere == f"{OWN}:Racy"
    assert (found.server, found.is_sdk) == ("own", False)
    # It ran in a process of its own.
    assert not any("own_client" in name for name in sys.modules if name.startswith("race_client"))


def test_it_brings_its_own_server() -> None:
    with pytest.raises(UsageError, match=r"Racy brings its own server: leave --server real out$"):
        find_client(f"{OWN}:Racy", pytest.fail, server="real")


def test_others_are_named_as_they_were_typed() -> None:
    found = find("reference:poll")
    assert (found.anywhere, found.server) == ("reference:poll", "fake")


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("mine.py", ("mine.py", "Adapter")),
        ("a folder/mine.py:Racy", ("a folder/mine.py", "Racy")),
        ("./mine:too.py", ("./mine:too.py", "Adapter")),
        ("~/mine.py", (str(Path.home() / "mine.py"), "Adapter")),
        ("mine.py:", None),
        ("mine", None),
        ("1.10.0", None),
        ("reference:poll", None),
        ("~/src/sdk@main", None),
    ],
)
def test_what_means_a_file(argument: str, meant: tuple[str, str] | None) -> None:
    found = own_clients.split(argument)
    assert (found and (str(found[0]), found[1])) == (meant and (str(Path(meant[0])), meant[1]))


def test_a_directory_is_a_checkout_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sdk.py").mkdir()
    monkeypatch.chdir(tmp_path)
    assert own_clients.split("sdk.py") is None


GOOD = """
class Adapter:
    version = "2.1"
    def connect(self, url, on_event): ...
    def serve(self, schedule, trace): ...

made = Adapter()
made.version = "2.2"
text = "an adapter"
"""


def load(path: Path, name: str = own_clients.NAME) -> Adapter:
    return own_clients.load(path, name)


def complaint(path: Path, name: str = own_clients.NAME) -> str:
    """The one line that is said, without the file, with which it has to begin."""
    with pytest.raises(ClientUnavailable) as caught:
        load(path, name)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(path))
    return said.removeprefix(str(path))


def test_a_class_is_called_and_an_adapter_is_taken(file: Callable[[str], Path]) -> None:
    path = file(GOOD)
    assert load(path).version == "2.1"
    assert load(path, "made").version == "2.2"


def test_what_lies_beside_the_file_can_be_imported(
    file: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "protocol_of_mine.py").write_text("VERSION = '3'", encoding="utf-8")
    # What is installed comes first.
    (tmp_path / "httpx.py").write_text("raise AssertionError", encoding="utf-8")
    path = file(
        f"import httpx, protocol_of_mine\n{GOOD}\nAdapter.version = protocol_of_mine.VERSION"
    )
    assert load(path).version == "3"
    assert sys.path[-1] == str(tmp_path)


def test_dataclasses_find_their_module(file: Callable[[str], Path]) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass"
    assert load(file(text + GOOD)).version == "2.1"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ClientUnavailable, match=r"^no file 'nope/mine.py'$"):
        find("nope/mine.py:Racy")


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (GOOD, "Adaptor", " has no Adaptor; its adapters: Adapter, made"),
        # The module has all three names, too.
        (
            f"import websockets\n{GOOD}",
            "Adaptor",
            " has no Adaptor; its adapters: Adapter, made",
        ),
        ("", "Adapter", " has no Adapter"),
        (GOOD, "text", ": text is no adapter: it has no version, connect, serve"),
        (GOOD + "del Adapter.serve", "Adapter", ": Adapter is no adapter: it has no serve"),
        (
            GOOD + "Adapter.version = 2",
            "Adapter",
            ": Adapter is no adapter: its version is no text",
        ),
        (
            "import no_such_module.at_all",
            "Adapter",
            " needs no_such_module, which is not installed in the environment of race-harness",
        ),
        ("\n\nraise LookupError('a\\nb')", "Adapter", " raises in line 3: LookupError: a b"),
        ("from sys import nothing", "Adapter", " raises in line 1: ImportError: cannot import"),
        ("from . import x", "Adapter", " raises in line 1: ImportError: attempted relative"),
        ("x = 1\nx = = 2", "Adapter", " raises in line 2: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)", "Adapter", " raises in line 2: SystemExit: 3"),
        ("import json\n\njson.loads('')", "Adapter", " raises in line 3: json.decoder.JSONDecode"),
        (
            "def f():\n  1 / 0\nclass A:\n  def __init__(self): f()",
            "A",
            ": A() raises in line 2: Z",
        ),
    ],
)
def test_a_file_that_holds_no_adapter(
    file: Callable[[str], Path], text: str, name: str, says: str
) -> None:
    assert complaint(file(text), name).startswith(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [("import no_such_module", "needs no_such_module"), (GOOD, "has no Nobody")],
)
def test_a_worker_says_the_same(file: Callable[[str], Path], text: str, says: str) -> None:
    path = file(text)
    with pytest.raises(ClientUnavailable) as caught:
        find(f"{path}:Nobody")
    assert f"{path} {says}" in str(caught.value)
    assert "\n" not in str(caught.value)


REACHES = """
import sys
sys.path.append({folder!r})
from own_client import Right

class Adapter(Right):
    def connect(self, url, on_event):
        {reach}
"""


def test_one_that_leaves_the_simulation_is_refused_before_any_campaign(
    file: Callable[[str], Path],
) -> None:
    reach = "import socket; socket.create_connection(('192.0.2.1', 8000))"
    path = file(REACHES.format(folder=str(OWN.parent), reach=reach))
    with pytest.raises(WorldBroken, match=r"a connection to 192\.0\.2\.1:8000") as broken:
        find(str(path))
    assert f'"{path}", line 8, in connect' in str(broken.value)


IMPATIENT = """
import functools, sys
from race_harness.workers import worker
from race_harness.sim.watchdog import Watchdog
worker.Watchdog = functools.partial(Watchdog, patience_s=0.5)
worker.main(sys.argv[1:])
"""


def test_one_that_stands_still_in_its_first_trial_does_not_hang_the_harness(
    file: Callable[[str], Path],
) -> None:
    path = file(REACHES.format(folder=str(OWN.parent), reach="while True: pass"))
    ours, theirs = socket.socketpair()
    subprocess.run(
        [sys.executable, "-c", IMPATIENT, str(path), "sim", "own", "", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        timeout=60,
    )
    theirs.close()
    with Connection(ours.detach()) as connection:
        trouble = answer_of(connection.recv_bytes())
    assert isinstance(trouble, Trouble)
    assert "a loop never ends" in trouble.says
    assert f"stuck in Adapter.connect at {path}:8" in trouble.says


def found_at_client(
    client: str, monkeypatch: pytest.MonkeyPatch, *paths: str
) -> tuple[ClientUnderTest, Selection]:
    """Tests of a client's own tree; its environment is this one."""
    here = Environment(client, "1.0.0", HERE, "3.13", Path(sys.prefix))
    monkeypatch.setattr("race_harness.environments.prepare_for_tests", lambda *_, **__: here)
    selection = Selection(paths, at_client=True)
    client_found = find_tests(client, selection, (), lambda line: pytest.fail(line))
    selection_found = Selection.from_adapter(client_found.adapter)
    assert selection_found is not None
    return client_found, selection_found


def test_tests_of_a_clients_own_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_a.py").write_text("def test_one():\n    pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    found, selection = found_at_client(str(tmp_path), monkeypatch, "test_a.py::test_one")
    assert (selection.at_client, selection.tree) == (True, str(tmp_path.resolve()))
    with found.workers() as workers:
        workers.wait_ready()
        assert workers.tests == ("test_a.py::test_one",)


@pytest.mark.parametrize(
    ("client", "path", "says"),
    [
        ("installed", "test_a.py", "installed has no tree of its own"),
        ("websockets==16.0", "test_a.py", "websockets==16.0 has no tree of its own"),
        ("1.10.0", "test_a.py", "1.10.0 is a release, which has no tests"),
        ("FOLDER", "test_b.py::test", "has no test_b.py in its own tree"),
        ("FOLDER", "/test_a.py", "has no /test_a.py in its own tree"),
    ],
)
def test_a_client_without_these_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: str, path: str, says: str
) -> None:
    (tmp_path / "test_a.py").write_text("")
    with pytest.raises(UsageError, match=says) as caught:
        found_at_client(client.replace("FOLDER", str(tmp_path)), monkeypatch, path)
    assert "\n" not in str(caught.value)
