"""Measures clients on the same schedules."""

from collections.abc import Callable, Sequence
from pathlib import Path

from race_harness.campaign.campaign import Campaign, examine, keep, run_campaign
from race_harness.campaign.comparison import Comparison, compare
from race_harness.campaign.drawn import DrawnSchedules
from race_harness.campaign.progress import Progress
from race_harness.campaign.resolve import find_client
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario
from race_harness.model.verdict import TrialResult
from race_harness.search.minimal import minimal_schedule
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import jobs_in


def measure(
    clients: Sequence[str],
    scenario: Scenario,
    *,
    reps: int,
    seed: int,
    jobs: int | None = None,
    server: str = "fake",
    world: str = "sim",
    strict: bool = False,
    record: CampaignRecord,
    progress: Progress,
) -> Comparison:
    """Run the scenario's schedules against each client; `server` and `world` are as `find_client`
    takes them. Every trial is recorded as it ends. `strict`: everything but `ok` is a failure.

    All clients are found before the first trial, so that a missing one costs no trials.

    Raises:
        ClientUnavailable: one of the clients is not available.
        WorldBroken: a trial escaped the simulation.
    """
    found = [
        find_client(argument, progress.step, server=server, world=world) for argument in clients
    ]
    schedules = DrawnSchedules(scenario, seed, reps)
    campaigns: list[Campaign] = []
    for position, client in enumerate(found):
        with (
            progress.bar(f"{client.resolved_version:>10} {scenario.name}", reps) as bar,
            client.workers(min(jobs_in(world, jobs), reps)) as workers,
        ):
            workers.wait_ready()
            series = client.series(
                workers.server_version,
                scenario.name,
                seed=seed,
                position=position,
                drawn=scenario.given is None,
                reps=reps,
            )
            bar.begin()

            def ended(result: TrialResult, advance: Callable[..., None] = bar.advance) -> None:
                advance(passed=result.passes(strict=strict))

            campaign = run_campaign(
                client,
                schedules,
                workers,
                on_result=ended,
                series=record.series(series),
                keeps_schedules=not scenario.is_in_every_record,
                strict=strict,
            )
        campaigns.append(campaign)
        reasons = [result.void.says for result in campaign.results if result.void is not None]
        if reasons:
            count = f"{len(reasons)} of {len(campaign.results)}"
            progress.step(f"{count} repetitions are void, the first because: {reasons[0]}")
    return compare(
        scenario.name,
        seed,
        [(campaign.summary, campaign.results) for campaign in campaigns],
        world=world,
        server=" and ".join(dict.fromkeys(client.server for client in found)),
    )


def smallest_failure(
    argument: str,
    scenario: Scenario,
    seed: int,
    is_wanted: Callable[[Failure], bool],
    *,
    record: CampaignRecord,
    progress: Progress,
) -> tuple[Failure, Path]:
    """The failure on the smallest schedule of a scenario on which a client fails as `is_wanted`
    says, and its file.

    Raises:
        AssertionError: there is none.
        ClientUnavailable: the client is not available.
        WorldBroken: a trial escaped the simulation.
    """
    client = find_client(argument, progress.step)
    with (
        progress.bar(f"{client.resolved_version:>10} shrinking", 0) as bar,
        client.workers() as workers,
    ):
        workers.wait_ready()
        series = record.series(
            client.series(workers.server_version, scenario.name, seed=seed, drawn=False)
        )
        bar.begin()
        schedule = minimal_schedule(
            scenario,
            seed,
            lambda candidate: is_wanted(examine(client, workers, candidate, series)),
        )
        assert schedule is not None, "no schedule fails in that way"
        failure = examine(client, workers, schedule, series)
    return failure, keep(failure, series=series)
