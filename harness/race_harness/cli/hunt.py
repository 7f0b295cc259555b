"""`race hunt`: search for schedules on which a client fails, and shrink them."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from race_harness.campaign.campaign import examine, keep
from race_harness.campaign.elsewhere import Confirmer, not_tried
from race_harness.campaign.under_test import find_client
from race_harness.cli.console import (
    Confirm,
    JsonFile,
    Seed,
    Server,
    World,
    campaign_progress,
    check_writable,
    output,
    write_json,
)
from race_harness.cli.recording import RecordFile, recorded
from race_harness.cli.show import nearest_in_words
from race_harness.model.combination import SIM_REAL
from race_harness.model.confirmation import rank
from race_harness.model.errors import HarnessError, UsageError
from race_harness.model.failure import Failure
from race_harness.model.failure import confirm as confirm_in_file
from race_harness.model.schedule import Schedule
from race_harness.search import families as fault_families
from race_harness.search.hunting import Finding, Tally, add_faults
from race_harness.search.hunting import hunt as search
from race_harness.store.series import SeriesRecord
from race_harness.story.reproduced import confirmed_line
from race_harness.story.timeline import short_story

SCHEMA = 1
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
            f"{', '.join(fault_families.NAMES)}. Without --scenario, nothing but them.",
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
    server: Server = "fake",
    world: World = "sim",
    confirm: Confirm = True,
    json_file: JsonFile = None,
    record: RecordFile = None,
) -> None:
    """Search for distinct failures, shrink each, write it to a file and try it on the real server.

    Exit status 0 when nothing was found, 1 when something was.
    """
    from race_harness.search import library

    check_writable(json_file)
    chosen = [library.load(name) for name in scenario or []]
    named = [] if faults is None else faults.split(",")
    families = fault_families.NAMES if named == ["all"] else named
    fault_families.check(families)
    if not chosen and not families:
        names = [name for name in library.names() if name != CONTROL]
        # The race that all of this began with comes first.
        chosen = [library.load(name) for name in sorted(names, key=lambda name: name != FIRST)]
    seconds = parse_time(budget) if budget is not None else float("inf")
    limit = examples or (1_000 if budget is None else 10**9)
    findings: list[tuple[Finding, Path]] = []
    tally = Tally()
    not_run: list[str] = []
    plan = {
        "clients": [client],
        "scenarios": [one.name for one in chosen],
        "faults": list(families),
        "examples": examples,
        "for": budget,
        "seed": seed,
    }
    began = time.monotonic()

    def tell() -> None:
        elapsed_s = time.monotonic() - began
        findings.sort(key=lambda entry: rank(entry[0].failure.confirmed))
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
            _print_findings(findings, tally, elapsed_s)
            if not_run:
                _say(f"{len(not_run)} trials were void, the first because: {not_run[0]}")

    with (
        _also_if_interrupted(tell, tally),
        recorded(record, "hunt", plan) as campaign,
        campaign_progress() as progress,
    ):
        under_test = find_client(client, progress.step, server=server, world=world)
        in_real_time = under_test.combination.in_real_time

        def series_of(schedule: Schedule) -> SeriesRecord:
            return campaign.series(
                under_test.series(
                    workers.server_version, schedule.scenario, seed=seed, drawn=False
                )
            )

        def examined(schedule: Schedule) -> Failure:
            failure = examine(under_test, workers, schedule, series_of(schedule))
            if failure.void is not None and failure.void.kind == "not-run":
                not_run.append(failure.void.says)
            return failure

        def kept(found: Finding) -> Path:
            path = keep(found.failure, series=series_of(found.failure.schedule))
            findings.append((found, path))
            return path

        def looked_into(failure: Failure, path: Path) -> Failure:
            """With what comes to be known of it, which is kept as it comes."""
            series = series_of(failure.schedule)
            if not in_real_time:
                told = nearest_in_words(under_test, workers, failure.schedule, series)
                failure = replace(failure, neighbour=told)
                keep(failure, series=series)
            if confirm and under_test.is_sdk and under_test.server != "real":
                failure = try_on_real_server(confirmer, failure, path)
                series.failure(failure, path)
            return failure

        with (
            progress.bar(f"{under_test.resolved_version:>10} hunt", examples or 0) as bar,
            under_test.workers() as workers,
            Confirmer(progress.step, record=campaign) as confirmer,
        ):
            workers.wait_ready()
            bar.begin()
            if families:
                stalls = fault_families.STALLS in families
                lines = workers.source_lines() if stalls else []
                chosen = add_faults(chosen, families, lines)
            began = time.monotonic()
            try:
                for found in search(
                    chosen,
                    examined,
                    seed=seed,
                    examples=limit,
                    seconds=seconds,
                    tally=tally,
                    in_real_time=in_real_time,
                ):
                    path = kept(found)
                    failure = looked_into(found.failure, path)
                    findings[-1] = replace(found, failure=failure), path
                    progress.step(short_story(failure, path) + "\n")
            except KeyboardInterrupt:
                if tally.unfinished is not None:
                    kept(tally.unfinished)
                raise
    if findings:
        raise typer.Exit(1)


@contextlib.contextmanager
def _also_if_interrupted(tell: Callable[[], None], tally: Tally) -> Iterator[None]:
    """Tells what came of a hunt when it has ended, and when it was interrupted on its way."""
    try:
        yield
    except KeyboardInterrupt:
        if tally.trials:
            tell()
        raise
    tell()


def try_on_real_server(confirmer: Confirmer, failure: Failure, path: Path) -> Failure:
    """Try a failure in `sim×real` and put what comes of it into its file.

    That the server cannot be had, or leaves the simulation, is kept and does not end the hunt.
    """
    try:
        confirmation = confirmer.tried(failure, SIM_REAL)
    except HarnessError as error:
        confirmation = not_tried(failure, str(error).partition("\n")[0])
    return confirm_in_file(path, SIM_REAL, confirmation)


def _print_findings(
    findings: Sequence[tuple[Finding, Path]], tally: Tally, elapsed_s: float
) -> None:
    _say(f"{tally.trials} schedules in {elapsed_s:.0f} s: {len(findings)} distinct failures")
    for finding, path in findings:
        told = (f"  {finding.cause}", confirmed_line(finding.failure), f"race replay {path}")
        _say("\n    ".join(filter(None, told)))


def _say(text: str) -> None:
    output.print(text, highlight=False, markup=False)


def _summary(finding: Finding, path: Path) -> dict[str, object]:
    return {
        "path": str(path),
        "verdict": finding.failure.judgement.headline,
        "cause": str(finding.cause),
        "found_at_trial": finding.found_at_trial,
        "shrink_executions": finding.shrink_executions,
        "non_default_fields": len(finding.failure.schedule.non_default_fields()),
        "seconds": finding.seconds,
        "confirmed": {name: one.to_dict() for name, one in finding.failure.confirmed.items()},
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
