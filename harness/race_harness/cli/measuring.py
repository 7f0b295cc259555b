"""`race run` and `race compare`: clients measured on the same schedules."""

from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from race_harness.campaign.comparison import Comparison
from race_harness.campaign.measure import measure
from race_harness.campaign.own_tests import TestsAsked
from race_harness.campaign.sweeping import sweep_scenario
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
from race_harness.cli.sweeps import MOST_PAIRS, Pairs, Sweep, SweepOutputs, how_asked, swept
from race_harness.cli.tables import comparison_markdown, comparison_table
from race_harness.cli.tests import (
    ChildProcesses,
    Faults,
    GradeLimit,
    Source,
    check_grade,
    raise_if_failed,
    raise_if_lost,
    schedule_of,
    tests_measured,
)
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario as ScenarioToRun
from race_harness.story.timeline import short_story
from race_harness.workers.selection import Selection

TestPaths = Annotated[
    list[str] | None,
    typer.Option(
        "--test",
        metavar="PATH::NAME",
        help="A pytest test of your own in place of a scenario; may be given several times.",
    ),
]
Requirements = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="REQUIREMENT",
        help="Of --test: what the client's environment holds besides its own packages and pytest.",
    ),
]

DEFAULT_SCENARIO: Final = "final-events"


def run(
    client: Annotated[
        str, typer.Argument(help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].")
    ],
    scenario: Scenario = None,
    test: TestPaths = None,
    with_: Requirements = None,
    faults: Faults = "",
    source: Source = None,
    child_processes: ChildProcesses = False,
    grade: GradeLimit = "fault",
    schedule: ScheduleFile = None,
    sweep: Sweep = None,
    pairs: Pairs = MOST_PAIRS,
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
    """Run a scenario, or tests of your own, against one client.

    Exit status 0 only if every trial passed, else 1.
    """
    if test:
        check_grade(grade)
        asked = _tests(
            *([client], test, with_, faults, source),
            child_processes=child_processes,
            others=(scenario, server, world),
            schedule=schedule,
            reps=reps,
            seed=seed,
            jobs=jobs,
        )
        if sweep:
            outputs = SweepOutputs("run", {"clients": [client]}, json_file, record, markdown)
            raise_if_lost(asked, how_asked(sweep, pairs), outputs, grade)
            return
        measured = tests_measured("run", asked, json_file, markdown=markdown, record=record)
        raise_if_failed(measured, grade)
        return
    if sweep:
        if world != "sim":
            raise UsageError("nobody stops a real thread at a line: leave out --world, or --sweep")
        chosen, how = _scenario(scenario, schedule), how_asked(sweep, pairs)
        plan = {"clients": [client], "scenario": chosen.name}
        outputs = SweepOutputs("run", plan, json_file, record, markdown)
        run_it = partial(sweep_scenario, client, chosen, how, seed=seed, jobs=jobs, server=server)
        if swept(how, outputs, lambda to, told: [run_it(record=to, progress=told)]):
            raise typer.Exit(1)
        return
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
    test: TestPaths = None,
    with_: Requirements = None,
    faults: Faults = "",
    source: Source = None,
    child_processes: ChildProcesses = False,
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
    if test:
        asked = _tests(
            *(clients, test, with_, faults, source),
            child_processes=child_processes,
            others=(scenario, server, world),
            schedule=schedule,
            reps=reps,
            seed=seed,
            jobs=jobs,
        )
        tests_measured("compare", asked, json_file, markdown=markdown, record=record)
        return
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


def _tests(
    clients: list[str],
    test: list[str],
    requirements: list[str] | None,
    faults: str,
    source: list[str] | None,
    *,
    child_processes: bool,
    others: tuple[str | None, str, str],
    schedule: Path | None,
    reps: int,
    seed: int,
    jobs: int | None,
) -> TestsAsked:
    """Raises UsageError: an option was given that is about scenarios alone."""
    if others != (None, "fake", "sim"):
        raise UsageError(
            "a test brings its own server, and runs in the simulation: leave out --scenario, "
            "--server and --world"
        )
    return TestsAsked(
        Selection(tuple(test), "", tuple(source or ()), child_processes),
        reps,
        clients=tuple(clients),
        requirements=tuple(requirements or ()),
        seed=seed,
        jobs=jobs,
        families=tuple(name for name in faults.split(",") if name),
        schedule=None if schedule is None else schedule_of(schedule),
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
    check_outputs(json_file, markdown=markdown)
    chosen = _scenario(scenario, schedule)
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


def _scenario(scenario: str | None, schedule: Path | None) -> ScenarioToRun:
    """Raises UsageError: there is no such scenario or schedule, or both are named."""
    from race_harness.campaign.own_scenarios import find_scenario
    from race_harness.search import library

    if schedule is None:
        return find_scenario(scenario or DEFAULT_SCENARIO)
    if scenario is None:
        return library.of_file(schedule)
    raise UsageError("--scenario and --schedule are two things to run: give one of them")
