"""`race soak`: thousands of trials over many scenarios and clients, against a baseline."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, Final

import typer

from race_harness.campaign.baseline import find_baseline, measure
from race_harness.campaign.elsewhere import Confirmer
from race_harness.campaign.under_test import ClientUnderTest, find_client
from race_harness.cli.console import (
    Confirm,
    Jobs,
    JsonFile,
    Markdown,
    Seed,
    Server,
    World,
    check_outputs,
    jobs_in,
    output,
    write_json,
)
from race_harness.cli.hunt import parse_time, try_on_real_server
from race_harness.cli.recording import RecordFile, ending, open_store
from race_harness.cli.soak_progress import SoakProgress, soak_bars
from race_harness.cli.soak_tables import soak_markdown, soak_table
from race_harness.model.errors import UsageError
from race_harness.model.scenario import Scenario
from race_harness.model.verdict import TrialResult
from race_harness.soak.bench import Bench
from race_harness.soak.cluster import DaskBench
from race_harness.soak.kept import confirm_all, ranked
from race_harness.soak.local import LocalBench
from race_harness.soak.plan import Plan, PlannedClient, Shard, sequential_test
from race_harness.soak.results import summarise
from race_harness.soak.resume import find_unfinished
from race_harness.soak.speeds import Speeds, begin
from race_harness.soak.work import Soak
from race_harness.store.campaigns import SOAK
from race_harness.store.samples import samples
from race_harness.store.series import Key, SeriesRecord
from race_harness.store.store import FINISHED, CampaignRecord
from race_harness.story.reproduced import confirmed_line

FAILED: Final = 1
REGRESSED: Final = 5

OUT_OF_TIME: Final = "out of time"


def soak(
    clients: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CLIENT...]",
            help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME]. [default: latest]",
            show_default=False,
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="Only this scenario; may be given again. [default: all]"),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How long to run trials, such as 60s, 5m or 2h; a scenario that has been decided "
            "makes room for the others.",
        ),
    ] = None,
    reps: Annotated[
        int | None, typer.Option(min=1, help="Repetitions for each scenario and client.")
    ] = None,
    decide: Annotated[
        bool,
        typer.Option(
            "--decide",
            help="Stop a scenario as soon as a sequential test has decided whether it passes.",
        ),
    ] = False,
    jobs: Jobs = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the last soak of this kind that was killed, interrupted or out of "
            "time.",
        ),
    ] = False,
    seed: Seed = 0,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|CAMPAIGN",
            help="Compare with the last soak of another record, or with a campaign of this one, "
            "by name or id.",
        ),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="RATE",
            help="The least pass rate that is no failure, from 0 to 1. [default: 1]",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Run this part of N, to be put together by `race merge`."
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run trials on the Dask cluster of this scheduler, such as tcp://10.0.0.1:8786.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="A name for the campaign; parts with the same one belong together."),
    ] = None,
    server: Server = "fake",
    world: World = "sim",
    confirm: Confirm = True,
    json_file: JsonFile = None,
    markdown: Markdown = False,
    record: RecordFile = None,
) -> None:
    """Run many trials over all scenarios, for a time or a number, and compare with a baseline.

    Exit status 0 when nothing failed or regressed, 5 when something regressed against the
    baseline, 1 when something failed.
    """
    from race_harness.search import library

    check_outputs(json_file, markdown=markdown)
    if budget is None and reps is None and not decide:
        raise UsageError("say how much: --for 2h, --reps 10000, or --decide")
    seconds = parse_time(budget) if budget is not None else None
    names = scenario or library.names()
    chosen = {one: library.load(one) for one in names}
    part = Shard.parse(shard) if shard is not None else None
    if dask is not None and jobs is not None:
        raise UsageError(
            "--jobs is for this machine: a Dask cluster has its own number of threads"
        )
    with soak_bars() as (bars, progress), open_store(record) as store:
        found = [
            find_client(argument, progress.step, server=server, world=world)
            for argument in clients or ["latest"]
        ]
        plan = Plan(
            clients=tuple(PlannedClient(one.anywhere, one.resolved_version) for one in found),
            scenarios=tuple(chosen),
            seed=seed,
            reps=reps,
            test=sequential_test(fail_under) if decide or seconds is not None else None,
            world=world,
            server=server,
            shard=part,
        )
        # Parts know their campaign, and go on with it wherever they find it.
        identity = plan.identity(name)
        if resume and identity is None:
            identity = find_unfinished(store, plan, name)
        against = find_baseline(baseline, store, identity) if baseline is not None else None
        campaign = store.campaign(SOAK, plan.to_dict(), name=name, identity=identity)
        speeds = Speeds()
        with ending(campaign, lambda: FINISHED if work.is_done else OUT_OF_TIME):
            here = jobs_in(world, jobs)
            with _bench(found, chosen, here, dask, server) as bench:
                records = begin(campaign, plan, found, bench)
                shown = SoakProgress(
                    bars,
                    plan,
                    {key: len(one) for key, one in records.items()},
                    seconds=seconds,
                    say=progress.step,
                )

                def ended(key: Key, result: TrialResult) -> None:
                    speeds.ended(key)
                    shown.result(key, result)
                    shown.tell(work.decided)

                until = math.inf if seconds is None else time.monotonic() + seconds
                work = Soak(plan, records, until=until, on_result=ended)
                _told_of_interruption(bench, work, progress.step)
                shown.end(work.decided)
            if confirm:
                _confirm(found, records, campaign, progress.step)
        summary = summarise(
            campaign.id,
            plan,
            store,
            records,
            decisions=work.decisions,
            speeds=speeds.of,
            known=_known(found, chosen),
            measured=measure(samples(store, campaign.id), against) if against else None,
        )
        kept = ranked(records, confirmed_line)
    write_json(json_file, summary.to_dict())
    if markdown:
        print(soak_markdown(summary, kept), end="")
    elif str(json_file) != "-":
        output.print(soak_table(summary, kept))
    if summary.has_regressed:
        raise typer.Exit(REGRESSED)
    if summary.has_failed(fail_under):
        raise typer.Exit(FAILED)


def _bench(
    clients: Sequence[ClientUnderTest],
    scenarios: Mapping[str, Scenario],
    jobs: int,
    dask: str | None,
    server: str,
) -> AbstractContextManager[Bench]:
    if dask is not None:
        return DaskBench(dask, clients, scenarios, server)
    return LocalBench(clients, scenarios, jobs)


def _told_of_interruption(bench: Bench, work: Soak, say: Callable[[str], None]) -> None:
    try:
        bench.run(work)
    except KeyboardInterrupt:
        say("interrupted: every trial that has ended is recorded; --resume goes on")
        raise


def _confirm(
    clients: Sequence[ClientUnderTest],
    records: Mapping[Key, SeriesRecord],
    campaign: CampaignRecord,
    say: Callable[[str], None],
) -> None:
    wanted = [
        key
        for key in records
        if clients[key.position].is_sdk and clients[key.position].server != "real"
    ]
    with Confirmer(say, record=campaign) as confirmer:
        confirm_all(records, wanted, partial(try_on_real_server, confirmer))


def _known(
    clients: Sequence[ClientUnderTest], scenarios: Mapping[str, Scenario]
) -> frozenset[Key]:
    """Where a release of openhands-sdk is known to fail."""
    return frozenset(
        Key(name, position)
        for name, scenario in scenarios.items()
        for position, client in enumerate(clients)
        if client.is_sdk and scenario.known_to_fail(client.resolved_version)
    )
