"""A whole soak: its plan, its campaign in the record, its trials and their results."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from race_harness.campaign.baseline import find_baseline, measure
from race_harness.campaign.elsewhere import Confirmer, try_on_real_server
from race_harness.campaign.resolve import ClientUnderTest, find_client, find_tests, recorded
from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.model.source_line import SourceLine
from race_harness.model.verdict import TrialResult
from race_harness.search.for_tests import scenario_of
from race_harness.soak.bench import Bench
from race_harness.soak.cluster import ClusterTls, DaskBench
from race_harness.soak.kept import Kept, confirm_all, ranked
from race_harness.soak.local import LocalBench
from race_harness.soak.plan import Plan, PlannedClient, Shard
from race_harness.soak.results import SoakSummary, summarise
from race_harness.soak.resume import find_unfinished
from race_harness.soak.speeds import Speeds, begin
from race_harness.soak.work import Soak
from race_harness.statistics.sequential import SequentialTest
from race_harness.store.campaigns import SOAK
from race_harness.store.recording import ending
from race_harness.store.samples import samples
from race_harness.store.series import Key, SeriesRecord
from race_harness.store.store import FINISHED, CampaignRecord, Store
from race_harness.story.reproduced import confirmed_line
from race_harness.workers.selection import Selection

OUT_OF_TIME: Final = "out of time"


@dataclass(frozen=True)
class Asked:
    """What the user asks of a soak; `Plan` explains the fields that both have."""

    clients: tuple[str, ...]
    """As typed."""
    scenarios: Mapping[str, Scenario]
    seed: int
    reps: int | None
    seconds: float | None
    """Wall seconds that it may take; None: as long as it needs."""
    test: SequentialTest | None
    shard: Shard | None
    world: str
    server: str
    name: str | None
    """The campaign's name."""
    resume: bool
    """Whether to continue the last soak of the same plan."""
    baseline: str | None
    """As `find_baseline` takes it."""
    confirm: bool
    """Whether failures are tried on the real server."""
    jobs: int
    """Trials at once, on this machine."""
    dask: str | None
    """The scheduler of a cluster on which they run instead."""
    dask_tls: ClusterTls | None = None
    tests: "TestsOfSoak | None" = None
    """The user's own tests; then there are no scenarios."""


@dataclass(frozen=True)
class TestsOfSoak:
    selection: Selection
    requirements: tuple[str, ...]
    """What the clients' environments hold as well."""
    families: tuple[str, ...]
    """Families of faults."""
    stalls: bool
    """Whether to stall threads at lines, too."""
    found_at: Callable[[Sequence[SourceLine]], None] | None = None
    """Called with the places of the tests' lines."""


class Shown(Protocol):
    """Shows the progress of a soak."""

    def result(self, key: Key, result: TrialResult) -> None:
        """A trial of this series has ended."""

    def tell(self, decided: int) -> None:
        """That many series are decided."""

    def end(self, decided: int) -> None:
        """No more trials will come."""


def run_soak(
    asked: Asked,
    store: Store,
    show: Callable[[Plan, Mapping[Key, int]], Shown],
    say: Callable[[str], None],
) -> tuple[SoakSummary, list[Kept]]:
    """Run the soak; return its summary and the kept failures.

    `show` gets the plan, and how many trials each series has already.

    Raises:
        ClientUnavailable: one of the clients is not available.
        UsageError: there is nothing to resume, no such baseline or cluster, or the record cannot
            be written; a baseline for a single schedule.
        WorldBroken: a trial left its world.
    """
    given = next((one.given for one in asked.scenarios.values() if one.given is not None), None)
    if given is not None and asked.baseline is not None:
        raise UsageError("--baseline compares scenarios: a single schedule has none")
    found = [_find(argument, asked, say) for argument in asked.clients]
    scenarios = asked.scenarios
    if asked.tests is not None:
        scenarios = _of_tests(asked.tests, found[0])
    plan = Plan(
        clients=tuple(PlannedClient(one.anywhere, one.resolved_version) for one in found),
        scenarios=tuple(scenarios),
        seed=asked.seed,
        reps=asked.reps,
        test=asked.test,
        world=asked.world,
        server=asked.server,
        schedule=given,
        sources={name: one.source for name, one in scenarios.items() if one.source is not None},
        shard=asked.shard,
    )
    # A part knows its campaign, and continues it wherever it finds it.
    identity = plan.identity(asked.name)
    if asked.resume and identity is None:
        identity = find_unfinished(store, plan, asked.name)
    against = None
    if asked.baseline is not None:
        against = find_baseline(asked.baseline, store, identity)
    campaign = store.campaign(SOAK, plan.to_dict(), name=asked.name, identity=identity)
    speeds = Speeds()
    with ending(campaign, lambda: FINISHED if work.is_done else OUT_OF_TIME):
        with _bench(asked, scenarios, found, given) as bench:
            records = begin(campaign, plan, found, bench)
            shown = show(plan, {key: len(one) for key, one in records.items()})

            def ended(key: Key, result: TrialResult) -> None:
                speeds.ended(key)
                shown.result(key, result)
                shown.tell(work.decided)

            until = math.inf if asked.seconds is None else time.monotonic() + asked.seconds
            work = Soak(plan, records, until=until, on_result=ended)
            try:
                bench.run(work)
            except KeyboardInterrupt:
                say("interrupted: every trial that has ended is recorded; --resume goes on")
                raise
            shown.end(work.decided)
        if asked.confirm:
            _confirm(found, records, campaign, say)
    summary = summarise(
        campaign.id,
        plan,
        store,
        records,
        decisions=work.decisions,
        speeds=speeds.of,
        known=_known(found, scenarios),
        measured=measure(samples(store, campaign.id), against) if against else None,
    )
    return summary, ranked(records, confirmed_line)


def _find(argument: str, asked: Asked, say: Callable[[str], None]) -> ClientUnderTest:
    if asked.tests is not None:
        return find_tests(argument, asked.tests.selection, asked.tests.requirements, say)
    return find_client(argument, say, server=asked.server, world=asked.world)


def _of_tests(tests: TestsOfSoak, client: ClientUnderTest) -> dict[str, Scenario]:
    """The portfolio of each test, with the lines that it has with this client.

    Their source is all that decides the schedules: another source makes it another soak.
    """
    with client.workers() as workers:
        workers.wait_ready()
        lines = workers.source_lines() if tests.stalls else ()
        if tests.found_at is not None:
            tests.found_at(workers.source_places())
        decides = json.dumps([tests.selection.to_adapter(), tests.families, lines])
        source = hashlib.sha256(decides.encode()).hexdigest()
        return {
            test: replace(scenario_of(test, lines, tests.families), source=source)
            for test in workers.tests
        }


def _bench(
    asked: Asked,
    scenarios: Mapping[str, Scenario],
    clients: Sequence[ClientUnderTest],
    given: Schedule | None,
) -> AbstractContextManager[Bench]:
    if asked.dask is not None:
        return DaskBench(asked.dask, clients, asked.server, given, asked.dask_tls)
    return LocalBench(clients, scenarios, asked.jobs)


def _confirm(
    clients: Sequence[ClientUnderTest],
    records: Mapping[Key, SeriesRecord],
    campaign: CampaignRecord,
    say: Callable[[str], None],
) -> None:
    wanted = [key for key in records if clients[key.position].is_confirmed_beside_real]
    by_argument = {client.anywhere: client for client in clients}

    def client_of(failure: Failure, combination: Combination) -> tuple[str, str]:
        """The client as given on the command line: the record may come from another user."""
        client = by_argument.get(failure.client)
        if client is None:
            raise UsageError(f"the record has a failure of {failure.client}, which is not soaked")
        its = replace(failure, resolved_version=client.resolved_version)
        return recorded(its, combination)

    with Confirmer(say, record=campaign, client_of=client_of) as confirmer:
        confirm_all(records, wanted, partial(try_on_real_server, confirmer))


def _known(
    clients: Sequence[ClientUnderTest], scenarios: Mapping[str, Scenario]
) -> frozenset[Key]:
    """The series in which a release of openhands-sdk is known to fail."""
    return frozenset(
        Key(name, position)
        for name, scenario in scenarios.items()
        for position, client in enumerate(clients)
        if client.is_sdk and scenario.known_to_fail(client.resolved_version)
    )
