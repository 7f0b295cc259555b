"""`race replay`, `race confirm` and `race export`: what can be done with a failure file."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

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
from race_harness.campaign.replaying import Replayed, Replayer
from race_harness.campaign.resolve import recorded as of_failure
from race_harness.cli.console import (
    JsonFile,
    campaign_progress,
    check_writable,
    output,
    write_json,
    write_text,
)
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.model.combination import Combination
from race_harness.model.confirmation import Confirmation, reproduced_where_it_counts
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure, read_schedule
from race_harness.model.schedule import Schedule
from race_harness.story.pytest_file import pytest_file, pytest_file_of_schedule
from race_harness.story.reproduced import confirmed_line
from race_harness.story.timeline import timeline
from race_harness.workers.pool import CORES

SCHEMA = 1


def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FAILURE.json...", help="Failure files.")],
    client: Annotated[
        str | None, typer.Option(help="Another client than the one in the file.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="fake|real", help="Another server than in the file."),
    ] = None,
    world: Annotated[
        str | None, typer.Option(metavar="sim|real", help="Another world than in the file.")
    ] = None,
    times: Annotated[int, typer.Option(min=1, help="How often.")] = 1,
    record: RecordFile = None,
) -> None:
    """Run a failing schedule again, say whether it does the same, and show its timeline.

    Elsewhere than in the file, and in real time, only the verdict can be the same. Several files
    are told of in a line each.

    Exit status 0 when it was reproduced (every time), 1 when not, 2 for an unreadable file.
    """
    befores = [Failure.read(file) for file in files]
    itself = [client] if client is not None else [of_failure(one)[0] for one in befores]
    plan = {"failure": [*map(str, files)], "clients": [*dict.fromkeys(itself)], "times": times}
    with (
        recorded(record, "replay", plan) as campaign,
        campaign_progress() as progress,
        Replayer(
            client=client,
            server=server,
            world=world,
            times=times,
            record=campaign,
            progress=progress,
        ) as replayer,
    ):
        several = [replayer.replay(before) for before in befores]
    if len(several) == 1:
        _tell(several[0], files[0])
    else:
        for file, replayed in zip(files, several, strict=True):
            _tell_in_a_line(replayed, file)
        count = sum(replayed.reproduced for replayed in several)
        output.print(f"{count} of {len(several)} reproduced", style="bold", highlight=False)
    if not all(replayed.reproduced for replayed in several):
        raise typer.Exit(1)


def _tell(replayed: Replayed, file: Path) -> None:
    before, last, times = replayed.before, replayed.afters[-1], len(replayed.afters)
    if last.judgement.headline == before.judgement.headline:
        last = replace(last, confirmed={**last.confirmed, **before.confirmed})
    output.print(timeline(last, file))
    output.print(
        f"verdict: {', '.join(last.judgement.verdicts)}; the file's "
        f"({', '.join(before.judgement.verdicts)}) in {replayed.same_verdict} of {times}",
        highlight=False,
    )
    output.print(f"trace digest: the file's in {replayed.same_digest} of {times}", highlight=False)
    if replayed.only_the_verdict is not None:
        output.print(replayed.only_the_verdict, highlight=False)
    output.print(
        "reproduced" if replayed.reproduced else "NOT reproduced", style="bold", highlight=False
    )


def _tell_in_a_line(replayed: Replayed, file: Path) -> None:
    word = "reproduced" if replayed.reproduced else "NOT reproduced"
    verdicts = ", ".join(replayed.afters[-1].judgement.verdicts)
    its = ", ".join(replayed.before.judgement.verdicts)
    output.print(
        f"{file}: {word}; {verdicts}, the file's ({its}) in {replayed.same_verdict} and its "
        f"digest in {replayed.same_digest} of {len(replayed.afters)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def confirm(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    combination: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORLD-SERVER",
            help="Only there; may be given again. [default: sim-real, real-fake and real-real]",
        ),
    ] = None,
    tries: Annotated[int, typer.Option(min=1, help="How often in each.")] = TRIES,
    json_file: JsonFile = None,
    record: RecordFile = None,
) -> None:
    """Try a failure in other combinations of world and server, and write into its file what came.

    In the simulation all tries but the first have other ids and jitter. Exit status 0 when the
    real server reproduced it at least once (for a client that brings its own: over real sockets),
    else 1.
    """
    failure = Failure.read(file)
    chosen = [_fitting(failure, Combination.parse(text)) for text in combination or []]
    check_writable(json_file)
    plan = {"failure": str(file), "combinations": combination, "tries": tries}
    with (
        recorded(record, "confirm", plan) as campaign,
        campaign_progress() as progress,
        Confirmer(progress.step, tries=tries, jobs=CORES, record=campaign) as confirmer,
    ):
        failure, results, lacking = confirm_everywhere(
            file, failure, chosen or usual_combinations(failure), confirmer, campaign
        )
    if lacking and not any(one.tries for one in results.values()):
        raise lacking[0]
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
        output.print(f"{failure.judgement.headline}: {confirmed_line(failure)}", markup=False)
    if not reproduced_where_it_counts(results):
        raise typer.Exit(1)


def _fitting(failure: Failure, combination: Combination) -> Combination:
    if (failure.server == "own") != (combination.server == "own"):
        brings = "brings its own server: sim-own and real-own are"
        needs = "has no server of its own: sim-fake, sim-real, real-fake and real-real are"
        raise UsageError(
            f"the client {failure.client} {brings if failure.server == 'own' else needs} what it "
            "can be tried in"
        )
    return combination


def _confirmations(results: dict[str, Confirmation]) -> Table:
    table = Table("where", "reproduced", "verdicts", "client", "server", box=SIMPLE_HEAD)
    for name, one in results.items():
        if one.reason is not None:
            table.add_row(name, "not tried", Text(one.reason), "", "")
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


def export(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    out: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where to; - is stdout.")
    ] = Path("test_race.py"),
) -> None:
    """Write a pytest file that fails where the client loses this race and passes where not.

    It needs race-harness and openhands-sdk, and nothing else of the repository that it is put in.
    """
    found = read_schedule(file)
    text = (
        pytest_file_of_schedule(found, file)
        if isinstance(found, Schedule)
        else pytest_file(found, file)
    )
    if out.exists():
        # Somebody may have written tests there.
        raise UsageError(f"{out} is there already: remove it, or name another file with -o")
    write_text(out, text)
