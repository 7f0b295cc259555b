"""`race atlas`: every scenario on every release."""

import time
from typing import Annotated

import typer

from race_harness.atlas.cells import Cell
from race_harness.atlas.table import atlas_markdown, atlas_table
from race_harness.cli.console import (
    Jobs,
    JsonFile,
    Markdown,
    Seed,
    campaign_progress,
    check_outputs,
    output,
    write_json,
)
from race_harness.cli.recorded import RecordFile, ending, open_store
from race_harness.model.asked import MOST_REPS
from race_harness.workers.pool import jobs_in

SCHEMA = 1


def atlas(
    releases: Annotated[
        str,
        typer.Option(
            metavar="A..B",
            help="The releases to run, from A to B; either end may be left out. [default: all]",
        ),
    ] = "..",
    scenarios: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,...",
            help="The scenarios to run, by name or as FILE.py[:NAME]; can be repeated. "
            "[default: all]",
        ),
    ] = None,
    reps: Annotated[
        int, typer.Option(min=1, max=MOST_REPS, help="Repetitions for each cell.")
    ] = 100,
    seed: Seed = 0,
    jobs: Jobs = None,
    json_file: JsonFile = None,
    markdown: Markdown = False,
    record: RecordFile = None,
) -> None:
    """Run scenarios on releases, and say which races came and went when.

    It does not run again what the record already has from this version of the harness with at
    least as many repetitions, so an interrupted survey resumes. Where half of the first 20
    repetitions hang, it runs no more of them.
    """
    from race_harness.atlas.known import known_cells
    from race_harness.atlas.survey import Survey, releases_between
    from race_harness.campaign.drawn import DrawnSchedules
    from race_harness.campaign.own_scenarios import find_scenarios
    from race_harness.model.fingerprint import fingerprint
    from race_harness.search import library

    check_outputs(json_file, markdown=markdown)
    names = [name for several in scenarios or [] for name in several.split(",")]
    chosen = find_scenarios(names or library.names())
    own = {one.name for one in chosen if one.source is not None}
    between = releases_between(releases)
    cells: list[Cell] = []
    began = time.monotonic()
    with campaign_progress() as progress, open_store(record) as store:
        every = known_cells(store, fingerprint=fingerprint(), seed=seed, reps=reps)
        # The user's file may have changed since then.
        known = [cell for cell in every if cell.scenario not in own]
        plan = {"releases": between, "scenarios": [one.name for one in chosen], "reps": reps}
        campaign = store.campaign("atlas", {**plan, "seed": seed})
        with (
            ending(campaign),
            progress.bar("atlas", len(between) * len(chosen)) as bar,
        ):
            schedules = {one.name: DrawnSchedules(one, seed, reps) for one in chosen}
            bar.begin()
            survey = Survey(
                schedules,
                campaign,
                seed=seed,
                own=own,
                jobs=jobs_in("sim", jobs),
                progress=progress.step,
            )
            for cell in survey.cells(between, known):
                cells.append(cell)
                bar.advance(passed=cell.state != "fails")
    write_json(
        json_file,
        {
            "schema": SCHEMA,
            "releases": between,
            "scenarios": [one.name for one in chosen],
            "reps": reps,
            "seed": seed,
            "fingerprint": fingerprint(),
            "seconds": time.monotonic() - began,
            "cells": [cell.to_dict() for cell in cells],
        },
    )
    if markdown:
        print(atlas_markdown(cells), end="")
    elif str(json_file) != "-":
        output.print(atlas_table(cells, output.width))
