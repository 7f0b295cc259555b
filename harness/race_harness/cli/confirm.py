"""`race confirm`: whether a failure is one on the real server, too."""

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from race_harness.campaign.elsewhere import TRIES, Confirmer, not_tried, usual_combinations
from race_harness.cli.console import (
    CORES,
    JsonFile,
    campaign_progress,
    check_writable,
    output,
    write_json,
)
from race_harness.cli.recording import RecordFile, recorded
from race_harness.model.combination import Combination
from race_harness.model.confirmation import Confirmation, reproduced_where_it_counts
from race_harness.model.errors import ClientUnavailable, UsageError
from race_harness.model.failure import Failure
from race_harness.model.failure import confirm as confirm_in_file
from race_harness.story.reproduced import confirmed_line

SCHEMA = 1


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
    results: dict[str, Confirmation] = {}
    lacking: list[ClientUnavailable] = []
    plan = {"failure": str(file), "combinations": combination, "tries": tries}
    with (
        recorded(record, "confirm", plan) as campaign,
        campaign_progress() as progress,
        Confirmer(progress.step, tries=tries, jobs=CORES, record=campaign) as confirmer,
    ):
        for each in chosen or usual_combinations(failure):
            try:
                result = confirmer.tried(failure, each)
            except ClientUnavailable as error:
                lacking.append(error)
                result = not_tried(failure, str(error))
            results[str(each)] = result
            # One after another: what an interrupt leaves is there.
            failure = confirm_in_file(file, each, result)
            campaign.store.confirmed(failure, each)
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
        output.print(_table(results))
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


def _table(results: dict[str, Confirmation]) -> Table:
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
