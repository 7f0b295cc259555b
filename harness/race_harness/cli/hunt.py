"""`race hunt`: search for schedules on which a client fails, and shrink them."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from race_harness.campaign.failure_hunt import FailureHunt, in_scenarios, in_tests
from race_harness.campaign.resolve import find_client, find_tests
from race_harness.cli.console import (
    Confirm,
    Jobs,
    JsonFile,
    Seed,
    Server,
    World,
    campaign_progress,
    check_writable,
    output,
    parse_time,
    write_json,
)
from race_harness.cli.own_test import DrawnGrade, OwnTests, check_drawn
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.cli.shared_options import takes
from race_harness.model.asked import MOST_REPS, MOST_TRIES
from race_harness.model.confirmation import rank
from race_harness.model.errors import WorldBroken
from race_harness.model.grade import GRADES, MEANINGS, Grade, grade_of
from race_harness.search import families as fault_families
from race_harness.search.chase import BUDGET, Ending, Finding
from race_harness.search.hunting import Tally
from race_harness.story.facts import replay_of
from race_harness.story.reproduced import confirmed_line
from race_harness.story.timeline import short_story

SCHEMA = 1
CONTROL = "clean"
FIRST = "final-events"

ENDINGS: Final[Mapping[Ending, str]] = {
    "smallest": "",
    "budget": "shrinking was stopped after {} trials; --shrink allows more",
    "time": "shrinking was stopped by the clock after {} trials",
    "interrupt": "shrinking was interrupted after {} trials",
}
"""Words for a failure for which something smaller may exist."""


@takes(OwnTests)
def hunt(
    client: Annotated[
        str, typer.Argument(help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].")
    ],
    *,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE.py",
            help="Only this scenario, by name or as FILE.py[:NAME]; can be repeated. "
            "[default: all but the control]",
        ),
    ] = None,
    asked: OwnTests,
    grade: DrawnGrade = GRADES[-1],
    faults: Annotated[
        str | None,
        typer.Option(
            metavar="FAMILIES",
            help=f"Add faults of these families, such as socket,rest; or all. There are: "
            f"{', '.join(fault_families.NAMES)}. Without --scenario, nothing but them.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="How long to search, such as 60s, 5m or 2h."),
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_REPS,
            help="How many schedules to try. [default: 1000; with --for, no limit]",
        ),
    ] = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    shrink: Annotated[
        int,
        typer.Option(min=0, max=MOST_TRIES, help="Trials for shrinking one failure, at most."),
    ] = BUDGET,
    server: Server = "fake",
    world: World = "sim",
    confirm: Confirm = True,
    json_file: JsonFile = None,
    record: RecordFile = None,
) -> None:
    """Search for distinct failures, shrink each, write it to a file and try it on the real server.

    With --examples, what is found does not depend on --jobs. With --for it ends by the clock.

    Exit status 0 if nothing was found, 1 if something was.
    """
    from race_harness.campaign.own_scenarios import find_scenarios
    from race_harness.search import library

    check_writable(json_file)
    asked.check(
        {"--grade": grade != GRADES[-1]},
        {"--scenario": scenario, "--server": server != "fake", "--world": world != "sim"},
    )
    check_drawn(grade, faults)
    chosen = find_scenarios(scenario or [])
    named = [] if faults is None else faults.split(",")
    families = fault_families.NAMES if named == ["all"] else named
    fault_families.check(families)
    if not chosen and not families and not asked.test:
        names = [name for name in library.names() if name != CONTROL]
        # The race with which all of this began comes first.
        chosen = [library.load(name) for name in sorted(names, key=lambda name: name != FIRST)]
    seconds = parse_time(budget) if budget is not None else float("inf")
    limit = examples or (1_000 if budget is None else None)
    plan = {
        "clients": [client],
        **({"tests": asked.test} if asked.test else {"scenarios": [one.name for one in chosen]}),
        "faults": list(families),
        "examples": examples,
        "for": budget,
        "seed": seed,
        "shrink": shrink,
    }
    began = time.monotonic()

    def begin() -> None:
        nonlocal began
        began = time.monotonic()

    subject: FailureHunt | None = None
    try:
        with recorded(record, "hunt", plan) as campaign, campaign_progress() as progress:
            if asked.test:
                under_test = find_tests(client, asked.selection, asked.requirements, progress.step)
            else:
                under_test = find_client(client, progress.step, server=server, world=world)
            subject = FailureHunt(
                under_test,
                campaign,
                progress,
                seed=seed,
                confirm=confirm,
                jobs=jobs,
                budget=shrink,
            )
            subject.run(
                in_tests(families, stalls=grade != "order")
                if asked.test
                else in_scenarios(chosen, families),
                examples=limit,
                seconds=seconds,
                on_begin=begin,
                on_found=lambda failure, path: progress.step(short_story(failure, path) + "\n"),
            )
    except (KeyboardInterrupt, WorldBroken):
        if subject is not None and subject.tally.trials:
            _tell(subject, time.monotonic() - began, json_file)
        raise
    _tell(subject, time.monotonic() - began, json_file)
    if subject.findings:
        raise typer.Exit(1)


def _tell(hunt: FailureHunt, elapsed_s: float, json_file: Path | None) -> None:
    """Print the results, also after an interrupt."""
    findings = sorted(hunt.findings, key=_in_order)
    write_json(
        json_file,
        {
            "schema": SCHEMA,
            "client": hunt.client.argument,
            "resolved_version": hunt.client.resolved_version,
            "trials": hunt.tally.trials,
            "shrink_trials": hunt.tally.shrinking,
            "worker_seconds": hunt.tally.trials_ms / 1e3,
            "seconds": elapsed_s,
            "failures": [_summary(finding, path) for finding, path in findings],
        },
    )
    if str(json_file) != "-":
        _print_findings(findings, hunt.tally, elapsed_s)
        if hunt.not_run:
            count, first = len(hunt.not_run), hunt.not_run[0]
            _say(f"{count} of the trials were void, the first because: {first}")


def _in_order(entry: tuple[Finding, Path]) -> tuple[object, ...]:
    finding, _path = entry
    return rank(finding.failure.confirmed), finding.found_at_trial


def _print_findings(
    findings: Sequence[tuple[Finding, Path]], tally: Tally, elapsed_s: float
) -> None:
    _say(
        f"{tally.trials} schedules in {elapsed_s:.0f} s, and {tally.shrinking} trials to shrink: "
        f"{len(findings)} distinct failures"
    )
    for finding, path in findings:
        test = finding.failure.schedule.test
        again = replay_of(finding.failure, path).removeprefix("replay: ")
        told = (
            f"  {finding.cause}",
            confirmed_line(finding.failure),
            ENDINGS[finding.ending].format(finding.shrink_executions),
            "" if test is None else MEANINGS[_grade(finding)],
            again,
        )
        _say("\n    ".join(filter(None, told)))


def _grade(finding: Finding) -> Grade:
    """The grade of the shrunk schedule, which holds only what the failure needs."""
    return grade_of(finding.failure.schedule)


def _say(text: str) -> None:
    output.print(text, highlight=False, markup=False, soft_wrap=True)


def _summary(finding: Finding, path: Path) -> dict[str, object]:
    return {
        "path": str(path),
        "verdict": finding.failure.judgement.headline,
        "cause": str(finding.cause),
        "found_at_trial": finding.found_at_trial,
        "shrink_executions": finding.shrink_executions,
        "shrunk": finding.ending,
        "non_default_fields": len(finding.failure.schedule.non_default_fields()),
        "seconds": finding.seconds,
        **({} if finding.failure.schedule.test is None else {"grade": _grade(finding)}),
        "confirmed": {name: one.to_dict() for name, one in finding.failure.confirmed.items()},
    }
