"""`race conform`: whether the fake server does what the real one of a release does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from race_harness.campaign.side_by_side import Compared, conform_client, summary
from race_harness.cli.console import (
    Jobs,
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
from race_harness.model.asked import MOST_TRIES

SCHEMA = 1


def conform_to(
    client: Annotated[
        str, typer.Argument(metavar="VERSION", help="A release, `latest`, PATH or PATH@REVISION.")
    ],
    schedules: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_TRIES,
            help=f"Drawn schedules, on top of {len(CASES)} that are always run.",
        ),
    ] = 120,
    seed: Seed = 0,
    jobs: Jobs = None,
    json_file: JsonFile = None,
    record: RecordFile = None,
) -> None:
    """Run the same schedules on the fake and on the real server, and compare all that they do.

    Both run in the simulation, with the client of that release. Exit status 0 if they differ in
    nothing that a verdict could depend on, else 1. docs/explanation/fidelity.md lists what may
    differ.
    """
    check_writable(json_file)
    plan = {"clients": [client], "schedules": schedules, "seed": seed}
    with recorded(record, "conform", plan) as campaign, campaign_progress() as progress:
        done = conform_client(
            client,
            seed=seed,
            schedules=schedules,
            jobs=jobs,
            record=campaign,
            progress=progress,
        )
    compared = done.compared
    numbers = summary(compared)
    write_json(
        json_file,
        {
            "schema": SCHEMA,
            "client": client,
            "resolved_version": done.resolved_version,
            "server_version": done.server_version,
            "seed": seed,
            **numbers,
            "compared": [asdict(each) for each in compared],
        },
    )
    if str(json_file) != "-":
        output.print(
            f"agent server {done.server_version}, {numbers['schedules']} schedules: verdicts "
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
