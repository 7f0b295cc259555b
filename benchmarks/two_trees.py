"""CPU time of a trial in this tree and in another one, in turns.

    git worktree add ../before HEAD~1
    uv run python benchmarks/two_trees.py ../before [--client 1.58.0] [--scenario clean]

Each turn is a process in the client's environment, which runs the same schedules with the one tree
or the other; imports and warm-up are left out. What counts is the ratio of each pair, and their
median. It takes a quiet machine: beside other work two turns of one tree differ by a fifth.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
WARM = 30
"""Trials before the measurement."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--client", default="1.58.0")
    parser.add_argument("--scenario", default="clean")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()

    from race_harness.campaign.resolve import find_client
    from race_harness.search import library
    from race_harness.search.draw import draw_schedules

    client = find_client(options.client, lambda line: print(line, file=sys.stderr))
    drawn = draw_schedules(library.load(options.scenario), 0, options.trials)
    schedules = json.dumps([schedule.to_dict() for schedule in drawn])

    def measured(tree: Path) -> float:
        command = [str(client.python), "-P", __file__, "--inside", str(tree), client.adapter]
        done = subprocess.run(command, input=schedules, text=True, check=True, stdout=-1)
        return float(done.stdout)

    ratios = []
    for _ in range(options.pairs):
        here, there = measured(HERE), measured(options.other.resolve())
        ratios.append(here / there)
        print(f"{here:6.2f} ms here, {there:6.2f} ms there: {ratios[-1]:.3f}", flush=True)
    print(f"median {statistics.median(ratios):.3f}")


def inside(tree: str, adapter: str) -> None:
    """One turn, in the client's environment; prints milliseconds of CPU time a trial."""
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
    schedules = [Schedule.from_dict(entry) for entry in json.load(sys.stdin)]
    for _ in worker.run_trials(bench, schedules[:WARM]):
        pass
    began = time.process_time()
    for _ in worker.run_trials(bench, schedules):
        pass
    print((time.process_time() - began) / len(schedules) * 1e3)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3])
    else:
        main()
