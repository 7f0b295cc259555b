"""`race run` and `race compare`: clients measured on the same schedules."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from race_harness.campaign.comparison import Comparison
from race_harness.campaign.measure import measure
from race_harness.campaign.own_tests import MeasuredTest, TestsAsked
from race_harness.campaign.resolve import INSTALLED, check_requirement
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
    output,
    print_story,
    write_json,
)
from race_harness.cli.github import GitHub, annotate, summarise_job
from race_harness.cli.own_test import OwnTests
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.cli.shared_options import takes
from race_harness.cli.sweeps import MOST_PAIRS, Pairs, Sweep, SweepOutputs, how_asked, swept
from race_harness.cli.tables import comparison_markdown, comparison_table
from race_harness.cli.tests import (
    Against,
    Faults,
    GradeLimit,
    check_grade,
    check_no_sweep,
    raise_if_failed,
    raise_if_lost,
    schedule_of,
    tell_github,
    tests_measured,
)
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario as ScenarioToRun
from race_harness.report.annotations import Level, of_failure
from race_harness.story.timeline import short_story

DEFAULT_SCENARIO: Final = "final-events"


@dataclass(frozen=True)
class Measuring(OwnTests):
    """What the user can ask of both commands, besides clients."""

    scenario: Scenario = None
    faults: Faults = ""
    schedule: ScheduleFile = None
    reps: Reps = 1_000
    seed: Seed = 0
    jobs: Jobs = None
    server: Server = "fake"
    world: World = "sim"
    json_file: JsonFile = None
    markdown: Markdown = False
    record: RecordFile = None
    github: GitHub = False

    def of_tests(self, clients: list[str]) -> TestsAsked:
        """Raises UsageError: an option was given that is only for scenarios."""
        if (self.scenario, self.server, self.world) != (None, "fake", "sim"):
            raise UsageError(
                "a test brings its own server, and runs in the simulation: leave out --scenario, "
                "--server and --world"
            )
        schedule = self.schedule
        return TestsAsked(
            self.selection,
            self.reps,
            clients=tuple(clients),
            requirements=self.requirements,
            seed=self.seed,
            jobs=self.jobs,
            families=tuple(name for name in self.faults.split(",") if name),
            schedule=None if schedule is None else schedule_of(schedule),
            placed=self.github,
        )

    def of_scenario(self) -> ScenarioToRun:
        """Raises UsageError: there is no such scenario or schedule, or both are named; an option
        was given that is only for tests."""
        from race_harness.campaign.own_scenarios import find_scenario
        from race_harness.search import library

        self.check({"--faults": self.faults}, {})
        if self.schedule is None:
            return find_scenario(self.scenario or DEFAULT_SCENARIO)
        if self.scenario is None:
            return library.of_file(self.schedule)
        raise UsageError("give --scenario or --schedule, not both")

    def sweep_outputs(self, plan: dict[str, Any]) -> SweepOutputs:
        return SweepOutputs("run", plan, self.json_file, self.record, self.markdown)


@takes(Measuring)
def run(
    client: Annotated[
        str, typer.Argument(help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].")
    ],
    asked: Measuring,
    grade: GradeLimit = "fault",
    sweep: Sweep = None,
    pairs: Pairs = MOST_PAIRS,
    strict: Strict = False,
) -> None:
    """Run a scenario, or your own tests, against one client.

    Exit status 0 if every trial passed, else 1.
    """
    if asked.test:
        check_grade(grade)
        if sweep:
            check_no_sweep(asked.github)
            outputs = asked.sweep_outputs({"clients": [client]})
            raise_if_lost(asked.of_tests([client]), how_asked(sweep, pairs), outputs, grade)
            return
        measured = _tests_measured("run", [client], asked)
        if asked.github:
            tell_github(measured, grade)
        raise_if_failed(measured, grade)
        return
    if sweep:
        check_no_sweep(asked.github)
        _sweep(client, asked, sweep, pairs)
        return
    comparison = _measured("run", [client], asked, strict=strict)
    (summary,) = comparison.clients
    if summary.first_failure is not None:
        path = Path(summary.first_failure)
        story = short_story(Failure.read(path), path)
        print_story(story)
    if asked.github:
        level: Level = "warning" if summary.has_passed(strict=strict) else "error"
        _tell_github(comparison, level)
    if not summary.has_passed(strict=strict):
        raise typer.Exit(1)


def _sweep(client: str, asked: Measuring, lengths: list[str], pairs: int) -> None:
    """Raises typer.Exit: the client lost at some line, or fails anyway."""
    if asked.world != "sim":
        raise UsageError("a real thread cannot be stopped at a line: leave out --world or --sweep")
    chosen, how = asked.of_scenario(), how_asked(lengths, pairs)
    outputs = asked.sweep_outputs({"clients": [client], "scenario": chosen.name})
    run_it = partial(
        sweep_scenario,
        *(client, chosen, how),
        seed=asked.seed,
        jobs=asked.jobs,
        server=asked.server,
    )
    if swept(how, outputs, lambda to, told: [run_it(record=to, progress=told)]):
        raise typer.Exit(1)


@takes(Measuring)
def compare(
    clients: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIENT...",
            help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].",
        ),
    ],
    asked: Measuring,
    against: Against = None,
) -> None:
    """Run the same schedules against several clients and compare their pass rates."""
    if against:
        clients = _beside(clients, against, asked)
    if asked.test:
        measured = _tests_measured("compare", clients, asked)
        if asked.github:
            tell_github(measured, None)
    else:
        comparison = _measured("compare", clients, asked)
        if asked.github:
            _tell_github(comparison, "warning")


def _tell_github(comparison: Comparison, level: Level) -> None:
    """Annotate the first failure of each client, and add the table to the summary of the job."""
    kept = [Path(one.first_failure) for one in comparison.clients if one.first_failure is not None]
    failures = [(Failure.read(path), path) for path in kept]
    annotate(of_failure(failure, path, level) for failure, path in failures)
    summarise_job(comparison_markdown(comparison), [short_story(*each) for each in failures])


def _beside(clients: list[str], against: list[str], asked: Measuring) -> list[str]:
    """The clients and, in the environment at hand, other versions of something.

    Raises:
        UsageError: the clients are not in the environment at hand, or one is no requirement.
    """
    if not asked.test or {*clients} != {INSTALLED}:
        raise UsageError(
            "--against is for tests in the environment at hand: race compare installed --test "
            "PATH::NAME --against REQUIREMENT"
        )
    for requirement in against:
        check_requirement(requirement)
    return [*clients, *against]


def _tests_measured(command: str, clients: list[str], asked: Measuring) -> list[MeasuredTest]:
    return tests_measured(
        command,
        asked.of_tests(clients),
        asked.json_file,
        markdown=asked.markdown,
        record=asked.record,
    )


def _measured(
    command: str, clients: list[str], asked: Measuring, *, strict: bool = False
) -> Comparison:
    """What both commands do: run, and print the table in the chosen form.

    Raises:
        UsageError: there is no such scenario or schedule, or the file cannot be written.
        ClientUnavailable, WorldBroken: `measure` raised it.
    """
    check_outputs(asked.json_file, markdown=asked.markdown)
    chosen = asked.of_scenario()
    plan = {
        "clients": clients,
        "scenario": chosen.name,
        "reps": asked.reps,
        "seed": asked.seed,
    }
    with recorded(asked.record, command, plan) as campaign, campaign_progress() as progress:
        comparison = measure(
            clients,
            chosen,
            reps=asked.reps,
            seed=asked.seed,
            jobs=asked.jobs,
            server=asked.server,
            world=asked.world,
            strict=strict,
            record=campaign,
            progress=progress,
        )
    write_json(asked.json_file, comparison.to_dict())
    if asked.markdown:
        print(comparison_markdown(comparison), end="")
    elif str(asked.json_file) != "-":
        output.print(comparison_table(comparison))
    return comparison
