"""The fake and the real server of the environment that the tests run in, side by side."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from race_harness.campaign.resolve import find_client
from race_harness.campaign.side_by_side import conform
from race_harness.conformance.compare import compare
from race_harness.conformance.labels import delivered, labels_of, recorded
from race_harness.conformance.legal import breaches
from race_harness.conformance.suite import CASES
from race_harness.model.combination import SIM_FAKE
from race_harness.server.profile import Profile
from race_harness.workers.pool import Workers

CHOSEN = (
    "benign",
    "failing tool calls at once",
    "streamed answer",
    "statistics",
    "LLM error",
    "stop hook",
    "message before what waits for confirmation",
    "slow appends",
    "one late publication",
    "socket closed in a run",
    "run never answered",
    "interrupt while the agent starts",
    "two run() at once",
)


class Pair(NamedTuple):
    fake: Workers
    real: Workers
    version: str


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    client = find_client("installed", pytest.fail, server="real")
    with replace(client, combination=SIM_FAKE).workers() as fake, client.workers() as real:
        fake.wait_ready()
        real.wait_ready()
        yield Pair(fake, real, real.server_version)


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.slow
def test_the_fake_does_what_the_real_server_does(pair: Pair, name: str) -> None:
    (compared,) = conform([(name, CASES[name])], pair.fake, pair.real)
    assert compared.fake == compared.real
    assert [difference.says for difference in compared.matter] == []


@pytest.mark.slow
def test_many_at_once_are_compared_as_one_by_one(pair: Pair) -> None:
    named = [(name, CASES[name]) for name in CHOSEN[:5]]
    client = find_client("installed", pytest.fail, server="real")
    with replace(client, combination=SIM_FAKE).workers(2) as fake, client.workers(2) as real:
        fake.wait_ready()
        real.wait_ready()
        several = [*conform(named, fake, real, at_once=4)]
    assert several == [*conform(named, pair.fake, pair.real)]


@pytest.mark.slow
def test_the_same_schedule_gives_the_same_digest_on_the_real_server(pair: Pair) -> None:
    first, second = (pair.real.run_whole(CASES["two run() at once"])[0] for _ in range(2))
    assert first.digest == second.digest


@pytest.mark.slow
def test_a_fake_that_is_wrong_is_told(pair: Pair) -> None:
    """Played for another release, the order of the real server is a breach, and a lost event
    a difference."""
    _, whole = pair.real.run_whole(CASES["benign"])
    real = labels_of(delivered(recorded(whole.happenings)))
    profile = Profile.of(pair.version)
    assert not breaches(real, profile)
    early = [label for label in real if label.of != "ActionEvent(finish)"]
    says = [each.says for each in compare(early, real, profile) if each.could_matter]
    assert "only the real one: persisted ActionEvent(finish)" in says[0]
    # What the fake of an older release does.
    old = list(real)
    finish = next(
        n for n, label in enumerate(old) if str(label) == "persisted ActionEvent(finish)"
    )
    frame = next(n for n, label in enumerate(old) if str(label) == "frame ActionEvent(finish)")
    old.insert(finish, old.pop(frame))
    says = [each.says for each in compare(old, real, profile) if each.could_matter]
    assert any(text.startswith("the fake one breaks a rule: frames and appends") for text in says)
