"""CPU time of a trial in this tree and in another one, in turns.

    git worktree add ../before HEAD~1
    uv run python benchmarks/two_trees.py ../before [--client 1.58.0] [--scenario clean]

Each tree has a process in the client's environment, and they take turns of fifty trials, the
same ones: a machine that is slow for a second is slow for both. Imports and warm-up are left out.
What counts is the median of the pairs' ratios; the quartiles say how much it is worth.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
WARM = 50
"""Trials before the measurement."""
TURN = 50
"""Trials in a turn: as many as a worker runs between two garbage collections, or a multiple."""


def _departures(schedule: dict[str, Any], benign: dict[str, Any]) -> dict[str, Any]:
    """What differs from a benign one: the other tree may not have all the fields."""
    kept = {}
    for name, value in schedule.items():
        if name == "scenario" or not isinstance(value, dict):
            if name == "scenario" or value != benign[name]:
                kept[name] = value
        elif inner := _departures(value, benign[name]):
            kept[name] = inner
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--client", default="1.58.0")
    parser.add_argument("--scenario", default="clean")
    parser.add_argument("--turns", type=int, default=40)
    options = parser.parse_args()

    from race_harness.campaign.resolve import find_client
    from race_harness.model.schedule import Schedule
    from race_harness.search import library
    from race_harness.search.draw import draw_schedules

    client = find_client(options.client, lambda line: print(line, file=sys.stderr))
    drawn = draw_schedules(library.load(options.scenario), 0, WARM + TURN * options.turns)
    benign = Schedule(options.scenario).to_dict()
    schedules = json.dumps([_departures(schedule.to_dict(), benign) for schedule in drawn])

    def started(tree: Path) -> subprocess.Popen[str]:
        command = [str(client.python), "-P", __file__, "--inside", str(tree), client.adapter]
        process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, bufsize=1)
        assert process.stdin is not None
        process.stdin.write(f"{schedules}\n")
        return process

    here, there = started(HERE), started(options.other.resolve())
    pairs = [(_turn(here), _turn(there)) for _ in range(options.turns)]
    for process in (here, there):
        process.communicate()
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    low, middle, high = statistics.quantiles([one / other for one, other in pairs], n=4)
    print(f"{mine:.2f} ms here, {theirs:.2f} ms there, medians of {options.turns} turns")
    print(f"ratio {middle:.3f}, quartiles {low:.3f} and {high:.3f}")


def _turn(process: "subprocess.Popen[str]") -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    return float(process.stdout.readline())


def inside(tree: str, adapter: str) -> None:
    """In the client's environment; prints milliseconds of CPU time a trial for each turn."""
    import importlib.util

    package = Path(tree) / "harness" / "race_harness"
    spec = importlib.util.spec_from_file_location("bootstrap", package / "workers/bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    bootstrap.make_importable(package)
    # As the tree's own workers do.
    if (package / "sim" / "early.py").exists():
        from race_harness.sim import early

        early.install()
    from race_harness.model.schedule import Schedule
    from race_harness.workers import worker

    bench = worker.prepare(adapter)
    schedules = [Schedule.from_dict(entry) for entry in json.loads(sys.stdin.readline())]
    trials = worker.run_trials(bench, schedules)
    for _ in range(WARM):
        next(trials)
    for _ in sys.stdin:
        began = time.process_time()
        for _ in range(TURN):
            next(trials)
        print((time.process_time() - began) / TURN * 1e3, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3])
    else:
        main()
