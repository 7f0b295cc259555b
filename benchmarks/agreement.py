"""Do the simulation and its fake server agree with the real server and the real world?

    uv run python benchmarks/agreement.py [CLIENT ...] [--number 200] [--seed 0] [--jobs 12]
    uv run python benchmarks/agreement.py --schedules FILE      # those that were chosen before

Schedules are chosen in sim×fake alone, by a fixed rule: scenarios and fault families in turn; the
verdicts are the same in every neighbour whose times differ by 100 ms (`search.gap`);
half of them fail, and of a client no set of verdicts is more than a third, if there are enough.
They are then run in sim×fake, sim×real and real×real, and their verdicts compared. What disagrees
is told with what each combination saw, and is run a few times more, two trials at a time.
"""

import argparse
import itertools
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.model.combination import REAL_REAL, SIM_FAKE, SIM_REAL, Combination, unavailable
from race_harness.model.limits import work_s
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult, passes
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.search.fault_strategies import with_faults
from race_harness.search.gap import neighbours
from race_harness.workers.pool import Workers
from race_harness.workers.protocol import WholeTrial

CLIENTS: Final = ("1.10.0", "1.11.1", "1.24.0", "1.43.1", "1.58.2")
COMBINATIONS: Final = (SIM_FAKE, SIM_REAL, REAL_REAL)
FAMILIES: Final = (
    ("latency",),
    ("socket",),
    ("rest",),
    ("caller",),
    ("script",),
    ("latency", "socket"),
    ("latency", "rest"),
    ("latency", "caller"),
    ("script", "socket"),
    ("rest", "socket"),
)
GAP_MS: Final = 100.0
SETTLE_S: Final = 6.0
"""An event has 5 s to become visible; in real time the rest of 10 s is only waited for."""
LONGEST_S: Final = 20.0
"""The agent's work, and `run()`; but for stalls, which are about half a minute."""
STALLS_S: Final = 45.0
HANGS: Final = 1
"""For each client: in real time each takes two minutes."""
BATCH: Final = 60

Verdicts = tuple[str, ...]


@dataclass(frozen=True)
class Chosen:
    client: str
    schedule: Schedule
    verdicts: Verdicts
    """In sim×fake, and in all of its neighbours there."""

    @property
    def failing(self) -> bool:
        return not passes(self.verdicts)


@dataclass
class Compared:
    chosen: Chosen
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    """By combination."""
    says: dict[str, list[str]] = field(default_factory=dict)
    """The evidence, or why there is no verdict."""
    again: dict[str, list[Verdicts]] = field(default_factory=dict)
    """Of further tries."""

    def equal(self, *combinations: Combination) -> bool:
        return len({self.verdicts[str(each)] for each in combinations}) == 1


# -- choosing


def candidates(seed: int, number: int) -> Iterator[Schedule]:
    """So many schedules of every scenario and of some families in turn, that all three run."""
    benign = st.just(Schedule("agreement"))
    sources = [library.load(name) for name in library.names()]
    for together in FAMILIES:
        strategy = with_faults(benign, together)
        name = f"agreement: {' and '.join(together)}"
        sources.append(Scenario(name, name, lambda strategy=strategy: strategy))  # type: ignore[misc]
    drawn = [draw_schedules(source, seed, number) for source in sources]
    for schedule in itertools.chain.from_iterable(zip(*drawn, strict=True)):
        caller = replace(schedule.caller, settle_s=SETTLE_S)
        short = replace(schedule, caller=caller)
        if not unavailable(short, "real", "real") and work_s(short) <= LONGEST_S:
            yield short


class Choice:
    """What was chosen for one client so far, and what is still wanted."""

    def __init__(self, client: str, number: int) -> None:
        self.client = client
        self.chosen: list[Chosen] = []
        self._number = number
        self._most = {"ok": number // 2, "hang": HANGS}
        self._sets: Counter[Verdicts] = Counter()

    @property
    def full(self) -> bool:
        return len(self.chosen) == self._number

    def wants(self, result: TrialResult, *, varied: bool) -> bool:
        if result.void is not None or self.full:
            return False
        headline = result.verdicts[0]
        of_a_set = max(1, self._number // 3) if varied else self._number
        most = self._most.get(headline, of_a_set)
        longest_s = STALLS_S if "stall" in result.verdicts else LONGEST_S
        short = headline == "hang" or result.virtual_s <= longest_s
        return short and self._sets[result.verdicts] < most

    def add(self, schedule: Schedule, verdicts: Verdicts) -> None:
        self._sets[verdicts] += 1
        self.chosen.append(Chosen(self.client, schedule, verdicts))


def choose(client: ClientUnderTest, seed: int, number: int, most: int) -> Choice:
    """Look among so many candidates of each source at most, and again among those that there were
    too many of before, if that is not enough."""
    choice = Choice(client.argument, number)
    with at(client, SIM_FAKE).workers() as workers:
        workers.wait_ready()
        for varied in (True, False):
            drawn = candidates(seed, most)
            while not choice.full and (batch := list(itertools.islice(drawn, BATCH))):
                choose_of(batch, choice, workers, varied=varied)
                tell(f"{client.argument}: {len(choice.chosen)} chosen")
    return choice


def choose_of(
    batch: Sequence[Schedule], choice: Choice, workers: Workers, *, varied: bool
) -> None:
    """Run a batch of candidates, and the neighbours of those that are wanted."""
    had = {chosen.schedule for chosen in choice.chosen}
    new = [schedule for schedule in batch if schedule not in had]
    results = dict(zip(new, workers.run(new, ignore), strict=True))
    left = {
        schedule: neighbours(schedule, GAP_MS)
        for schedule, result in results.items()
        if choice.wants(result, varied=varied)
    }
    gapped: set[Schedule] = set()
    # Most that have no gap show it in one of the first neighbours.
    while left:
        wave = {s: moved for s, many in left.items() if (moved := next(many, None))}
        gapped |= left.keys() - wave.keys()
        moved_results = workers.run(wave.values(), ignore)
        left = {
            schedule: left[schedule]
            for schedule, moved in zip(wave, moved_results, strict=True)
            if moved.verdicts == results[schedule].verdicts
        }
    for schedule in new:
        if schedule in gapped and choice.wants(results[schedule], varied=varied):
            choice.add(schedule, results[schedule].verdicts)


def in_turn(choices: Sequence[Sequence[Chosen]], number: int) -> list[Chosen]:
    """So many of the clients' in turn, of each one that fails and then one that passes."""
    turns = [
        zip([c for c in mine if c.failing], [c for c in mine if not c.failing], strict=False)
        for mine in choices
    ]
    pairs = [pair for turn in itertools.zip_longest(*turns) for pair in turn if pair is not None]
    taken = list(itertools.chain.from_iterable(pairs))[:number]
    return sorted(taken, key=lambda entry: entry.client)


def ignore(result: TrialResult) -> None:
    pass


# -- running


def at(client: ClientUnderTest, combination: Combination) -> ClientUnderTest:
    """In the same environment, the one with the real server."""
    return replace(client, combination=combination)


def run(
    clients: Sequence[ClientUnderTest], compared: Sequence[Compared], where: Combination, jobs: int
) -> dict[str, float]:
    """Run all of them in one combination, the clients at once; what it took."""
    began, cpu_s = time.perf_counter(), children_s()

    def run_one(client: ClientUnderTest) -> None:
        mine = [each for each in compared if each.chosen.client == client.argument]
        evidence: dict[int, list[str]] = {}

        def failed(result: TrialResult, whole: WholeTrial) -> None:
            evidence[result.index] = [entry.says for entry in whole.evidence]

        with at(client, where).workers(max(1, jobs // len(clients))) as workers:
            workers.wait_ready()
            results = workers.run([each.chosen.schedule for each in mine], ignore, failed)
        for each, result in zip(mine, results, strict=True):
            if result.void is not None:
                each.verdicts[str(where)], each.says[str(where)] = ("void",), [result.void.says]
            else:
                each.verdicts[str(where)] = result.verdicts
                each.says[str(where)] = evidence.get(result.index, [])

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(run_one, clients))
    wall_s = round(time.perf_counter() - began, 1)
    took = {"wall_s": wall_s, "cpu_s": round(children_s() - cpu_s, 1), "load": os.getloadavg()[1]}
    tell(f"{where}: {took}")
    return took


def run_again(
    clients: Sequence[ClientUnderTest], compared: Sequence[Compared], times: int
) -> None:
    """What disagrees, so many times more in each combination, two trials at a time."""
    for client in clients:
        mine = [each for each in compared if each.chosen.client == client.argument]
        for where in COMBINATIONS if mine else ():
            with at(client, where).workers(min(2, len(mine))) as workers:
                workers.wait_ready()
                schedules = [each.chosen.schedule for each in mine for _ in range(times)]
                results = iter(workers.run(schedules, ignore))
            for each in mine:
                tries = itertools.islice(results, times)
                each.again[str(where)] = [result.verdicts or ("void",) for result in tries]


def children_s() -> float:
    """CPU seconds of all processes that have ended below this one."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# -- reporting


def summary(compared: Sequence[Compared]) -> dict[str, Any]:
    """The numbers of one client, or of all."""
    number = len(compared)
    pairs = {
        "sim×fake = sim×real": (SIM_FAKE, SIM_REAL),
        "sim×fake = real×real": (SIM_FAKE, REAL_REAL),
        "all three": COMBINATIONS,
    }
    return {
        "schedules": number,
        "failing": sum(each.chosen.failing for each in compared),
        "verdicts": dict(Counter(v for each in compared for v in each.chosen.verdicts)),
        "equal": {name: sum(each.equal(*of) for each in compared) for name, of in pairs.items()},
        "same_headline": sum(
            len({verdicts[0] for verdicts in each.verdicts.values()}) == 1 for each in compared
        ),
        "false_alarms": sum(
            not each.chosen.failing and found != ("void",) and not passes(found)
            for each in compared
            for found in [each.verdicts[str(REAL_REAL)]]
        ),
    }


def table(compared: Sequence[Compared], clients: Sequence[str]) -> str:
    lines = [
        f"{'client':<8} {'schedules':>9} {'failing':>8}  {'sim×fake=sim×real':>17}  "
        f"{'sim×fake=real×real':>18}  {'all three':>15}  {'headline':>8}  false alarms",
        "-" * 110,
    ]
    for client in (*clients, "all"):
        mine = [each for each in compared if client in (each.chosen.client, "all")]
        if not mine:
            continue
        numbers = summary(mine)
        of = numbers["schedules"]
        shares = [f"{n} = {n / of:.1%}" for n in numbers["equal"].values()]
        lines.append(
            f"{client:<8} {of:>9} {numbers['failing'] / of:>8.0%}  {shares[0]:>17}  "
            f"{shares[1]:>18}  {shares[2]:>15}  {numbers['same_headline'] / of:>8.1%}  "
            f"{numbers['false_alarms']}"
        )
        verdicts = sorted(numbers["verdicts"].items(), key=lambda each: -each[1])
        lines.append(f"{'':<8} {', '.join(f'{name} {count}' for name, count in verdicts)}")
    return "\n".join(lines)


def account(each: Compared) -> str:
    """One disagreement."""
    schedule = each.chosen.schedule
    lines = [f"{each.chosen.client}, {schedule.scenario}, entropy {schedule.entropy}"]
    lines += [f"  {name} = {value}" for name, value in schedule.non_default_fields().items()]
    for where, verdicts in each.verdicts.items():
        lines.append(f"  {where}: {', '.join(verdicts)}")
        lines += [f"    {says}" for says in each.says[where]]
        if where in each.again:
            tries = Counter(map(", ".join, each.again[where]))
            lines.append(f"    again: {'; '.join(f'{n} × {v}' for v, n in tries.items())}")
    return "\n".join(lines)


def write(chosen: Sequence[Chosen], path: Path) -> None:
    path.write_text(json.dumps([asdict(entry) for entry in chosen]) + "\n")


def read(path: Path) -> list[Chosen]:
    return [
        Chosen(entry["client"], Schedule.from_dict(entry["schedule"]), tuple(entry["verdicts"]))
        for entry in json.loads(path.read_text())
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=f"of {', '.join(CLIENTS)}")
    parser.add_argument("--number", type=int, default=200, help="schedules, of all clients")
    parser.add_argument("--each", type=int, default=50, help="of each client, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=20, help="candidates of each source")
    parser.add_argument("--jobs", type=int, default=12, help="trials at once in real time")
    parser.add_argument("--again", type=int, default=3, help="tries of each disagreement")
    parser.add_argument("--schedules", type=Path, metavar="FILE", help="run these, choose none")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write those that were chosen")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--choose-only", action="store_true")
    options = parser.parse_args()

    names = options.clients or CLIENTS
    if options.schedules is not None:
        chosen = read(options.schedules)
        names = list(dict.fromkeys(c.client for c in chosen))
    clients = [find_client(name, tell, server="real") for name in names]
    if options.schedules is None:
        each, most = options.each, options.most
        with ThreadPoolExecutor(len(clients)) as pool:
            choices = list(pool.map(lambda c: choose(c, options.seed, each, most), clients))
        chosen = in_turn([choice.chosen for choice in choices], options.number)
    if options.out is not None:
        write(chosen, options.out)
    if options.choose_only:
        for name in names:
            sets = Counter(", ".join(c.verdicts) for c in chosen if c.client == name)
            print(name, dict(sets.most_common()))
        return 0

    compared = [Compared(entry) for entry in chosen]
    took = {
        str(where): run(clients, compared, where, options.jobs if where.in_real_time else 4)
        for where in COMBINATIONS
    }
    differ = [each for each in compared if not each.equal(*COMBINATIONS)]
    run_again(clients, differ, options.again)
    for each in differ:
        print(account(each), end="\n\n")
    print(table(compared, names))
    for where, numbers in took.items():
        wall_s, cpu_s, load = numbers.values()
        print(
            f"{where}: {wall_s} s wall, {cpu_s} s CPU, load {load:.1f} on {os.cpu_count()} cores"
        )
    if options.json is not None:
        told = {
            "took": took,
            "clients": {
                name: summary([each for each in compared if each.chosen.client == name])
                for name in names
            },
            "all": summary(compared),
            "compared": [asdict(each) for each in compared],
        }
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0 if not differ else 1


if __name__ == "__main__":
    sys.exit(main())
