"""Writes failure files anew by running each once more, after a change of what digests cover.

    uv run python benchmarks/renew_failures.py docs/results/findings/*.json

A file is written only if the trial ends in the verdicts that it has, or, with `--verdicts`, in
others as well; all that was confirmed of it is kept, and stacks name no folder of this machine.
Exit status 1 if one is left as it was.
"""

import argparse
import re
import sys
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from race_harness.campaign.campaign import examine
from race_harness.campaign.resolve import find_client, recorded
from race_harness.model.failure import Failure

HERE = Path(__file__).parents[1]


def portable(stack: str) -> str:
    """Without the folders above this checkout, the standard library and what is installed."""
    installed = r"/[^\"]*/(?:site-packages|lib/python3\.\d+)/"
    return re.sub(rf"(?<=File \")(?:{re.escape(str(HERE))}/|{installed})", "", stack)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--verdicts", action="store_true", help="the verdicts may change, too")
    options = parser.parse_args()
    failures = [(path, Failure.read(path)) for path in options.files]
    left = 0
    for (argument, server), group in groupby(failures, lambda one: recorded(one[1])):
        client = find_client(argument, print, server=server)
        with client.workers(1) as workers:
            workers.wait_ready()
            for path, before in group:
                after = examine(client, workers, before.schedule)
                then, now = before.judgement.verdicts, after.judgement.verdicts
                if then != now:
                    print(f"{path}: {', '.join(then)} before, {', '.join(now)} now")
                if then == now or options.verdicts:
                    replace(
                        after,
                        client=before.client,
                        confirmed=before.confirmed,
                        neighbour=before.neighbour,
                        stacks={name: portable(stack) for name, stack in after.stacks.items()},
                    ).write(path)
                else:
                    left += 1
    return left > 0


if __name__ == "__main__":
    sys.exit(main())
