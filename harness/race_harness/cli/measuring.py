"""`race run` and `race compare`: clients measured on the same schedules."""

from pathlib import Path
from typing import Annotated, Final

import typer

from race_harness.campaign.comparison import Comparison
from race_harness.campaign.measure import measure
from race_harness.cli.console import (
    Jobs,
    JsonFile,
    Markdown,
    Reps,
    Scenario,
    ScheduleFile,
    Seed,
    Server,
    Strict,
    World,
    campaign_progress,
    check_outputs,
    errors,
    output,
    write_json,
)
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.cli.tables import comparison_markdown, comparison_table
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.story.timeline import short_story

DEFAULT_SCENARIO: Final = "final-events"


def run(
    client: Annotated[
        str, typer.Argument(help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].")
    ],
    scenario: Scenario = None,
    schedule: ScheduleFile = None,
    reps: Reps = 1_000,
    seed: Seed = 0,
    jobs: Jobs = None,
    server: Server = "fake",
    world: World = "sim",
    strict: Strict = False,
    json_file: JsonFile = None,
    markdown: Markdown = False,
    record: RecordFile = None,
) -> None:
    """Run a scenario against one client; exit status 0 only if every trial passed, else 1."""
    comparison = _measured(
        "run",
        [client],
        scenario,
        schedule,
        reps=reps,
        seed=seed,
        jobs=jobs,
        server=server,
        world=world,
        strict=strict,
        json_file=json_file,
        markdown=markdown,
        record=record,
    )
    summary = comparison.clients[0]
    if summary.first_failure is not None:
        path = Path(summary.first_failure)
        story = short_story(Failure.read(path), path)
        errors.print(story, markup=False, highlight=False, soft_wrap=True)
    if not summary.has_passed(strict=strict):
        raise typer.Exit(1)


def compare(
    clients: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIENT...",
            help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].",
        ),
    ],
    scenario: Scenario = None,
    schedule: ScheduleFile = None,
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
    _measured(
        "compare",
        clients,
        scenario,
        schedule,
        reps=reps,
        seed=seed,
        jobs=jobs,
        server=server,
        world=world,
        json_file=json_file,
        markdown=markdown,
        record=record,
    )


def _measured(
    command: str,
    clients: list[str],
    scenario: str | None,
    schedule: Path | None,
    *,
    reps: int,
    seed: int,
    jobs: int | None,
    server: str,
    world: str,
    strict: bool = False,
    json_file: Path | None,
    markdown: bool,
    record: Path | None,
) -> Comparison:
    """What both commands do: run, and print the table in the form that was asked for.

    Raises:
        UsageError: there is no such scenario or schedule, or the file cannot be written.
        ClientUnavailable, WorldBroken: as `measure`.
    """
    from race_harness.campaign.own_scenarios import find_scenario
    from race_harness.search import library

    check_outputs(json_file, markdown=markdown)
    if schedule is None:
        chosen = find_scenario(scenario or DEFAULT_SCENARIO)
    elif scenario is None:
        chosen = library.of_file(schedule)
    else:
        raise UsageError("--scenario and --schedule are two things to run: give one of them")
    plan = {"clients": clients, "scenario": chosen.name, "reps": reps, "seed": seed}
    with recorded(record, command, plan) as campaign, campaign_progress() as progress:
        comparison = measure(
            clients,
            chosen,
            reps=reps,
            seed=seed,
            jobs=jobs,
            server=server,
            world=world,
            strict=strict,
            record=campaign,
            progress=progress,
        )
    write_json(json_file, comparison.to_dict())
    if markdown:
        print(comparison_markdown(comparison), end="")
    elif str(json_file) != "-":
        output.print(comparison_table(comparison))
    return comparison
