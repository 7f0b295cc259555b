"""Do 1,000 seeds do the same again? Prints one line.

For each client the campaign runs twice, in processes with different PYTHONHASHSEED and different
numbers of jobs, and the first failure of each is replayed in a fresh process.

    uv run python benchmarks/determinism.py [--reps 1000] [--server fake|real] [CLIENT ...]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CLIENTS = ("1.10.0", "1.11.1", "1.58.0")
SCENARIOS = ("final-events", "cut-at-run")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reps", default="1000")
    parser.add_argument("--server", default="fake", choices=("fake", "real"))
    parser.add_argument("clients", nargs="*", default=list(CLIENTS))
    asked = parser.parse_args(arguments)
    reps, clients, server = asked.reps, asked.clients, asked.server
    different: list[str] = []
    replayed = 0
    for client in clients:
        for scenario in SCENARIOS:
            first, second = (
                measure(client, server, scenario, reps, hash_seed, jobs)
                for hash_seed, jobs in (("0", "1"), ("4242", "2"))
            )
            if first["campaign_digest"] != second["campaign_digest"]:
                different.append(f"{client} {scenario}")
            if first["first_failure"] is not None:
                replayed += 1
                if race("replay", first["first_failure"], hash_seed="7").returncode != 0:
                    different.append(f"replay {first['first_failure']}")
    print(
        f"{'deterministic' if not different else 'NOT deterministic'}: "
        f"{reps} seeds of {', '.join(SCENARIOS)} on {', '.join(clients)} against the {server} "
        f"server, twice each with other hash seeds and jobs; {replayed} failures replayed"
        + (f"; different: {', '.join(different)}" if different else "")
    )
    return 1 if different else 0


def measure(
    client: str, server: str, scenario: str, reps: str, hash_seed: str, jobs: str
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        numbers = Path(folder) / "numbers.json"
        options = ["--scenario", scenario, "--reps", reps, "--jobs", jobs, "--json", str(numbers)]
        ended = race("compare", client, "--server", server, *options, hash_seed=hash_seed)
        if ended.returncode != 0:
            sys.exit(ended.stderr)
        summary: dict[str, Any] = json.loads(numbers.read_text())["clients"][0]
        return summary


def race(*arguments: str, hash_seed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "race_harness.cli", *arguments],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
