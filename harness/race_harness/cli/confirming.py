"""`race confirm`: whether a client also fails with the real server."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from race_harness.campaign.elsewhere import (
    TRIES,
    Confirmer,
    confirm_everywhere,
    usual_combinations,
)
from race_harness.campaign.finding import ForTest
from race_harness.campaign.named_test import check_named, client_beside
from race_harness.campaign.natively import NATIVE, confirm_natively, left_out
from race_harness.campaign.natively import TRIES as NATIVE_TRIES
from race_harness.campaign.resolve import permitted
from race_harness.campaign.resolve import recorded as of_failure
from race_harness.campaign.unjudged import Found, home_of, try_schedule
from race_harness.cli.client_names import Sentence
from race_harness.cli.console import (
    Jobs,
    JsonFile,
    campaign_progress,
    check_writable,
    output,
    write_json,
)
from race_harness.cli.own_test import OneTest, Requirements, check_not_given
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.model.asked import MOST_TRIES
from race_harness.model.combination import Combination
from race_harness.model.confirmation import Confirmation, reproduced_where_it_counts
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure, read_schedule
from race_harness.model.permission import is_anybodys
from race_harness.model.plain_text import unbroken
from race_harness.story.facts import replay_of
from race_harness.story.reproduced import confirmed_line, not_found

SCHEMA: Final = 1


def confirm(
    file: Annotated[
        Path | None, typer.Argument(metavar="FAILURE.json", help="A failure file.")
    ] = None,
    schedule: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Try this schedule instead: a plain one, or that of a failure file. Its "
            "verdict is not known, so it runs in the simulation with the fake server "
            "first.",
        ),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            help="With --schedule: the client to run. With a failure file that asks for a "
            "path: that path, since a file alone cannot make it run. [default: the one "
            "in the file]"
        ),
    ] = None,
    combination: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORLD-SERVER",
            help="Try it only in this world, with this server; can be repeated. [default: "
            "sim-real, real-fake and real-real]",
        ),
    ] = None,
    test: OneTest = None,
    with_: Requirements = None,
    tries: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_TRIES,
            help=f"How many times to try it in each. [default: {TRIES}, a test {NATIVE_TRIES}]",
        ),
    ] = None,
    jobs: Jobs = None,
    json_file: JsonFile = None,
    record: RecordFile = None,
) -> None:
    """Try a failure in other combinations of world and server, and add the results to its file.

    With --schedule, the first trial that fails sets the verdict, and its failure file is written.
    In the simulation, all tries but the first have other ids and jitter. Your own test runs in
    real time over real sockets, with the stalls of its schedule and nothing else of it.

    Exit status 0 if the real server reproduced the failure at least once (for a client with its
    own server, and for a test: real sockets did), else 1, also if nothing failed.
    """
    named = [Combination.parse(text) for text in combination or []]
    if file is not None and schedule is not None:
        raise UsageError("give FAILURE.json or --schedule, not both")
    if test is not None:
        check_not_given({"--schedule": schedule, "--combination": combination})
        if file is None:
            raise UsageError(f"there is nothing to confirm of {test}: give FAILURE.json")
        _confirm_test(
            *(file, test, with_, client),
            tries=tries or NATIVE_TRIES,
            jobs=jobs or 1,
            json_file=json_file,
            record=record,
        )
        return
    tries = tries or TRIES
    if schedule is not None:
        _confirm_schedule(schedule, client, named, tries, jobs, json_file, record)
    elif file is None:
        raise UsageError("there is nothing to confirm: give FAILURE.json, or --schedule FILE")
    else:
        _confirm_failure(file, client, named, tries, jobs, json_file, record)


def _confirm_failure(
    file: Path,
    client: str | None,
    named: Sequence[Combination],
    tries: int,
    jobs: int | None,
    json_file: Path | None,
    record: Path | None,
) -> None:
    failure = read_schedule(file)
    if not isinstance(failure, Failure):
        raise UsageError(f"{file} has not been run: give it as --schedule, and --client CLIENT")
    # If it was met with the server of another release, use that one.
    release = failure.combination.release
    named = [each if each.release else replace(each, release=release) for each in named]
    _check(named, failure.client, failure.server)
    chosen = named or usual_combinations(failure.server)
    _check_client(failure, client, chosen)
    check_writable(json_file)
    plan = {"failure": str(file), "combinations": [*map(str, named)] or None, "tries": tries}
    with (
        recorded(record, "confirm", plan) as campaign,
        campaign_progress() as progress,
        Confirmer(
            progress.step,
            tries=tries,
            jobs=jobs,
            record=campaign,
            client_of=lambda failure, each: permitted(failure, client, each),
        ) as confirmer,
    ):
        if client is not None and client != failure.client:
            progress.step(
                f"{file} asks for the client {unbroken(failure.client)}: {client} is run"
            )
        failure, results, lacking = confirm_everywhere(file, failure, chosen, confirmer, campaign)
    if lacking and not any(one.tries for one in results.values()):
        raise lacking[0]
    _tell_confirmed(file, failure, results, json_file)
    if not reproduced_where_it_counts(results):
        raise typer.Exit(1)


def _tell_confirmed(
    file: Path,
    failure: Failure,
    results: Mapping[str, Confirmation],
    json_file: Path | None,
) -> None:
    write_json(
        json_file,
        {
            "schema": SCHEMA,
            "failure": str(file),
            "verdicts": list(failure.judgement.verdicts),
            "confirmed": {name: one.to_dict() for name, one in failure.confirmed.items()},
        },
    )
    if str(json_file) != "-":
        output.print(_confirmations(results))
        line = f"{failure.judgement.headline}: {confirmed_line(failure)}"
        output.print(line, markup=False, soft_wrap=True)


def _confirm_test(
    file: Path,
    test: str,
    requirements: list[str] | None,
    client: str | None,
    *,
    tries: int,
    jobs: int,
    json_file: Path | None,
    record: Path | None,
) -> None:
    failure = read_schedule(file, of_tests=True)
    if not isinstance(failure, Failure):
        raise UsageError(f"{file} has not been run: race test {test} --schedule {file} does that")
    check_named(failure, test)
    argument = client_beside(failure, client)
    finder = ForTest(
        *(test, failure.source, failure.child_processes), requirements=tuple(requirements or ())
    )
    check_writable(json_file)
    plan = {"failure": str(file), "tests": [test], "combinations": [str(NATIVE)], "tries": tries}
    with recorded(record, "confirm", plan) as campaign, campaign_progress() as progress:
        failure, confirmation = confirm_natively(
            *(file, failure, finder, argument),
            tries=tries,
            jobs=jobs,
            record=campaign,
            progress=progress,
        )
    _tell_confirmed(file, failure, {str(NATIVE): confirmation}, json_file)
    if str(json_file) != "-" and (fields := left_out(failure.schedule)):
        told = f"not there in real time: {', '.join(fields)}"
        output.print(told, markup=False, highlight=False, soft_wrap=True)
    if not confirmation.reproduced:
        raise typer.Exit(1)


def _confirm_schedule(
    file: Path,
    client: str | None,
    named: Sequence[Combination],
    tries: int,
    jobs: int | None,
    json_file: Path | None,
    record: Path | None,
) -> None:
    read = read_schedule(file)
    if isinstance(read, Failure):
        schedule, on = read.schedule, client or permitted(read)[0]
    elif client is None:
        raise UsageError(f"{file} names no client: say which with --client")
    else:
        schedule, on = read, client
    server = home_of(on).server
    _check(named, on, server)
    check_writable(json_file)
    plan = {
        "schedule": str(file),
        "clients": [on],
        "combinations": [*map(str, named)] or None,
        "tries": tries,
    }
    with (
        recorded(record, "confirm", plan) as campaign,
        campaign_progress() as progress,
        Confirmer(progress.step, tries=tries, jobs=jobs, record=campaign) as confirmer,
    ):
        chosen = named or usual_combinations(server)
        found = try_schedule(schedule, on, chosen, confirmer, campaign)
    write_json(json_file, _of_schedule(file, found))
    if str(json_file) != "-":
        output.print(
            _confirmations(found.results, "failed" if found.failure is None else "reproduced")
        )
        for line in _told(found):
            output.print(line, markup=False, highlight=False, soft_wrap=True)
    if not reproduced_where_it_counts(found.results):
        raise typer.Exit(1)


def _check_client(failure: Failure, client: str | None, chosen: Sequence[Combination]) -> None:
    """Raises UsageError: a client is named although the file has its own; or the file's client
    must be named."""
    if client is not None and is_anybodys(of_failure(failure)[0]):
        raise UsageError("--client is for --schedule: a failure file names its own")
    for combination in chosen:
        permitted(failure, client, combination)


def _check(named: Sequence[Combination], client: str, server: str) -> None:
    for combination in named:
        if (server == "own") != (combination.server == "own"):
            brings = "brings its own server: sim-own and real-own are"
            needs = "has no server of its own: sim-fake, sim-real, real-fake and real-real are"
            raise UsageError(
                f"the client {unbroken(client)} {brings if server == 'own' else needs} what it "
                "can be tried in"
            )


def _confirmations(results: Mapping[str, Confirmation], seen: str = "reproduced") -> Table:
    table = Table("where", seen, "verdicts", "client", "server", box=SIMPLE_HEAD)
    for name, one in results.items():
        if one.reason is not None:
            table.add_row(name, "not tried", Sentence(one.reason), "", "")
            continue
        verdicts = ", ".join(f"{verdict} {count}" for verdict, count in one.verdicts.items())
        table.add_row(
            name,
            f"{one.reproduced} of {one.tries}",
            verdicts,
            Text(one.resolved_version),
            Text(one.server_version or ""),
        )
    return table


def _told(found: Found) -> Iterator[str]:
    if found.failure is None:
        yield not_found(found.results)
    else:
        headline = found.failure.judgement.headline
        there = found.results[str(found.place)]
        yield (
            f"{headline}: found in {found.place} ({there.reproduced} of {there.tries}); "
            f"{confirmed_line(found.failure)}".removesuffix("; ")
        )
        yield replay_of(found.failure, found.path)
    if found.void is not None:
        yield f"some trials are void, the first because: {found.void}"


def _of_schedule(file: Path, found: Found) -> dict[str, Any]:
    failure = found.failure
    return {
        "schema": SCHEMA,
        "schedule": str(file),
        "failure": None if failure is None else str(found.path),
        "found_in": None if found.place is None else str(found.place),
        "verdicts": [] if failure is None else list(failure.judgement.verdicts),
        "tried": {name: one.to_dict() for name, one in found.results.items()},
    }
