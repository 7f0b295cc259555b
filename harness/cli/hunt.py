"""`race hunt`: search for schedules on which a client fails, and shrink them."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from hypothesis import strategies as st

from harness.campaign.campaign import examine, keep
from harness.campaign.client import find_client
from harness.campaign.hunt import Finding, Tally
from harness.campaign.hunt import hunt as search
from harness.cli.console import (
    JsonFile,
    Seed,
    campaign_progress,
    check_writable,
    output,
    write_json,
)
from harness.cli.show import nearest_in_words
from harness.errors import UsageError
from harness.scenario import Scenario
from harness.schedule import Schedule
from harness.story.timeline import short_story
from harness.strategies import FAMILIES, STALLS, with_faults

SCHEMA = 1
ALL = [*FAMILIES, STALLS]
CONTROL = "clean"
FIRST = "final-events"


def hunt(
    client: Annotated[
        str, typer.Argument(help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME].")
    ],
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this scenario; may be given again. [default: all but the control]"
        ),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            metavar="FAMILIES",
            help=f"Add faults of these families, such as socket,rest; or all. There are: "
            f"{', '.join(ALL)}. Without --scenario, nothing but them.",
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long, such as 60s, 5m or 2h.")
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=1, help="How many schedules. [default: 1000, or no limit with --for]"),
    ] = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
) -> None:
    """Search for distinct failures, shrink each and write it to a file.

    Exit status 0 when nothing was found, 1 when something was.
    """
    import scenarios

    check_writable(json_file)
    chosen = [scenarios.load(name) for name in scenario or []]
    families = [] if faults is None else ALL if faults == "all" else faults.split(",")
    with_faults(st.nothing(), families)  # Whether they exist is told before anything runs.
    if not chosen and not families:
        names = [name for name in scenarios.names() if name != CONTROL]
        # The race that all of this began with comes first.
        chosen = [scenarios.load(name) for name in sorted(names, key=lambda name: name != FIRST)]
    seconds = parse_time(budget) if budget is not None else float("inf")
    limit = examples or (1_000 if budget is None else 10**9)
    findings: list[tuple[Finding, Path]] = []
    tally = Tally()
    with campaign_progress() as progress:
        under_test = find_client(client, progress.step)
        with (
            progress.bar(f"{under_test.resolved_version:>10} hunt", examples or 0) as bar,
            under_test.workers() as workers,
        ):
            workers.wait_ready()
            bar.begin()
            if families:
                lines = workers.source_lines() if STALLS in families else []
                chosen = add_faults(chosen, families, lines)
            began = time.monotonic()
            for found in search(
                chosen,
                lambda schedule: examine(under_test, workers, schedule),
                seed=seed,
                examples=limit,
                seconds=seconds,
                tally=tally,
            ):
                told = nearest_in_words(under_test, workers, found.failure.schedule)
                finding = replace(found, failure=replace(found.failure, neighbour=told))
                path = keep(finding.failure)
                findings.append((finding, path))
                progress.step(short_story(finding.failure, path) + "\n")
            elapsed_s = time.monotonic() - began
    write_json(
        json_file,
        {
            "schema": SCHEMA,
            "client": client,
            "resolved_version": under_test.resolved_version,
            "trials": tally.trials,
            "seconds": elapsed_s,
            "failures": [_summary(finding, path) for finding, path in findings],
        },
    )
    if str(json_file) != "-":
        output.print(
            f"{tally.trials} schedules in {elapsed_s:.0f} s: {len(findings)} distinct failures",
            highlight=False,
        )
        for finding, path in findings:
            output.print(
                f"  {finding.cause}\n    race replay {path}", highlight=False, markup=False
            )
    if findings:
        raise typer.Exit(1)


def add_faults(
    chosen: Sequence[Scenario],
    families: Sequence[str],
    lines: Sequence[tuple[str, str]] = (),
) -> list[Scenario]:
    """The scenarios with faults of these families; without any, a benign one with them.

    `lines` are those of the client's source.

    Raises:
        UsageError: there is no such family.
    """
    name = "+".join(families)
    benign = Scenario(name, "faults alone", lambda: st.just(Schedule(name)))
    with_faults(st.nothing(), families)

    def drawn(scenario: Scenario) -> st.SearchStrategy[Schedule]:
        return with_faults(scenario.schedules(), families, lines)

    return [replace(one, schedules=partial(drawn, one)) for one in chosen or [benign]]


def _summary(finding: Finding, path: Path) -> dict[str, object]:
    return {
        "path": str(path),
        "verdict": finding.failure.judgement.headline,
        "cause": finding.cause,
        "found_at_trial": finding.found_at_trial,
        "shrink_executions": finding.shrink_executions,
        "non_default_fields": len(finding.failure.schedule.non_default_fields()),
        "seconds": finding.seconds,
    }


def parse_time(text: str) -> float:
    """Seconds in `90`, `60s`, `5m`, `2h`.

    Raises:
        UsageError: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text.strip())
    if match is None:
        raise UsageError(f"--for {text!r} is no time: write 60s, 5m or 2h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3_600}[match[2] or "s"]
