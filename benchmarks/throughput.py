"""How many trials a second, where a trial's time goes, and whether memory stays flat.

    uv run python benchmarks/throughput.py [CLIENT] [--scenario clean] [--trials 1000]

Measures one process, in the client's own environment: trials per CPU second and per wall second
(imports and warm-up left out), CPU time by thread, resident memory along the way. Wall figures
depend on what else the machine does; CPU figures much less.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

HARNESS = Path(__file__).resolve().parent.parent / "harness" / "race_harness"
SAMPLES = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client", nargs="?", default="1.58.0")
    parser.add_argument("--scenario", default="clean")
    parser.add_argument("--trials", type=int, default=1_000)
    options = parser.parse_args()

    from race_harness.campaign.resolve import find_client
    from race_harness.search import library
    from race_harness.search.draw import draw_schedules

    client = find_client(options.client, lambda line: print(line, file=sys.stderr))
    scenario = library.load(options.scenario)
    drawn = draw_schedules(scenario, 0, min(options.trials, 1_000))
    subprocess.run(
        [str(client.python), "-P", __file__, "--inside", client.adapter, str(options.trials)],
        input=json.dumps([schedule.to_dict() for schedule in drawn]),
        text=True,
        check=True,
    )


def inside(adapter_name: str, trials: int) -> None:
    """The measurement itself, in the client's environment."""
    import importlib.util

    location = HARNESS / "workers" / "bootstrap.py"
    spec = importlib.util.spec_from_file_location("bootstrap", location)
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    bootstrap.make_importable(HARNESS)

    from race_harness.sim import early

    early.install()
    from race_harness.model.schedule import Schedule
    from race_harness.sim import kernel
    from race_harness.workers import worker

    bench = worker.prepare(adapter_name)
    schedules = [Schedule.from_dict(entry) for entry in json.load(sys.stdin)]
    thread_time, body, shares = (
        time.thread_time,
        kernel.Kernel._body,
        defaultdict[str, float](float),
    )

    def timed_body(self, strand, work):  # type: ignore[no-untyped-def]
        body(self, strand, work)
        shares["server" if strand.name == "server" else "client's other threads"] += thread_time()

    def run(schedules: list[Schedule]) -> None:
        for _trial in worker.run_trials(bench, schedules):
            pass

    kernel.Kernel._body = timed_body  # type: ignore[method-assign]
    run(schedules[:50])
    shares.clear()
    memory = [resident_mib()]
    cpu, wall, own = time.process_time(), time.perf_counter(), thread_time()
    for sample in range(SAMPLES):
        count = trials * (sample + 1) // SAMPLES - trials * sample // SAMPLES
        run([schedules[n % len(schedules)] for n in range(count)])
        memory.append(resident_mib())
    cpu, wall, own = (
        time.process_time() - cpu,
        time.perf_counter() - wall,
        thread_time() - own,
    )
    print(f"{bench.adapter.version}: {trials} trials, {trials / cpu:.1f} per CPU second, ", end="")
    print(f"{trials / wall:.1f} per wall second, {cpu / trials * 1e3:.2f} ms CPU each")
    for name, seconds in [("client's main thread and kernel", own), *sorted(shares.items())]:
        print(f"  {seconds / trials * 1e3:6.2f} ms  {name}")
    print("resident MiB: " + " ".join(f"{value:.0f}" for value in memory))


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], int(sys.argv[3]))
    else:
        main()
