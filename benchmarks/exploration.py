"""How many schedules does each way of exploring need until a known race first shows?

    uv run python benchmarks/exploration.py [--seeds 30] [--cap 300] [--json FILE] [RACE ...]

For each seed a search draws schedules of the race's scenario, adds an interleaving, and runs them
one after another until one fails as the race does. The table gives the median over the seeds and
its 95 % interval (by order statistics, so without assuming any distribution); a search that found
nothing within the cap counts as more than the cap. Races are named CLIENT/SCENARIO.

A sweep draws nothing: it stalls, in the scenario's simplest schedule, one line after another that
the client comes to, for 1,000 ms each, then for 50 ms. Its seed decides the order of the lines.
Where that schedule shows the race by itself it is found after one.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from scipy.stats import binom

from race_harness.campaign.resolve import find_client
from race_harness.model.schedule import Interleaving, LineStall, Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.search.minimal import minimal_schedule
from race_harness.workers.pool import Workers

Line = tuple[str, str]


@dataclass(frozen=True)
class Race:
    """`verdicts`: those that show it; empty: any but `ok`."""

    client: str
    scenario: str
    verdicts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.client}/{self.scenario}"

    def shown(self, result: TrialResult) -> bool:
        if result.void is not None:
            return False
        return bool(set(self.verdicts) & set(result.verdicts)) or (
            not self.verdicts and not result.passed
        )


RACES = (
    Race("1.10.0", "final-events"),
    Race("1.10.0", "cut-at-run"),
    Race("1.58.0", "cut-at-run"),
    # Latencies alone never show it there: they are benign.
    Race("1.10.0", "clean"),
    Race("reference:poll", "final-events"),
    Race("reference:deaf", "cut-at-run"),
)

BATCH = 10
"""Schedules sent at once. What is run beyond the first failure does not count."""

Interleave = Callable[[random.Random, Sequence[Line]], Interleaving]


def _latencies(_rng: random.Random, _lines: Sequence[Line]) -> Interleaving:
    return Interleaving()


def _switching(
    strategy: Literal["random-walk", "pct", "pos"], *, at_lines: bool = False
) -> Interleave:
    def interleave(rng: random.Random, _lines: Sequence[Line]) -> Interleaving:
        return Interleaving(rng.getrandbits(62), strategy, at_lines=at_lines)

    return interleave


def _line_stalls(rng: random.Random, lines: Sequence[Line]) -> Interleaving:
    """As `search.strategies.line_stalls`, without Hypothesis's preference for small values."""
    return Interleaving(
        stalls=tuple(
            LineStall(
                *rng.choice(lines),
                nth=rng.randint(1, 3),
                for_ms=rng.randint(1, rng.choice((100, 5_000, 50_000))) / 10,
            )
            for _ in range(rng.randint(1, 3))
        )
    )


STRATEGIES: dict[str, Interleave] = {
    "latencies only": _latencies,
    "random walk": _switching("random-walk"),
    "random walk, at lines": _switching("random-walk", at_lines=True),
    "PCT": _switching("pct"),
    "PCT, at lines": _switching("pct", at_lines=True),
    "POS": _switching("pos"),
    "POS, at lines": _switching("pos", at_lines=True),
    "line stalls": _line_stalls,
}


SWEEP = "sweep"
SWEEP_MS = (1_000.0, 50.0)


def sweep(race: Race, lines: Sequence[Line], workers: Workers, seed: int) -> Iterator[Schedule]:
    """The scenario's simplest schedule, once as it is and once to look, then with the stalls."""
    scenario = library.load(race.scenario)
    simplest = scenario.given or minimal_schedule(scenario, 0, lambda _schedule: True)
    assert simplest is not None
    yield simplest
    looking = tuple(LineStall(*line) for line in lines)
    base = replace(simplest, interleaving=Interleaving(stalls=looking))
    yield base
    _, trial = workers.run_whole(base)
    told = [entry for entry in trial.happenings if entry["what"] == "line-stalled"]
    reached = list(dict.fromkeys((entry["function"], entry["line"]) for entry in told))
    random.Random(f"{race.name} {seed}").shuffle(reached)
    for for_ms in SWEEP_MS:
        for line in reached:
            stall = LineStall(*line, for_ms=for_ms)
            yield replace(simplest, interleaving=Interleaving(stalls=(stall,)))


def drawn(
    race: Race, interleave: Interleave, lines: Sequence[Line], seed: int, cap: int
) -> Iterator[Schedule]:
    """The scenario's schedules, each with an interleaving."""
    rng = random.Random(f"{race.name} {seed}")
    for schedule in draw_schedules(library.load(race.scenario), seed, cap):
        yield replace(schedule, interleaving=interleave(rng, lines))


def search(
    race: Race,
    name: str,
    lines: Sequence[Line],
    workers: Workers,
    seed: int,
    cap: int,
) -> int | None:
    """Schedules until the race shows, itself included; None if it does not within the cap."""
    schedules = (
        islice(sweep(race, lines, workers, seed), cap)
        if name == SWEEP
        else drawn(race, STRATEGIES[name], lines, seed, cap)
    )
    run = 0
    while batch := list(islice(schedules, BATCH)):
        for result in workers.run(batch, lambda _result: None):
            run += 1
            if race.shown(result):
                return run
    return None


def median_interval(found: Sequence[int | None]) -> tuple[float, float, float]:
    """Median and the 95 % interval of it by order statistics; infinite beyond the cap.

    The k-th smallest of n values is below the median with the probability that fewer than k of
    n tosses of a coin fall heads (David and Nagaraja, "Order Statistics", section 7.1).
    """
    values = sorted(float("inf") if count is None else float(count) for count in found)
    size = len(values)
    middle = (values[(size - 1) // 2] + values[size // 2]) / 2
    below = int(binom.ppf(0.025, size, 0.5))
    if below == 0:  # so few values say nothing
        return middle, 1.0, float("inf")
    return middle, values[below - 1], values[size - below]


def shown(value: float, cap: int) -> str:
    return f">{cap}" if value == float("inf") else f"{value:g}"


def measure(
    race: Race, names: Sequence[str], seeds: int, cap: int, jobs: int
) -> dict[str, object]:
    client = find_client(race.client, lambda line: print(line, file=sys.stderr))
    rows: dict[str, object] = {}
    with client.workers(jobs) as workers:
        workers.wait_ready()
        lines = workers.source_lines()
        for name in names:
            found = [search(race, name, lines, workers, seed, cap) for seed in range(seeds)]
            middle, low, high = median_interval(found)
            rows[name] = found
            print(
                f"{race.name:<30} {name:<22} {shown(middle, cap):>6}  "
                f"[{shown(low, cap)}, {shown(high, cap)}]  "
                f"{sum(count is not None for count in found)}/{seeds} found",
                flush=True,
            )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("races", nargs="*", metavar="RACE", help="all known ones by default")
    parser.add_argument("--seeds", type=int, default=30, help="searches for each cell")
    parser.add_argument("--cap", type=int, default=300, help="schedules that a search may run")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--strategy", action="append", choices=[*STRATEGIES, SWEEP], help="may be repeated"
    )
    parser.add_argument("--json", type=Path, help="where to write every search's count")
    options = parser.parse_args()

    known = {race.name: race for race in RACES}
    unknown = [name for name in options.races if name not in known]
    if unknown:
        parser.error(f"no race {', '.join(unknown)}; there are: {', '.join(known)}")
    names = options.strategy or [*STRATEGIES, SWEEP]
    print(f"{'race':<30} {'strategy':<22} median  [95 % interval] of schedules until it shows")
    counts = {
        name: measure(known[name], names, options.seeds, options.cap, options.jobs)
        for name in options.races or known
    }
    if options.json is not None:
        document = {"seeds": options.seeds, "cap": options.cap, "races": counts}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
