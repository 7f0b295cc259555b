"""`race run`: one client; the exit status tells whether every trial passed."""

from pathlib import Path
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
    errors,
)
from race_harness.cli.measure import measure, report
from race_harness.cli.recording import RecordFile, recorded
from race_harness.model.failure import Failure
from race_harness.story.timeline import short_story


def run(
    client: Annotated[
        str, typer.Argument(help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].")
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
    """Run a scenario against one client; exit status 0 only if every trial passed, else 1."""
    from race_harness.search import library

    check_outputs(json_file, markdown=markdown)
    chosen = library.load(scenario)
    plan = {"clients": [client], "scenario": scenario, "reps": reps, "seed": seed}
    with recorded(record, "run", plan) as campaign:
        comparison = measure(
            [client],
            chosen,
            reps=reps,
            seed=seed,
            jobs=jobs,
            server=server,
            world=world,
            record=campaign,
        )
    report(comparison, json_file=json_file, markdown=markdown)
    summary = comparison.clients[0]
    if summary.first_failure is not None:
        path = Path(summary.first_failure)
        story = short_story(Failure.read(path), path)
        errors.print(story, markup=False, highlight=False, soft_wrap=True)
    if summary.passed < summary.reps:
        raise typer.Exit(1)
