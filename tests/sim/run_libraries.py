"""Runs each of `library_programs.py` several times, each time in a simulation of its own.

A script: libraries keep what they find when they are imported, so here the simulation comes first.
It tells, as JSON, a line for each program, what came of it.
"""

import json
import traceback
from collections.abc import Callable
from typing import Any

from alone import Alone

from race_harness.model.schedule import Link, Network
from race_harness.sim import early


def run(program: Callable[[], None], seed: int | None) -> tuple[str, float]:
    """The digest and the virtual seconds of one simulation."""
    link = Link(3, 2)
    alone = Alone(seed=seed, entropy=7, network=Network(rest=link, socket=link))
    alone.run(program)
    assert alone.kernel.violations == [], alone.kernel.violations[0]
    assert alone.kernel.stop_reason is None, alone.kernel.stacks
    return alone.kernel.trace.digest(), alone.now_s


def main() -> None:
    early.install()
    from library_programs import PROGRAMS

    for name, program in PROGRAMS.items():
        told: dict[str, Any] = {"name": name}
        try:
            # The first time imports and caches things.
            run(program, None)
            told["plain"] = [run(program, None) for _ in range(2)]
            told["switching"] = [run(program, 5) for _ in range(2)]
        except BaseException:
            told["failed"] = traceback.format_exc()
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
