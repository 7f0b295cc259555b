"""`race compare`: several clients on the same schedules."""

from typing import Annotated

import typer

from race_harness.cli.console import (
    Jobs,
    JsonFile,
    Markdown,
    Reps,
    Scenario,
    Seed,
    Server,
    World,
    check_outputs,
)
from race_harness.cli.measure import measure, report
from race_harness.cli.recording import RecordFile, recorded


def compare(
    clients: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIENT...",
            help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].",
        ),
    ],
    scenario: Scenario = "final-events",
    reps: Reps = 1_000,
    seed: Seed = 0,
    jobs: Jobs = None,
    server: Server = "fake",
    world: World = "sim",
    json_file: JsonFile = None,
    markdown: Markdown = False,
    record: RecordFile = None,
) -> None:
    """Run the same schedules against several clients and compare their pass rates."""
    from race_harness.search import library

    check_outputs(json_file, markdown=markdown)
    chosen = library.load(scenario)
    plan = {"clients": clients, "scenario": scenario, "reps": reps, "seed": seed}
    with recorded(record, "compare", plan) as campaign:
        comparison = measure(
            clients,
            chosen,
            reps=reps,
            seed=seed,
            jobs=jobs,
            server=server,
            world=world,
            record=campaign,
        )
    report(comparison, json_file=json_file, markdown=markdown)
