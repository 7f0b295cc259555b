"""The bug zoo: is each fault that is planted in the reference client found, and how soon?

    uv run python benchmarks/zoo.py [FAULT ...] [--seeds 3] [--most 5000] [--json FILE]
    uv run python benchmarks/zoo.py --right 10000
    uv run python benchmarks/zoo.py --sweep [FAULT ...]

A fault is looked for with schedules of every fault family in turn, until one fails that the right
client passes. A bug that any trial shows proves nothing: each fault has to pass `clean` every
time, and nine in ten schedules without faults. `--right` runs the right client through so many
schedules of each family instead, and shows the first failure, of which there must be none.

`--sweep` looks for each fault by stalls alone: a network and a server in order, two runs, and one
line of the client after another that is held up for 1,000 ms, then for 50 ms. Many faults need
more than that, so that none has to be found.
"""

import argparse
import gc
import itertools
import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from hypothesis import strategies as st

from race_harness.clients import source_of
from race_harness.clients.reference.adapter import ReferenceAdapter
from race_harness.clients.reference.zoo import FAULTS
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import (
    Caller,
    Interleaving,
    LineStall,
    Link,
    Network,
    Schedule,
    Script,
    ServerTiming,
)
from race_harness.model.verdict import passes
from race_harness.network.site import UvicornSite
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.search.fault_strategies import FAMILIES, with_faults
from race_harness.search.strategies import milliseconds
from race_harness.sim import source
from race_harness.workers.trial import Trial, run_trial
from race_harness.workers.worker import prepare

CLEAN, FAULT_FREE = 30, 200
"""Trials of `clean` and of schedules without faults, for each fault."""
PASSING = 0.9
"""Of the schedules without faults."""
COLLECT_EVERY = 50
SWEEP_MS = (1_000.0, 50.0)


@st.composite
def fault_free(draw: st.DrawFn) -> Schedule:
    """What an ordinary network and server do all day."""
    latency, jitter = milliseconds(0.1, 20, benign=0.5), milliseconds(0, 2, benign=0)
    return Schedule(
        scenario="fault-free",
        script=Script(tool_calls=draw(st.integers(0, 3))),
        server=ServerTiming(
            start_ms=draw(milliseconds(0.1, 50, benign=0.4)),
            think_ms=draw(milliseconds(50, 400, benign=200)),
            tool_ms=draw(milliseconds(0, 50, benign=1)),
            persist_ms=draw(milliseconds(0.1, 2, benign=0.5)),
            publish_ms=draw(milliseconds(0.1, 5, benign=0.5)),
            snapshot_ms=draw(milliseconds(0.1, 10, benign=1)),
        ),
        network=Network(
            rest=Link(draw(latency), draw(jitter)), socket=Link(draw(latency), draw(jitter))
        ),
        caller=replace(Schedule("").caller, runs=draw(st.integers(1, 2))),
    )


@st.composite
def deadline(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """run() is given a timeout, which the run may outlast."""
    timeout_s = draw(st.floats(0.05, 4).map(lambda seconds: round(seconds, 2)))
    think_ms = draw(milliseconds(1, 3_000, benign=200))
    return replace(
        schedule,
        server=replace(schedule.server, think_ms=think_ms),
        caller=replace(schedule.caller, timeout_s=timeout_s),
    )


def families() -> dict[str, Scenario]:
    """Each fault family alone, a deadline, two pairs, and all of them together."""
    benign = st.just(Schedule("zoo"))
    found = {name: with_faults(benign, [name]) for name in FAMILIES}
    found["deadline"] = benign.flatmap(deadline)
    for together in (("script", "socket"), ("latency", "caller"), tuple(FAMILIES)):
        name = "all" if len(together) == len(FAMILIES) else " and ".join(together)
        found[name] = with_faults(benign, together)
    return {
        name: Scenario(f"zoo-{name}", name, lambda strategy=strategy: strategy)  # type: ignore[misc]
        for name, strategy in found.items()
    }


@dataclass
class Found:
    """How one fault fared."""

    fault: str
    what: str
    clean: float
    """Share of `clean` that passes."""
    fault_free: float
    schedules: list[int | None] = field(default_factory=list)
    """How many it took, for each seed; None: not found."""
    by: list[str] = field(default_factory=list)
    """Family and verdict, for each seed."""

    @property
    def hidden(self) -> bool:
        return self.clean == 1 and self.fault_free >= PASSING

    @property
    def found(self) -> bool:
        return None not in self.schedules

    @property
    def median(self) -> float | None:
        numbers = [number for number in self.schedules if number is not None]
        return statistics.median(numbers) if self.found and numbers else None


class Zoo:
    def __init__(self, site: UvicornSite) -> None:
        self._site = site
        self._trials = 0
        self._right = ReferenceAdapter()

    def passes(self, fault: str, schedule: Schedule) -> bool:
        return has_passed(self.trial(ReferenceAdapter(fault), schedule))

    def trial(self, adapter: ReferenceAdapter, schedule: Schedule) -> Trial:
        self._trials += 1
        if self._trials % COLLECT_EVERY == 0:
            gc.collect()
        return run_trial(schedule, adapter, self._site)

    def look_for(self, fault: str, seeds: int, most: int) -> Found:
        clean = list(draw_schedules(library.load("clean"), 0, CLEAN))
        free = Scenario("fault-free", "", fault_free)
        ordinary = list(draw_schedules(free, 0, FAULT_FREE))
        what = " ".join((FAULTS[fault].__doc__ or "").partition("\n\n")[0].split())
        found = Found(
            fault,
            what,
            statistics.mean(self.passes(fault, schedule) for schedule in clean),
            statistics.mean(self.passes(fault, schedule) for schedule in ordinary),
        )
        for seed in range(seeds):
            number, by = self._search(fault, seed, most)
            found.schedules.append(number)
            found.by.append(by)
        return found

    def _search(self, fault: str, seed: int, most: int) -> tuple[int | None, str]:
        adapter = ReferenceAdapter(fault)
        for number, (family, schedule) in enumerate(itertools.islice(hunted(seed), most), 1):
            trial = self.trial(adapter, schedule)
            # What the right client fails as well is the harness's own mistake, or nobody's.
            if not has_passed(trial) and self.passes("none", schedule):
                return number, f"{family}: {verdicts(trial)}"
        return None, "not found"

    def sweep(self, fault: str) -> str:
        """How many trials it took until a stall showed it, that the right client bears."""
        adapter = ReferenceAdapter(fault)
        base = Schedule("zoo", script=Script(tool_calls=1), caller=Caller(runs=2))

        def stalled(*stalls: LineStall) -> Schedule:
            return replace(base, interleaving=Interleaving(stalls=stalls))

        lines = [LineStall(*line) for line in source.lines(source_of(adapter))]
        looked = self.trial(adapter, stalled(*lines))
        told = [entry.detail for entry in looked.happenings if entry.what == "line-stalled"]
        reached = list(dict.fromkeys((one["function"], one["line"]) for one in told))
        tried = 1
        for for_ms in SWEEP_MS:
            for line in reached:
                tried += 1
                schedule = stalled(LineStall(*line, for_ms=for_ms))
                trial = self.trial(adapter, schedule)
                if not has_passed(trial) and self.passes("none", schedule):
                    by = f"{verdicts(trial)}: {for_ms:g} ms at {line[0]}: {line[1]}"
                    return f"{fault:<20} {len(reached):>5} lines {tried:>5} trials  {by}"
        return f"{fault:<20} {len(reached):>5} lines {tried:>5} trials  not found"

    def right(self, count: int, seed: int) -> bool:
        """Whether the right client passes them all."""
        good = True
        for family, scenario in families().items():
            void = failed = 0
            for schedule in draw_schedules(scenario, seed, count):
                trial = self.trial(self._right, schedule)
                verdict = verdicts(trial)
                void += verdict == "void"
                if verdict != "void" and not has_passed(trial):
                    failed += 1
                    if failed == 1:
                        print(f"{family}: {verdict}\n{schedule.to_json()}")
                        print(trial.judgement.evidence if trial.judgement else "")
            print(f"{family}: {failed} of {count} failed, {void} void", flush=True)
            good = good and not failed
        return good


def hunted(seed: int) -> Iterator[tuple[str, Schedule]]:
    """Schedules of every family in turn, for ever."""
    drawn = {name: draw_schedules(entry, seed, 10**9) for name, entry in families().items()}
    while True:
        for name, schedules in drawn.items():
            yield name, next(schedules)


def has_passed(trial: Trial) -> bool:
    return trial.judgement is not None and passes(trial.judgement.verdicts)


def verdicts(trial: Trial) -> str:
    return "void" if trial.judgement is None else ", ".join(trial.judgement.verdicts)


def table(rows: list[Found]) -> str:
    lines = [
        f"{'fault':<20} {'clean':>6} {'no fault':>9} {'found after (median)':>21}  by",
        "-" * 100,
    ]
    for row in rows:
        median = "not found" if row.median is None else f"{row.median:g}"
        flaw = "" if row.hidden else "  NOT HIDDEN"
        by = " | ".join(dict.fromkeys(row.by))
        lines.append(
            f"{row.fault:<20} {row.clean:>6.0%} {row.fault_free:>9.1%} {median:>21}  {by}{flaw}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of --right")
    parser.add_argument("--most", type=int, default=5_000, help="schedules until giving up")
    parser.add_argument("--right", type=int, metavar="N", help="schedules of each family")
    parser.add_argument("--sweep", action="store_true", help="stalls at each line alone")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    unknown = set(options.faults) - set(FAULTS)
    if unknown:
        parser.error(f"no fault {', '.join(sorted(unknown))}; there are: {', '.join(FAULTS)}")

    site = prepare("reference").site
    zoo = Zoo(site)
    if options.right is not None:
        return 0 if zoo.right(options.right, options.seed) else 1
    if options.sweep:
        told = []
        for fault in options.faults or FAULTS:
            told.append(zoo.sweep(fault))
            print(told[-1], flush=True)
        found = sum(not line.endswith("not found") for line in told)
        print(f"{found} of {len(told)} found")
        return 0
    rows = []
    for fault in options.faults or FAULTS:
        rows.append(zoo.look_for(fault, options.seeds, options.most))
        print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))
    if options.json is not None:
        numbers = [{**asdict(row), "median": row.median} for row in rows]
        options.json.write_text(json.dumps(numbers, indent=2) + "\n")
    return 0 if all(row.found and row.hidden for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
