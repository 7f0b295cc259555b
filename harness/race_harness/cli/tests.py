"""`race test`: tests of your own, each run many times."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from race_harness.campaign.comparison import ClientSummary, Comparison
from race_harness.campaign.own_tests import MeasuredTest, TestsAsked, measure_tests
from race_harness.campaign.resolve import INSTALLED, check_requirement
from race_harness.campaign.sweeping import SweepAsked, sweep_tests
from race_harness.cli.console import (
    Jobs,
    JsonFile,
    Markdown,
    ScheduleFile,
    Seed,
    campaign_progress,
    check_outputs,
    output,
    print_story,
    write_json,
)
from race_harness.cli.github import GitHub, annotate, place_of_failure, summarise_job
from race_harness.cli.own_test_tables import HEADERS, cells_of, tables_of
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.cli.sweeps import MOST_PAIRS, Pairs, Sweep, SweepOutputs, how_asked, swept
from race_harness.cli.tables import comparison_markdown, comparison_table
from race_harness.model.asked import MOST_REPS
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure, read_schedule
from race_harness.model.grade import GRADES, MEANINGS
from race_harness.model.plain_text import code_span
from race_harness.model.plain_text import markdown as markdown_text
from race_harness.model.schedule import Schedule
from race_harness.report.annotations import Annotation, Level, of_failure, of_voids
from race_harness.story.timeline import short_story
from race_harness.workers.selection import Selection

Keyword = Annotated[
    str,
    typer.Option("-k", metavar="EXPRESSION", help="Only tests that match, as with `pytest -k`."),
]
Faults = Annotated[
    str, typer.Option(metavar="FAMILY,...", help="Families of faults to add, such as `socket`.")
]
Source = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODULE",
        help="A module or package under test: threads switch and stall at its lines, too, as "
        "they do at those of your own project.",
    ),
]
ChildProcesses = Annotated[
    bool,
    typer.Option(
        "--child-processes", help="Let tests start child processes, which take no virtual time."
    ),
]
Invariant = Annotated[
    bool,
    typer.Option(
        "--invariant",
        help="Also fail if the run() of a RemoteConversation returns before all events that "
        "its agent server has persisted are visible.",
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REQUIREMENT",
        help="Compare versions of a dependency, such as `websockets==15.0.1`, each on top of "
        "this environment. Given once, compare it with what is installed.",
    ),
]
GradeLimit = Annotated[
    str,
    typer.Option(
        "--grade",
        metavar="order|stall|fault",
        help="Exit with status 1 only for failures of this grade or a lower one.",
    ),
]


def run_tests(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH[::NAME]...", help="Tests, as pytest takes them."),
    ],
    keyword: Keyword = "",
    schedule: ScheduleFile = None,
    reps: Annotated[
        int, typer.Option(min=1, max=MOST_REPS, help="Repetitions of each test.")
    ] = 1_000,
    seed: Seed = 0,
    jobs: Jobs = None,
    faults: Faults = "",
    source: Source = None,
    grade: GradeLimit = GRADES[-1],
    sweep: Sweep = None,
    pairs: Pairs = MOST_PAIRS,
    child_processes: ChildProcesses = False,
    invariant: Invariant = False,
    against: Against = None,
    json_file: JsonFile = None,
    markdown: Markdown = False,
    record: RecordFile = None,
    github: GitHub = False,
) -> None:
    """Run your own pytest tests many times, each time on another schedule.

    Each repetition has its own process, with simulated sockets, threads and time.

    Exit status 0 if every repetition passed, else 1.
    """
    check_grade(grade)
    asked = TestsAsked(
        Selection(
            tuple(paths), keyword, tuple(source or ()), child_processes, invariant=invariant
        ),
        reps,
        clients=environments_of(against),
        seed=seed,
        jobs=jobs,
        families=tuple(name for name in faults.split(",") if name),
        schedule=None if schedule is None else schedule_of(schedule),
        placed=github,
    )
    if sweep:
        if against:
            raise UsageError("--sweep tries the lines of one environment: leave out --against")
        check_no_sweep(github)
        outputs = SweepOutputs("test", {"clients": asked.clients}, json_file, record, markdown)
        raise_if_lost(asked, how_asked(sweep, pairs), outputs, grade)
        return
    measured = tests_measured("test", asked, json_file, markdown=markdown, record=record)
    if github:
        tell_github(measured, grade)
    raise_if_failed(measured, grade)


def raise_if_lost(asked: TestsAsked, how: SweepAsked, outputs: SweepOutputs, grade: str) -> None:
    """Sweep tests.

    Raises:
        typer.Exit: a test lost at some line, or fails anyway. Stalls do not count for `order`.
    """
    outputs = replace(outputs, plan={**outputs.plan, "tests": asked.selection.paths})
    lost = swept(how, outputs, partial(sweep_tests, asked, how))
    if lost and grade != "order":
        raise typer.Exit(1)


def environments_of(against: list[str] | None) -> tuple[str, ...]:
    """The environments of tests; a single requirement is compared with what is installed.

    Raises:
        UsageError: one of them is no requirement.
    """
    requirements = tuple(against or ())
    for requirement in requirements:
        check_requirement(requirement)
    return requirements if len(requirements) > 1 else (INSTALLED, *requirements)


def check_of_tests(options: Mapping[str, object]) -> None:
    """Raises UsageError: one of these options, which are only for tests, has a value."""
    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"{', '.join(given)}: for a test of your own; add --test PATH::NAME")


def check_grade(grade: str) -> None:
    """Raises UsageError: there is no such grade."""
    if grade not in GRADES:
        raise UsageError(f"no grade {grade!r}; there are: {', '.join(GRADES)}")


def check_no_sweep(github: bool) -> None:
    """Raises UsageError: `--github` was given with a sweep."""
    if github:
        raise UsageError("a sweep has no annotations: leave out --github, or --sweep")


def tell_github(measured: list[MeasuredTest], grade: str | None) -> None:
    """Annotate what failed, and add the table to the summary of the job.

    `grade`: failures of this grade or a lower one are errors, as for the exit status; None: none
    are.

    Raises:
        UsageError: the summary cannot be written.
    """
    annotate(annotations_of(measured, grade))
    stories = [
        short_story(failure, Path(client.first_failure or ""))
        for one in measured
        for client, failure in zip(one.comparison.clients, one.failures, strict=True)
        if failure is not None
    ]
    summarise_job(_in_markdown([one.comparison for one in measured]), stories)


def annotations_of(measured: list[MeasuredTest], grade: str | None) -> Iterator[Annotation]:
    """One for the first failure of each test with each client, and one where repetitions have no
    verdict."""
    for one in measured:
        test = one.comparison.scenario
        several = zip(one.comparison.clients, one.failures, one.voids, one.places, strict=True)
        for client, failure, voids, lines in several:
            if failure is not None:
                judged = replace(client, reps=client.reps - client.void)
                counts = grade is not None and _has_failed(judged, grade)
                level: Level = "error" if counts else "warning"
                place = place_of_failure(test, failure.judgement.evidence, lines)
                yield of_failure(failure, Path(client.first_failure or ""), level, place)
            if voids:
                reasons = [void.says for void in voids]
                level = "warning" if grade is None else "error"
                yield of_voids(test, reasons, level, place_of_failure(test, (), lines))


def raise_if_failed(measured: list[MeasuredTest], grade: str) -> None:
    """Raises typer.Exit: a test failed by that grade or a lower one."""
    if any(_has_failed(client, grade) for one in measured for client in one.comparison.clients):
        raise typer.Exit(1)


def tests_measured(
    command: str,
    asked: TestsAsked,
    json_file: Path | None,
    *,
    markdown: bool,
    record: Path | None,
) -> list[MeasuredTest]:
    """Run the tests, print the results in the chosen form, and the failures' stories.

    Raises:
        UsageError, ClientUnavailable, WorldBroken: `measure_tests` raised it.
    """
    check_outputs(json_file, markdown=markdown)
    plan = {
        "clients": asked.clients,
        "tests": asked.selection.paths,
        "reps": asked.reps,
        "seed": asked.seed,
    }
    with recorded(record, command, plan) as campaign, campaign_progress() as progress:
        measured = measure_tests(asked, campaign, progress)
    comparisons = [one.comparison for one in measured]
    several = [comparison.to_dict() for comparison in comparisons]
    write_json(json_file, several[0] if len(several) == 1 else {"schema": 1, "tests": several})
    alone = len(asked.clients) == 1
    if markdown:
        print(_in_markdown(comparisons))
    elif str(json_file) != "-":
        if alone:
            for part in tables_of(comparisons, output.width):
                # If it were wrapped, a name could not be copied.
                output.print(part, crop=False, soft_wrap=isinstance(part, Text))
        else:
            for comparison in comparisons:
                output.print(comparison_table(comparison))
        for line in _found_by(comparisons):
            output.print(line, markup=False, highlight=False)
    for one in measured:
        for client, failure in zip(one.comparison.clients, one.failures, strict=True):
            if failure is not None:
                story = short_story(failure, Path(client.first_failure or ""))
                print_story(story)
    return measured


def schedule_of(file: Path) -> Schedule:
    """The schedule of a failure file of a test, or a plain one. Raises UsageError."""
    found = read_schedule(file, of_tests=True)
    return found.schedule if isinstance(found, Failure) else found


def _has_failed(client: ClientSummary, grade: str) -> bool:
    """Whether it failed by that grade. Void repetitions count as failures: a setup that fails is
    no success."""
    tolerated = GRADES[GRADES.index(grade) + 1 :]
    forgiven = sum((client.grades or {}).get(one, 0) for one in tolerated)
    return client.passed + forgiven != client.reps


def _in_markdown(comparisons: list[Comparison]) -> str:
    alone = all(len(one.clients) == 1 for one in comparisons)
    tables = _markdown(comparisons) if alone else map(comparison_markdown, comparisons)
    return "\n".join([*tables, *([] if alone else _found_by(comparisons))])


def _markdown(comparisons: list[Comparison]) -> list[str]:
    lines = [
        "| " + " | ".join(header.replace("\n", " ") for header in HEADERS) + " |",
        "|---|--:|---|---|---|--:|--:|--:|",
    ]
    for comparison in comparisons:
        name, *cells = (cell.replace("\n", " ") for cell in cells_of(comparison))
        lines.append("| " + " | ".join([code_span(name), *map(markdown_text, cells)]) + " |")
    found = _found_by(comparisons)
    return [*lines, "", *(f"- {markdown_text(line)}" for line in found)] if found else lines


def _found_by(comparisons: list[Comparison]) -> list[str]:
    """Lines on what the failures need, and on how often each strategy found them."""
    lines = []
    for comparison in comparisons:
        for client in comparison.clients:
            found = [
                f"{strategy} {failed} of {tried}"
                for strategy, (failed, tried) in (client.strategies or {}).items()
                if failed
            ]
            grades = [
                f"{count} {MEANINGS[grade]}"
                for grade in GRADES
                if (count := (client.grades or {}).get(grade, 0))
            ]
            named = comparison.scenario if len(comparison.clients) == 1 else client.client
            if found:
                lines.append(f"{named}: {', '.join(grades)}; {', '.join(found)}")
    return lines
