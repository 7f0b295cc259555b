"""`race compare`: several clients on the same schedules."""

from typing import Annotated

import typer

from harness.cli.console import (
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
from harness.cli.measure import measure, report


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
) -> None:
    """Run the same schedules against several clients and compare their pass rates."""
    import scenarios

    check_outputs(json_file, markdown=markdown)
    comparison = measure(
        clients,
        scenarios.load(scenario),
        reps=reps,
        seed=seed,
        jobs=jobs,
        server=server,
        world=world,
    )
    report(comparison, json_file=json_file, markdown=markdown)
