"""Where the CPU time of a repetition of a test goes.

    uv run python benchmarks/repetition.py [PATH::NAME] [--reps 200]

Measures one worker process and those that it forks, without a test's imports and warm-up: CPU
milliseconds a repetition, by part. Without a test it takes that of docs/tutorial/flaky-test.md.
"""

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from race_harness.sim import early

early.install()

from race_harness.realtime.processes import Parent  # noqa: E402
from race_harness.search.draw import draw_schedules  # noqa: E402
from race_harness.search.for_tests import scenario_of  # noqa: E402
from race_harness.sim.world import World  # noqa: E402
from race_harness.subjects.pytest_item import Player  # noqa: E402
from race_harness.workers import forked_repetition  # noqa: E402
from race_harness.workers.forked_repetition import ForkedRepetition  # noqa: E402
from race_harness.workers.repeating import RepeatingBench, collected  # noqa: E402
from race_harness.workers.selection import Selection  # noqa: E402

VOTES: Final = Path(__file__).parents[1] / "tests" / "workers" / "votes.py"

PARTS: Final = (
    (forked_repetition, "_own_folders", "folders of its own: mounts, HOME"),
    (World, "__init__", "the world is made"),
    (World, "play", "the world is played, with the test in it"),
    (Player, "play", "  of it, the test: pytest's setup, call and teardown"),
    (forked_repetition, "_judged", "the verdict"),
)
"""Where, which function, and what is done there."""


def cpu_ms() -> float:
    """Of this process, all its threads. `time.process_time` is virtual within a trial."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e3


class Parts:
    """What each part took in one forked process, written down as the process ends."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._spent: dict[str, float] = defaultdict(float)
        for owner, name, label in PARTS:
            setattr(owner, name, self._timed(getattr(owner, name), label))
        whole: Callable[..., None] = ForkedRepetition.run

        def run(repetition: ForkedRepetition, parent: Parent) -> None:
            send = parent.line.send

            def note_and_send(message: object) -> None:
                # Now: when it has told, it may be ended. What a process has used begins at its
                # fork.
                line = json.dumps({"all": cpu_ms(), **self._spent}) + "\n"
                os.write(self._file, line.encode())
                send(message)

            setattr(parent.line, "send", note_and_send)  # noqa: B010 - mypy knows what it was
            whole(repetition, parent)

        setattr(ForkedRepetition, "run", run)  # noqa: B010

    def _timed(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = cpu_ms()
            try:
                return function(*arguments, **named)
            finally:
                self._spent[label] += cpu_ms() - began

        return timed


def spent_ms() -> float:
    """By this process and all that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) * 1e3


def measure(bench: RepeatingBench, reps: int, written: Path) -> Iterator[str]:
    """Lines to print, when pytest has printed its own."""
    for test in bench.ready().tests:
        schedules = list(draw_schedules(scenario_of(test, bench.source_lines()), 0, reps))
        bench.run(schedules[0])
        written.write_text("")
        began, cpu = time.perf_counter(), spent_ms()
        for schedule in schedules:
            bench.run(schedule)
        wall, cpu = (time.perf_counter() - began) * 1e3 / reps, (spent_ms() - cpu) / reps
        inside: dict[str, float] = defaultdict(float)
        for line in written.read_text().splitlines():
            for label, spent in json.loads(line).items():
                inside[label] += spent / reps
        yield f"{test}: {reps} repetitions, {cpu:.1f} ms CPU each, {wall:.1f} ms wall"
        whole = inside.pop("all")
        for _, _, label in PARTS:
            yield f"  {inside[label]:6.2f} ms  {label}"
        top = sum(spent for label, spent in inside.items() if not label.startswith(" "))
        yield f"  {whole - top:6.2f} ms  the rest of the forked process until it reports"
        yield f"  {cpu - whole:6.2f} ms  fork, report, end, and the process that forks"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", nargs="?")
    parser.add_argument("--reps", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        test = options.test
        if test is None:
            shutil.copy(VOTES, Path(folder) / "test_votes.py")
            (Path(folder) / "pytest.ini").write_text("[pytest]\n")
            os.chdir(folder)
            test = "test_votes.py"
        written = Path(folder) / "parts"
        Parts(os.open(written, os.O_CREAT | os.O_WRONLY | os.O_APPEND))
        lines: list[str] = []
        collected(
            Selection((test,)), lambda bench: lines.extend(measure(bench, options.reps, written))
        )
        print("", *lines, sep="\n")


if __name__ == "__main__":
    main()
