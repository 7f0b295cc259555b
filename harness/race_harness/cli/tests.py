"""`race test`: tests of your own, each run many times."""

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from race_harness.campaign.comparison import ClientSummary, Comparison
from race_harness.campaign.own_tests import TestsAsked, measure_tests
from race_harness.cli.console import (
    Jobs,
    JsonFile,
    Markdown,
    ScheduleFile,
    Seed,
    campaign_progress,
    check_outputs,
    errors,
    output,
    write_json,
)
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure, read_schedule
from race_harness.model.grade import GRADES, MEANINGS
from race_harness.model.schedule import Schedule
from race_harness.statistics import phrases
from race_harness.statistics.intervals import Spread
from race_harness.statistics.phrases import number
from race_harness.story.timeline import short_story
from race_harness.workers.selection import Selection


def run_tests(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH[::NAME]...", help="Tests, as pytest takes them."),
    ],
    keyword: Annotated[
        str, typer.Option("-k", metavar="EXPRESSION", help="Only these, as `pytest -k`.")
    ] = "",
    schedule: ScheduleFile = None,
    reps: Annotated[int, typer.Option(min=1, help="Repetitions of each test.")] = 1_000,
    seed: Seed = 0,
    jobs: Jobs = None,
    faults: Annotated[
        str,
        typer.Option(metavar="FAMILY,...", help="Families of faults to add, such as `socket`."),
    ] = "",
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE",
            help="A module or package that the tests are about: threads switch and stall at its "
            "lines, too. Those of your own project count anyway.",
        ),
    ] = None,
    grade: Annotated[
        str,
        typer.Option(
            metavar="order|stall|fault",
            help="Exit with 1 only for failures of this grade or a lower one.",
        ),
    ] = GRADES[-1],
    child_processes: Annotated[
        bool,
        typer.Option("--child-processes", help="Let the tests start processes; see the docs."),
    ] = False,
    json_file: JsonFile = None,
    markdown: Markdown = False,
    record: RecordFile = None,
) -> None:
    """Run pytest tests of your own many times, on schedules that differ in what may vary.

    Each repetition has simulated sockets, threads and time, and a process of its own. Exit status
    0 only if every repetition passed, else 1.
    """
    if grade not in GRADES:
        raise UsageError(f"no grade {grade!r}; there are: {', '.join(GRADES)}")
    check_outputs(json_file, markdown=markdown)
    asked = TestsAsked(
        Selection(tuple(paths), keyword, tuple(source or ()), child_processes),
        reps,
        seed,
        jobs,
        tuple(name for name in faults.split(",") if name),
        None if schedule is None else _schedule(schedule),
    )
    plan = {"clients": ["installed"], "tests": paths, "reps": reps, "seed": seed}
    with recorded(record, "test", plan) as campaign, campaign_progress() as progress:
        measured = measure_tests(asked, campaign, progress)
    comparisons = [comparison for comparison, _ in measured]
    several = [comparison.to_dict() for comparison in comparisons]
    write_json(json_file, several[0] if len(several) == 1 else {"schema": 1, "tests": several})
    if markdown:
        print("\n".join(_markdown(comparisons)))
    elif str(json_file) != "-":
        _print(comparisons)
    for comparison, failure in measured:
        if failure is not None:
            (client,) = comparison.clients
            path = Path(client.first_failure or "")
            story = short_story(failure, path)
            errors.print(story, markup=False, highlight=False, soft_wrap=True)
    if any(_has_failed(comparison.clients[0], grade) for comparison in comparisons):
        raise typer.Exit(1)


def _schedule(file: Path) -> Schedule:
    found = read_schedule(file, of_tests=True)
    return found.schedule if isinstance(found, Failure) else found


def _has_failed(client: ClientSummary, grade: str) -> bool:
    """A test without any repetition that had a verdict has not passed, either."""
    counted = GRADES[: GRADES.index(grade) + 1]
    failed = sum((client.grades or {}).get(one, 0) for one in counted)
    return failed > 0 or client.reps == client.void


_HEADERS = (
    *("test", "reps", "pass rate\n[95 % interval]", "verdicts", "failures\nby grade"),
    *("virtual\ns, p50\n/ p95", "wall ms\nmean\n/ p95", "trials\n/s"),
)


def _cells(comparison: Comparison) -> list[str]:
    (client,) = comparison.clients
    grades = client.grades or {}
    return [
        comparison.scenario,
        str(client.reps),
        f"{phrases.rate(client.passed, client.reps - client.void)}\n"
        f"{phrases.interval(*client.ci95)}",
        ", ".join(phrases.counts(client.verdicts, client.void)),
        ", ".join(f"{grade} {grades[grade]}" for grade in GRADES if grades.get(grade)) or "none",
        _two(client.virtual_s, "p50"),
        _two(client.wall_ms, "mean"),
        number(client.trials_per_s),
    ]


def _two(spread: Spread | None, first: str) -> str:
    """On two lines: with the name of a test, a terminal has no room for more."""
    if spread is None:
        return "–"
    return f"{number(getattr(spread, first))} /\n{number(spread.p95)}"


def _print(comparisons: list[Comparison]) -> None:
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    for header in _HEADERS:
        words = header in ("test", "verdicts", "failures\nby grade")
        table.add_column(
            header, justify="left" if words else "right", overflow="fold", no_wrap=not words
        )
    for comparison in comparisons:
        (client,) = comparison.clients
        passed = client.passed == client.reps - client.void
        cells = [Text(cell) for cell in _cells(comparison)]
        cells[2].stylize("yellow" if client.pass_rate is None else "green" if passed else "red")
        table.add_row(*cells)
    output.print(table)
    for line in _found_by(comparisons):
        output.print(line, markup=False, highlight=False)


def _markdown(comparisons: list[Comparison]) -> list[str]:
    lines = [
        "| " + " | ".join(header.replace("\n", " ") for header in _HEADERS) + " |",
        "|---|--:|---|---|---|--:|--:|--:|",
    ]
    for comparison in comparisons:
        name, *cells = (cell.replace("\n", " ") for cell in _cells(comparison))
        lines.append("| " + " | ".join([phrases.code(name), *cells]) + " |")
    found = _found_by(comparisons)
    return [*lines, "", *(f"- {line}" for line in found)] if found else lines


def _found_by(comparisons: list[Comparison]) -> list[str]:
    """Which strategies found failures, and how often."""
    lines = []
    for comparison in comparisons:
        (client,) = comparison.clients
        found = [
            f"{strategy} {failed} of {tried}"
            for strategy, (failed, tried) in (client.strategies or {}).items()
            if failed
        ]
        if found:
            grades = [
                f"{count} {MEANINGS[grade]}"
                for grade in GRADES
                if (count := (client.grades or {}).get(grade, 0))
            ]
            lines.append(f"{comparison.scenario}: {', '.join(grades)}; {', '.join(found)}")
    return lines
