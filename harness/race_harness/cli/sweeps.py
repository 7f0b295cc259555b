"""`--sweep`, of `race test` and of `race run`: its options, its words and its numbers."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from race_harness.campaign.progress import Progress
from race_harness.campaign.sweeping import Losing, SweepAsked, Swept
from race_harness.cli.console import (
    campaign_progress,
    check_outputs,
    output,
    write_json,
)
from race_harness.cli.recorded import recorded
from race_harness.model.errors import UsageError
from race_harness.model.source_line import SourceLine
from race_harness.store.store import CampaignRecord
from race_harness.story.facts import replay_of

Sweep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MS,...",
        help="Instead of drawn schedules: stall each line of the source in turn for this many "
        "virtual milliseconds, then promising pairs of lines. Several lengths are tried "
        "one after another.",
    ),
]
Pairs = Annotated[
    int,
    typer.Option(metavar="N", min=0, help="With --sweep: try at most this many pairs of lines."),
]
MOST_PAIRS: Final = 100
_LONGEST_MS: Final = 3_600_000
_SHOWN: Final = 10
"""How many losing pairs are described in words."""


@dataclass(frozen=True)
class SweepOutputs:
    """Where the results of a sweep go."""

    command: str
    plan: dict[str, Any]
    """What the user asked for, for the record."""
    json_file: Path | None
    record: Path | None
    markdown: bool = False


def how_asked(lengths: list[str], pairs: int) -> SweepAsked:
    """Raises UsageError: no stall can have such a length."""
    found = set()
    for text in ",".join(lengths).split(","):
        try:
            for_ms = float(text)
        except ValueError:
            for_ms = math.nan
        if not 0.1 <= for_ms <= _LONGEST_MS:
            raise UsageError(
                f"--sweep {text!r} is no length of a stall: write milliseconds from 0.1 to "
                f"{_LONGEST_MS}, such as --sweep 1,50,1000"
            )
        found.add(for_ms)
    return SweepAsked(tuple(sorted(found)), pairs)


def swept(
    how: SweepAsked,
    outputs: SweepOutputs,
    run: Callable[[CampaignRecord, Progress], list[Swept]],
) -> bool:
    """Run a sweep and print the results; return whether something lost, or fails anyway.

    Raises:
        UsageError: the results cannot be written.
    """
    if outputs.markdown:
        raise UsageError("a sweep has no table: leave out --markdown, and take --json for numbers")
    check_outputs(outputs.json_file, markdown=False)
    plan = {**outputs.plan, "sweep": how.lengths_ms, "pairs": how.pairs}
    with (
        recorded(outputs.record, outputs.command, plan) as campaign,
        campaign_progress() as progress,
    ):
        found = run(campaign, progress)
    numbers = {
        "schema": 2,
        "lengths_ms": list(how.lengths_ms),
        "most_pairs": how.pairs,
        "swept": [_numbers(one) for one in found],
    }
    write_json(outputs.json_file, numbers)
    if str(outputs.json_file) != "-":
        for one in found:
            for line in _in_words(one, how):
                output.print(line, markup=False, highlight=False, soft_wrap=True)
    return any(one.losing or one.losing_pairs or not one.passes_as_it_is for one in found)


def _numbers(one: Swept) -> dict[str, object]:
    return {
        "name": one.name,
        "passes_as_it_is": one.passes_as_it_is,
        "lines": one.lines,
        "reached": one.reached,
        "promising_pairs": one.promising,
        "pairs": one.pairs,
        "trials": one.trials,
        "losing": [_losing_numbers(each) for each in one.losing],
        "losing_pairs": [_losing_numbers(each) for each in one.losing_pairs],
        "first_failure": None if one.path is None else str(one.path),
    }


def _losing_numbers(losing: Losing) -> dict[str, object]:
    return {
        "stalls": [
            {
                "function": line.function,
                "line": line.text,
                "file": line.file,
                "number": line.number,
                "for_ms": for_ms,
            }
            for line, for_ms in zip(losing.lines, losing.lengths_ms, strict=True)
        ],
        "verdicts": list(losing.verdicts),
    }


def _in_words(one: Swept, how: SweepAsked) -> Iterator[str]:
    if not one.passes_as_it_is:
        yield f"{one.name}: does not pass as it is, so no line was tried"
        return
    *most, last = (f"{for_ms:g}" for for_ms in how.lengths_ms)
    lengths = f"{', '.join(most)} and {last}" if most else last
    yield (
        f"{one.name}: {one.lines} lines, {one.reached} of them reached and stalled for "
        f"{lengths} ms, {_lose(len(one.losing))} the race"
    )
    for each in one.losing:
        yield f"  {_losing_words(each)}"
    looked = "pair of other lines looks" if one.promising == 1 else "pairs of other lines look"
    tried = (
        f"{one.pairs} of them stalled together, {_lose(len(one.losing_pairs))} the race"
        if one.pairs
        else "none of them was tried"
    )
    yield f"{one.promising} {looked} promising" + (f", {tried}" if one.promising else "")
    for each in one.losing_pairs[:_SHOWN]:
        yield f"  {_losing_words(each)}"
    if len(one.losing_pairs) > _SHOWN:
        yield f"  and {len(one.losing_pairs) - _SHOWN} more; --json FILE has them all"
    if one.path is not None:
        assert one.failure is not None
        yield replay_of(one.failure, one.path)


def _lose(count: int) -> str:
    return f"{count} loses" if count == 1 else f"{count} lose"


def _losing_words(losing: Losing) -> str:
    where = " and ".join(
        f"{for_ms:g} ms at {_place(line)} {line.function}: {line.text}"
        for line, for_ms in zip(losing.lines, losing.lengths_ms, strict=True)
    )
    return f"{', '.join(losing.verdicts)}: {where}"


def _place(line: SourceLine) -> str:
    """File and number: from here, or as it was installed."""
    file = Path(line.file)
    if file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    else:
        for installed in ("site-packages", "dist-packages"):
            if installed in file.parts:
                file = Path(*file.parts[file.parts.index(installed) + 1 :])
    return f"{file}:{line.number}"
