"""Confirming, with other workers in the place of those beside a real server."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Race, error_of

from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.model.combination import Combination
from race_harness.model.errors import ClientUnavailable, WorldBroken
from race_harness.model.failure import Failure
from race_harness.workers.pool import Workers

Elsewhere = Callable[..., list[str]]


@pytest.fixture
def file(early: Failure, tmp_path: Path) -> Path:
    """A failure that says to be of an SDK's release."""
    replace(early, client="1.10.0", resolved_version="1.10.0").write(tmp_path / "f.json")
    return tmp_path / "f.json"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Sets what is there in each combination: a client by its name, or an error. The result names
    those that were asked for."""

    def use(**found: str | Exception) -> list[str]:
        asked: list[str] = []

        def find(
            argument: str, progress: Callable[[str], None], *, server: str, world: str
        ) -> ClientUnderTest:
            assert argument == "1.10.0"
            asked.append(f"{world}_{server}")
            there = found[asked[-1]]
            if isinstance(there, Exception):
                raise there
            return replace(
                find_client(there, progress), argument="1.10.0", resolved_version="1.10.0"
            )

        monkeypatch.setattr("race_harness.campaign.elsewhere.find_client", find)
        return asked

    return use


def confirmed(file: Path) -> dict[str, tuple[int, int]]:
    read = Failure.read(file).confirmed
    return {name: (one.reproduced, one.tries) for name, one in read.items()}


@pytest.mark.usefixtures("ready")
@pytest.mark.slow
def test_all_three_are_tried_told_and_written(
    race: Race, elsewhere: Elsewhere, file: Path
) -> None:
    asked = elsewhere(
        sim_real="reference:eager", real_fake="reference", real_real="reference:eager"
    )
    before = json.loads(file.read_text())
    done = race("confirm", file, "--tries", 2)
    assert done.returncode == 0, done.stderr
    assert asked == ["sim_real", "real_fake", "real_real"]
    rows = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()]
    assert ["sim×real", "2 of 2", "early 2", "1.10.0", "1.58.0"] in [row[:5] for row in rows]
    assert ["real×fake", "0 of 2", "ok 2", "1.10.0", "1.58.0"] in rows
    assert done.stdout.splitlines()[-1] == (
        "early: confirmed on the real server (sim×real 2 of 2, real×real 2 of 2); real×fake 0 of 2"
    )
    assert confirmed(file) == {"sim×real": (2, 2), "real×fake": (0, 2), "real×real": (2, 2)}
    after = json.loads(file.read_text())
    assert {**after, "confirmed": {}} == before


@pytest.mark.usefixtures("ready")
@pytest.mark.slow
def test_where_the_real_server_does_not_reproduce_it_it_is_1(
    race: Race, elsewhere: Elsewhere, file: Path
) -> None:
    """Whatever the fake does over real sockets."""
    elsewhere(sim_real="reference", real_fake="reference:eager", real_real="reference")
    done = race("confirm", file, "--tries", 1)
    assert done.returncode == 1
    assert "early: not reproduced on the real server (" in done.stdout


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("typed", ["sim-real", "sim×real"])
@pytest.mark.slow
def test_one_combination_alone_and_numbers_for_programs(
    race: Race, elsewhere: Elsewhere, file: Path, typed: str
) -> None:
    elsewhere(sim_real="reference:eager")
    done = race("confirm", file, "--combination", typed, "--tries", 1, "--json", "-")
    assert done.returncode == 0, done.stderr
    numbers: dict[str, Any] = json.loads(done.stdout)
    assert set(numbers) == {"schema", "failure", "verdicts", "confirmed"}
    assert (numbers["schema"], numbers["failure"]) == (1, str(file))
    assert numbers["verdicts"][0] == "early"
    assert numbers["confirmed"]["sim×real"] == {
        "tries": 1,
        "reproduced": 1,
        "rate": 1.0,
        "verdicts": numbers["confirmed"]["sim×real"]["verdicts"],
        "resolved_version": "1.10.0",
        "server_version": "1.58.0",
        "reason": None,
    }


@pytest.mark.usefixtures("ready")
def test_what_is_lacking_in_one_is_told_and_the_others_are_tried(
    race: Race, elsewhere: Elsewhere, file: Path
) -> None:
    lacking = ClientUnavailable("no server for 1.10.0: name another release")
    elsewhere(sim_real=lacking, real_fake="reference:eager", real_real=lacking)
    done = race("confirm", file, "--tries", 1)
    assert done.returncode == 1
    assert "no server for 1.10.0: name another release" in done.stdout
    assert confirmed(file) == {"sim×real": (0, 0), "real×fake": (1, 1), "real×real": (0, 0)}
    assert Failure.read(file).confirmed["sim×real"].reason == str(lacking)


def test_where_nothing_can_be_tried_it_is_3(race: Race, elsewhere: Elsewhere, file: Path) -> None:
    lacking = ClientUnavailable("no such client")
    elsewhere(sim_real=lacking, real_fake=lacking, real_real=lacking)
    assert "no such client" in error_of(race("confirm", file), 3)


@pytest.mark.usefixtures("ready")
@pytest.mark.slow
def test_a_broken_world_is_4_and_what_was_tried_before_is_kept(
    race: Race, elsewhere: Elsewhere, file: Path
) -> None:
    elsewhere(sim_real="reference:eager", real_fake=WorldBroken("a thread escaped"))
    done = race("confirm", file, "--tries", 1)
    assert (done.returncode, done.stdout) == (4, "")
    assert "a thread escaped" in done.stderr
    assert confirmed(file) == {"sim×real": (1, 1)}


@pytest.mark.parametrize(
    ("own", "typed", "says"),
    [
        (False, "sim-own", "the client 1.10.0 has no server of its own: sim-fake, sim-real, "),
        (True, "sim-real", "the client 1.10.0 brings its own server: sim-own and real-own are "),
        (False, "simreal", "'simreal' is no combination"),
    ],
)
def test_what_it_cannot_be_tried_in_is_one_line_and_2(
    race: Race, file: Path, own: bool, typed: str, says: str
) -> None:
    if own:
        replace(Failure.read(file), server="own").write(file)
    assert says in error_of(race("confirm", file, "--combination", typed), 2)
    assert confirmed(file) == {}


# a schedule that has no verdict yet

SLOW = {"server": {"publish_ms": 400.0}, "network": {"socket": {"latency_ms": 90.0}}}
PLAIN = ("confirm", "--schedule", "slow.json", "--client", "1.10.0", "--tries", 2)


@pytest.fixture
def plain(tmp_path: Path) -> None:
    (tmp_path / "slow.json").write_text(json.dumps(SLOW))


@pytest.mark.usefixtures("ready", "plain")
@pytest.mark.slow
def test_a_schedule_gets_its_verdict_where_it_fails_first(
    race: Race, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    asked = elsewhere(
        sim_fake="reference:poll",
        sim_real="reference:poll",
        real_fake="reference",
        real_real="reference",
    )
    done = race(*PLAIN, "--json", "n.json")
    assert done.returncode == 0, done.stderr
    assert asked == ["sim_fake", "sim_real", "real_fake", "real_real"]
    told, replay = done.stdout.splitlines()[-2:]
    assert told == (
        "late: found in sim×fake (2 of 2); confirmed on the real server (sim×real 2 of 2, "
        "real×real 0 of 2); real×fake 0 of 2"
    )
    (kept,) = (tmp_path / ".race" / "failures").glob("slow-1.10.0-late-*.json")
    assert replay == f"replay: race replay {kept.relative_to(tmp_path)}"
    assert confirmed(kept) == {"sim×real": (2, 2), "real×fake": (0, 2), "real×real": (0, 2)}
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert (numbers["schedule"], numbers["found_in"]) == ("slow.json", "sim×fake")
    assert (numbers["verdicts"], tmp_path / numbers["failure"]) == (["late"], kept)
    assert numbers["tried"]["sim×fake"]["reproduced"] == 2


@pytest.mark.usefixtures("ready", "plain")
@pytest.mark.slow
def test_one_that_the_fake_server_hides_gets_it_from_the_real_one(
    race: Race, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    elsewhere(sim_fake="reference", sim_real="reference:poll")
    done = race(*PLAIN, "--combination", "sim-real")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2] == (
        "late: found in sim×real (2 of 2); confirmed on the real server (sim×real 2 of 2); "
        "sim×fake 0 of 2"
    )
    (kept,) = (tmp_path / ".race" / "failures").glob("slow-1.10.0-late-*.json")
    assert confirmed(kept) == {"sim×fake": (0, 2), "sim×real": (2, 2)}


@pytest.mark.usefixtures("ready", "plain")
@pytest.mark.slow
def test_one_that_passes_everywhere_has_no_verdict_and_no_file(
    race: Race, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    lacking = ClientUnavailable("no server for 1.10.0: name another release")
    elsewhere(sim_fake="reference", sim_real="reference", real_fake="reference", real_real=lacking)
    done = race(*PLAIN, "--json", "n.json")
    assert done.returncode == 1
    assert lacking.args[0] in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "passes wherever it was tried (sim×fake 2 of 2, sim×real 2 of 2, real×fake 2 of 2): there "
        "is nothing to confirm"
    )
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert (numbers["failure"], numbers["found_in"], numbers["verdicts"]) == (None, None, [])
    assert not (tmp_path / ".race").exists()


@pytest.mark.usefixtures("ready")
def test_void_trials_are_no_pass(race: Race, elsewhere: Elsewhere, tmp_path: Path) -> None:
    """Without a conversation `run()` is never called."""
    (tmp_path / "slow.json").write_text(
        json.dumps(
            {
                "interleaving": {"seed": 1},
                "rest": [{"action": "status", "route": "any", "since": "start", "times": 50}],
            }
        )
    )
    elsewhere(sim_fake="reference", real_fake="reference")
    done = race(*PLAIN, "--combination", "real-fake")
    assert done.returncode == 1, done.stderr
    assert "not run: interleaving.seed: real threads cannot be told" in done.stdout
    assert done.stdout.splitlines()[-2] == "no verdict: no trial has any"
    assert "some trials are void, the first because: " in done.stdout.splitlines()[-1]


@pytest.mark.usefixtures("ready")
def test_the_schedule_of_a_failure_is_tried_on_its_client_as_if_nobody_knew(
    race: Race, elsewhere: Elsewhere, file: Path
) -> None:
    before = file.read_text()
    asked = elsewhere(sim_fake="reference")
    done = race("confirm", "--schedule", file, "--combination", "sim-fake", "--tries", 1)
    assert done.returncode == 1, done.stderr
    assert asked == ["sim_fake"]
    assert "passes wherever it was tried (sim×fake 1 of 1)" in done.stdout
    assert file.read_text() == before


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give FAILURE.json, or --schedule FILE"),
        (["f.json", "--schedule", "slow.json"], "give FAILURE.json or --schedule, not both"),
        (["--schedule", "slow.json"], "slow.json names no client: say which with --client"),
        (["f.json", "--client", "1.10.0"], "--client is for --schedule"),
        (["slow.json"], "slow.json has not been run: give it as --schedule, and --client CLIENT"),
        (["--schedule", "none.json", "--client", "1.10.0"], "cannot read none.json"),
        (
            ["--schedule", "slow.json", "--client", "1.10.0", "--combination", "sim-own"],
            "the client 1.10.0 has no server of its own",
        ),
    ],
)
def test_a_schedule_and_a_failure_are_two_things(
    race: Race, file: Path, arguments: list[str], says: str
) -> None:
    assert says in error_of(race("confirm", *arguments), 2)


# what a hunt finds


@pytest.fixture
def hunted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hunts for `1.10.0` look at an eager client that says to be that release of the SDK."""

    def find(
        argument: str, progress: Callable[[str], None], *, server: str, world: str
    ) -> ClientUnderTest:
        assert (argument, server, world) == ("1.10.0", "fake", "sim")
        return Sdk(argument, "1.10.0", find_client("reference", progress).python, "reference:deaf")

    monkeypatch.setattr("race_harness.cli.hunt.find_client", find)


class Sdk(ClientUnderTest):
    is_sdk = True  # type: ignore[assignment]


HUNT = ("hunt", "1.10.0", "--scenario", "cut-at-run", "--examples", 3, "--json", "n.json")


@pytest.mark.usefixtures("hunted", "ready")
@pytest.mark.parametrize(
    ("there", "line", "reproduced"),
    [
        ("reference:deaf", "confirmed on the real server (5 of 5)", 5),
        ("reference", "not reproduced on the real server (0 of 5)", 0),
        (ClientUnavailable("no server"), "not tried on the real server (no server)", 0),
        (WorldBroken("escaped\nstack"), "not tried on the real server (escaped)", 0),
    ],
)
def test_a_hunt_tries_what_it_finds_and_goes_on(
    race: Race,
    elsewhere: Elsewhere,
    tmp_path: Path,
    there: str | Exception,
    line: str,
    reproduced: int,
) -> None:
    asked = elsewhere(sim_real=there)
    done = race(*HUNT)
    assert done.returncode == 1, done.stderr
    assert asked == ["sim_real"]
    assert f"\n    {line}\n    race replay " in done.stdout
    # Its story tells it, too.
    assert f"fake server; {line}" in " ".join(done.stderr.split())
    (finding,) = json.loads((tmp_path / "n.json").read_text())["failures"]
    assert finding["confirmed"]["sim×real"]["reproduced"] == reproduced
    assert Failure.read(tmp_path / finding["path"]).confirmed.keys() == {"sim×real"}


@pytest.mark.usefixtures("hunted", "ready")
def test_a_hunt_tries_nothing_if_it_shall_not(
    race: Race, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    asked = elsewhere()
    done = race(*HUNT, "--no-confirm")
    assert done.returncode == 1
    assert asked == []
    assert "\n    not tried on the real server\n" in done.stdout
    (finding,) = json.loads((tmp_path / "n.json").read_text())["failures"]
    assert finding["confirmed"] == {}


# replaying elsewhere


@pytest.mark.usefixtures("ready")
def test_a_replay_elsewhere_compares_the_verdict_alone(
    race: Race, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []

    def find(
        argument: str, progress: Callable[[str], None], *, server: str, world: str
    ) -> ClientUnderTest:
        asked.append((argument, server, world))
        there = find_client("reference:eager", progress)
        # A client that cannot be told from the file's but for where it is.
        return Displaced(
            "1.10.0", "1.10.0", there.python, there.adapter, Combination(world, server)
        )

    monkeypatch.setattr("race_harness.campaign.replaying.find_client", find)
    replace(Failure.read(file), digest="0123").write(file)
    done = race("replay", file, "--server", "real")
    assert done.returncode == 0, done.stderr
    assert "the file is of sim×fake, this is sim×real: only the verdict can be" in done.stdout
    assert race("replay", file).returncode == 1
    assert asked == [("1.10.0", "real", "sim"), ("1.10.0", "fake", "sim")]


class Displaced(ClientUnderTest):
    def workers(self, jobs: int = 1) -> Workers:
        """In the simulation with the fake, wherever it says to be."""
        here = ClientUnderTest(self.argument, self.resolved_version, self.python, self.adapter)
        return here.workers(jobs)
