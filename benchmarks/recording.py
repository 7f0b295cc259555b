"""What it costs a trial to be recorded.

    uv run python benchmarks/recording.py [CLIENT] [--scenario clean] [--trials 500] [--pairs 5]

Measured twice: the writing alone, trial by trial into a file; and whole campaigns on one job, with
a record and without, in turn, by their medians. CPU time is that of the worker and of the
controlling side together. Wall figures depend on what else the machine does, CPU figures much
less.
"""

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from race_harness.campaign.campaign import run_campaign
from race_harness.campaign.resolve import find_client
from race_harness.model.verdict import TrialResult
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.store.series import Series, SeriesRecord
from race_harness.store.store import Store

TARGET = 0.03
"""Of a trial."""


@dataclass(frozen=True)
class Cost:
    """Of one trial, in milliseconds."""

    cpu: float
    wall: float

    @staticmethod
    def median(costs: Sequence["Cost"]) -> "Cost":
        return Cost(
            statistics.median(cost.cpu for cost in costs),
            statistics.median(cost.wall for cost in costs),
        )


class Clock:
    """Runs from when it is made; `group`: of processes that are measured along with this one."""

    def __init__(self, group: int | None = None) -> None:
        self._group = group
        self._cpu, self._wall = self._cpu_s(), time.perf_counter()

    def cost(self, trials: int) -> Cost:
        cpu, wall = self._cpu_s() - self._cpu, time.perf_counter() - self._wall
        return Cost(cpu / trials * 1e3, wall / trials * 1e3)

    def _cpu_s(self) -> float:
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat") if self._group is not None else ():
            with contextlib.suppress(OSError):  # It may have ended meanwhile.
                # See proc(5); the name, in parentheses, may hold anything.
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self._group:
                    ticks += int(fields[11]) + int(fields[12])
        return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client", nargs="?", default="1.58.0")
    parser.add_argument("--scenario", default="clean")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()

    client = find_client(options.client, lambda line: print(line, file=sys.stderr))
    schedules = list(draw_schedules(library.load(options.scenario), 0, options.trials))
    costs: dict[bool, list[Cost]] = {False: [], True: []}
    with (
        TemporaryDirectory(prefix="race-") as folder,
        Store(Path(folder) / "record.db") as store,
        client.workers() as workers,
    ):
        workers.wait_ready()
        series = client.series(workers.server_version, options.scenario, drawn=True)
        run_campaign(client, schedules[:50], workers)
        for pair in range(options.pairs):
            # Which comes first changes, for whatever else the machine begins or ends to do.
            for recorded in (False, True) if pair % 2 else (True, False):
                record = begun(store, series) if recorded else None
                clock = Clock(workers._process.pid)
                run_campaign(client, schedules, workers, series=record)
                costs[recorded].append(clock.cost(len(schedules)))
        alone = writing_alone(begun(store, series), 20 * options.trials)
    without, with_record = Cost.median(costs[False]), Cost.median(costs[True])
    print(
        f"{client.resolved_version}, {options.scenario}: medians of {options.pairs} pairs of ",
        end="",
    )
    print(f"campaigns with {options.trials} trials; milliseconds a trial")
    print(f"{'':24}{'CPU':>9}{'wall':>9}")
    for name, cost in (
        ("without a record", without),
        ("with one", with_record),
        ("the writing alone", alone),
    ):
        print(f"{name:24}{cost.cpu:9.3f}{cost.wall:9.3f}")
    shares = alone.cpu / without.cpu, alone.wall / without.wall
    print(f"{'its share of a trial':24}{shares[0]:9.2%}{shares[1]:9.2%}")
    print(f"less than {TARGET:.0%}: {'yes' if max(shares) < TARGET else 'NO'}")


def begun(store: Store, series: Series) -> SeriesRecord:
    return store.campaign("run", {}).series(series)


def writing_alone(series: SeriesRecord, trials: int) -> Cost:
    """Of trials that nobody ran, one by one."""
    clock = Clock()
    for number in range(trials):
        series.trial(TrialResult(number, ("ok",), "0" * 32, 0.5, 10.0))
    return clock.cost(trials)


if __name__ == "__main__":
    main()
