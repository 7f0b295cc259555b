"""`race conform`: whether the fake server does what the real one of a release does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated

import typer

from race_harness.campaign.resolve import find_client
from race_harness.campaign.side_by_side import Compared, conform, drawn, summary
from race_harness.cli.console import (
    JsonFile,
    Seed,
    campaign_progress,
    check_writable,
    errors,
    output,
    write_json,
)
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.conformance.suite import CASES
from race_harness.model.combination import SIM_FAKE
from race_harness.model.errors import UsageError

SCHEMA = 1
SCENARIO = "conformance"


def conform_to(
    client: Annotated[
        str, typer.Argument(metavar="VERSION", help="A release, `latest`, PATH or PATH@REVISION.")
    ],
    schedules: Annotated[
        int,
        typer.Option(min=0, help=f"Drawn schedules, on top of {len(CASES)} that are always run."),
    ] = 120,
    seed: Seed = 0,
    json_file: JsonFile = None,
    record: RecordFile = None,
) -> None:
    """Run the same schedules on the fake and on the real server, and compare all they do and tell.

    Both in the simulation, with the client of that release. Exit status 0 if nothing differs on
    which a verdict could depend, else 1. docs/fidelity.md lists what may differ.
    """
    check_writable(json_file)
    plan = {"clients": [client], "schedules": schedules, "seed": seed}
    with recorded(record, "conform", plan) as campaign, campaign_progress() as progress:
        real = find_client(client, progress.step, server="real")
        if not real.is_sdk:
            raise UsageError(f"{client} has no agent server of its own: name an openhands-sdk")
        # The same environment, so that nothing but the server is another.
        fake = replace(real, combination=SIM_FAKE)
        compared: list[Compared] = []
        with (
            progress.bar(f"{real.resolved_version} conform", len(CASES) + schedules) as bar,
            fake.workers() as on_fake,
            real.workers() as on_real,
        ):
            on_fake.wait_ready()
            on_real.wait_ready()
            series = (
                campaign.series(
                    fake.series(on_fake.server_version, SCENARIO, seed=seed, drawn=False)
                ),
                campaign.series(
                    real.series(on_real.server_version, SCENARIO, seed=seed, drawn=False)
                ),
            )
            bar.begin()
            named = [*CASES.items(), *drawn(seed, schedules)]
            for each in conform(named, on_fake, on_real, series=series):
                compared.append(each)
                bar.advance(passed=not each.matter)
    numbers = summary(compared)
    write_json(
        json_file,
        {
            "schema": SCHEMA,
            "client": client,
            "resolved_version": real.resolved_version,
            "server_version": on_real.server_version,
            "seed": seed,
            **numbers,
            "compared": [asdict(each) for each in compared],
        },
    )
    if str(json_file) != "-":
        output.print(
            f"agent server {on_real.server_version}, {numbers['schedules']} schedules: verdicts "
            f"alike in {numbers['same_verdicts']}, everything at the same instant in "
            f"{numbers['same_instants']}, and in the same order in {numbers['same_order']}",
            highlight=False,
        )
        _tell(compared)
    if numbers["that_matter"]:
        raise typer.Exit(1)


def _tell(compared: Sequence[Compared]) -> None:
    for each in compared:
        for difference in each.matter:
            text = f"  {each.name}: {difference.says}\n    {difference.reason}"
            output.print(text, highlight=False, markup=False)
    allowed = Counter(
        difference.reason
        for each in compared
        for difference in each.differences
        if not difference.could_matter
    )
    for reason, times in allowed.most_common():
        errors.print(
            f"  allowed, {times} times: {reason}", style="dim", highlight=False, markup=False
        )
