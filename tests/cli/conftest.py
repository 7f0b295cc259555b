"""What the tests of commands share."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cli_rig import Pools, Race, call, call_process

from race_harness.campaign.campaign import examine
from race_harness.campaign.resolve import find_client
from race_harness.model.failure import Failure
from race_harness.model.schedule import Link, Network, Schedule, ServerTiming
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.workers.pool import Workers


@pytest.fixture
def race(tmp_path: Path) -> Race:
    """Calls `race` in an empty folder, within this process."""
    return partial(call, tmp_path)


@pytest.fixture
def race_process(tmp_path: Path) -> Race:
    """The same in a process of its own."""
    return partial(call_process, tmp_path)


@pytest.fixture(scope="session")
def pools(workers: Callable[[str], Workers]) -> Iterator[Pools]:
    with Pools(workers) as pools:
        yield pools


@pytest.fixture
def ready(pools: Pools) -> Iterator[None]:
    """Commands that run within this process are lent workers that are there already."""
    with pools.lending():
        yield


@pytest.fixture(scope="session")
def early(workers: Callable[[str], Workers]) -> Failure:
    """A failure of the client that returns too early."""
    name = "reference:eager"
    (schedule,) = draw_schedules(library.load("final-events"), 0, 1)
    failure = examine(find_client(name, pytest.fail), workers(name), schedule)
    assert failure.judgement.headline == "early"
    return failure


@pytest.fixture(scope="session")
def late(workers: Callable[[str], Workers]) -> Failure:
    """A failure of the client that trusts a poll."""
    name = "reference:poll"
    schedule = Schedule(
        "final-events", server=ServerTiming(publish_ms=400.0), network=Network(socket=Link(90.0))
    )
    failure = examine(find_client(name, pytest.fail), workers(name), schedule)
    assert failure.judgement.verdicts == ("late",)
    return failure
