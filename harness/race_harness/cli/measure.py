"""What `run`, `compare` and `demo` have in common: clients measured on the same schedules."""

from collections.abc import Sequence
from pathlib import Path

from race_harness.campaign.campaign import Campaign, run_campaign
from race_harness.campaign.comparison import Comparison
from race_harness.campaign.comparison import compare as summarise_all
from race_harness.campaign.under_test import find_client
from race_harness.cli.console import campaign_progress, jobs_in, output, write_json
from race_harness.cli.tables import comparison_markdown, comparison_table
from race_harness.model.scenario import Scenario
from race_harness.search.draw import draw_schedules
from race_harness.store.store import CampaignRecord


def measure(
    clients: Sequence[str],
    scenario: Scenario,
    *,
    reps: int,
    seed: int,
    jobs: int | None = None,
    server: str = "fake",
    world: str = "sim",
    record: CampaignRecord,
) -> Comparison:
    """Run the scenario's schedules against each client; `server` and `world` as `find_client`
    takes them. Every trial is recorded as it ends.

    Every client is found before the first trial runs: a client that cannot be had costs nothing.

    Raises:
        ClientUnavailable: one of the clients cannot be had.
        WorldBroken: a trial escaped the simulation.
    """
    with campaign_progress() as progress:
        found = [
            find_client(argument, progress.step, server=server, world=world)
            for argument in clients
        ]
        schedules = list(draw_schedules(scenario, seed, reps))
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
                    drawn=True,
                    reps=reps,
                )
                bar.begin()
                campaign = run_campaign(
                    client,
                    schedules,
                    workers,
                    on_result=bar.result,
                    series=record.series(series),
                )
            campaigns.append(campaign)
            reasons = [result.void.says for result in campaign.results if result.void is not None]
            if reasons:
                progress.step(
                    f"{len(reasons)} repetitions are void, the first because: {reasons[0]}"
                )
    return summarise_all(
        scenario.name,
        seed,
        [(campaign.summary, campaign.results) for campaign in campaigns],
        world=world,
        server=" and ".join(dict.fromkeys(client.server for client in found)),
    )


def report(comparison: Comparison, *, json_file: Path | None, markdown: bool) -> None:
    """Write the numbers and print the table, in the form that was asked for.

    Raises:
        UsageError: the file cannot be written.
    """
    write_json(json_file, comparison.to_dict())
    if markdown:
        print(comparison_markdown(comparison), end="")
    elif str(json_file) != "-":
        output.print(comparison_table(comparison))
