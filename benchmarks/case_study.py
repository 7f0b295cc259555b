"""Pull request #1832, commit by commit: numbers and tables of `docs/results/case-study-1832.md`.

    git clone https://github.com/OpenHands/software-agent-sdk
    git -C software-agent-sdk fetch origin pull/1832/head
    uv run python benchmarks/case_study.py software-agent-sdk [--reps 200] [--jobs 2]
    uv run python benchmarks/case_study.py                    # write the tables again, run nothing

Three things are run: a thousand repetitions of the race itself on main, on the branch and on what
was merged; the schedule of each file in `docs/results/case-study-1832/` on every commit of the
branch, once, since it does the same each time; and every scenario on every commit. What was run is
kept in `docs/results/case-study-1832.json`, cell by cell, so that a second start goes on. The
tables in the document are made from it alone, and show of the commits those that are complete.

A trial that hangs costs as much as two hundred others. So a cell ends after its first 20 trials if
at least half of them hang, and on a commit that is said to change nothing (words, structure, or
what it takes back) 20 trials are run of each scenario, which is enough to see whether it does.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from race_harness.atlas.cells import HEAD
from race_harness.campaign.comparison import summarise
from race_harness.campaign.resolve import find_client
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario
from race_harness.model.verdict import ORDER, TrialResult, passes
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.statistics.intervals import mcnemar_exact
from race_harness.workers.pool import Workers

SCHEMA: Final = 1
DOCS: Final = Path(__file__).parent.parent / "docs" / "results"
PAGE: Final = DOCS / "case-study-1832.md"
NUMBERS: Final = DOCS / "case-study-1832.json"
FILES: Final = DOCS / "case-study-1832"
SEED: Final = 0
THOUSAND: Final = 1_000


@dataclass(frozen=True)
class Commit:
    revision: str
    does: str
    refactors: bool = False
    """Said to change nothing, or to take back what the one before it changed."""


COMMITS: Final = (
    Commit("35b32e55d", "main"),
    Commit("ec4b0fb1d", "reconcile"),
    Commit("25aa32018", "recent"),
    Commit("0b407d834", "event"),
    Commit("13ad596f2", "socket alone"),
    Commit("bd8e31199", "is_terminal", refactors=True),
    Commit("52876390f", "5 s wait"),
    Commit("939f74bd9", "comment", refactors=True),
    Commit("69610abe9", "1 s wait", refactors=True),
    Commit("622b71137", "3 polls"),
    Commit("3fa517360", "not idle"),
    Commit("f054895b6", "counter"),
    Commit("cc6c1bedc", "lock"),
    Commit("6e354e6fa", "queue"),
    Commit("78f527cf2", "main, later"),
    Commit("8fd9421ed", "merged"),
)
RACE: Final = ("final-events", "delayed-callback")
BRANCHES: Final = ("78f527cf2", "ec4b0fb1d", "6e354e6fa", "8fd9421ed")
"""Main before the merge, the first commit, the branch when the maintainer asked, the merge."""

Cell = dict[str, Any]


# -- the numbers


def load(path: Path = NUMBERS) -> dict[str, Any]:
    """What was run before, or nothing."""
    if path.exists():
        numbers: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return numbers
    empty = ("versions", "thousand", "schedules", "cells")
    return {"schema": SCHEMA, "seed": SEED, **{section: {} for section in empty}}


def store(numbers: Mapping[str, Any], path: Path = NUMBERS) -> None:
    """Write the numbers whole, a cell a line."""

    def rows(named: Mapping[str, Any]) -> str:
        return ",\n".join(f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in named.items())

    def section(named: Mapping[str, Mapping[str, Any]]) -> str:
        return ",\n".join(
            f"  {json.dumps(name)}: {{\n{rows(row)}\n  }}" for name, row in named.items()
        )

    sections = "".join(
        f',\n "{name}": {{\n{section(numbers[name])}\n }}'
        for name in ("thousand", "schedules", "cells")
    )
    text = (
        f'{{\n "schema": {SCHEMA},\n "seed": {SEED},\n "versions": {{\n'
        f"{rows(numbers['versions'])}\n }}{sections}\n}}\n"
    )
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def cell_of(results: Sequence[TrialResult], seconds: float) -> Cell:
    """The trials of one scenario on one commit, in short."""
    summary = summarise("", "", results, seconds, None)
    cell = {
        "reps": summary.reps,
        "void": summary.void,
        "passed": summary.passed,
        "verdicts": summary.verdicts,
        "mean_s": round(summary.virtual_s.mean, 3) if summary.virtual_s else None,
        "p95_s": round(summary.virtual_s.p95, 3) if summary.virtual_s else None,
        "ci95": [round(bound, 4) for bound in summary.ci95],
        "seconds": round(seconds, 1),
    }
    head = cell if len(results) <= HEAD else cell_of(results[:HEAD], seconds)
    return {**cell, "head": known_by(head)}


def known_by(head: Cell) -> str:
    """What tells whether two commits do the same: verdicts and times, not ids and versions."""
    verdicts = ", ".join(f"{verdict} {count}" for verdict, count in head["verdicts"].items())
    return f"{verdicts}; {head['mean_s']} s"


def is_enough(cell: Cell | None, reps: int) -> bool:
    """Whether a cell need not be run (again)."""
    return cell is not None and (cell["reps"] >= reps or ends_early(cell))


def ends_early(cell: Cell) -> bool:
    """Whether a cell of HEAD trials hangs too often to go on."""
    hangs: int = cell["verdicts"].get("hang", 0)
    return bool(cell["reps"] == HEAD and 2 * hangs >= HEAD)


def measure(
    workers: Workers, scenario: Scenario, reps: int, *, all_of_them: bool = False
) -> tuple[Cell, list[TrialResult]]:
    """Run a scenario's first schedules; see above for where it stops."""
    schedules = list(draw_schedules(scenario, SEED, reps))
    began = time.perf_counter()
    split = reps if all_of_them else HEAD
    results = workers.run(schedules[:split], ignore)
    cell = cell_of(results, time.perf_counter() - began)
    if len(schedules) > split and not ends_early(cell):
        more = workers.run(schedules[split:], ignore)
        results += [replace(result, index=result.index + split) for result in more]
        cell = cell_of(results, time.perf_counter() - began)
    return cell, results


def failures() -> dict[str, Failure]:
    """The failure files that the document tells of, by name."""
    return {path.stem: Failure.read(path) for path in sorted(FILES.glob("*.json"))}


def run(repository: str, numbers: dict[str, Any], reps: int, jobs: int) -> None:
    """Fill what is missing, commit by commit, and keep each cell as it is done."""
    once = {name: failure.schedule for name, failure in failures().items()}
    for commit in COMMITS:
        revision, wanted = commit.revision, HEAD if commit.refactors else reps
        schedules = [n for n in once if revision not in numbers["schedules"].get(n, {})]
        missing = [
            name
            for name in library.names()
            if not is_enough(numbers["cells"].get(name, {}).get(revision), wanted)
        ]
        if not schedules and not missing:
            continue
        client = find_client(f"{repository}@{revision}", tell)
        numbers["versions"][revision] = client.resolved_version
        with client.workers(jobs) as workers:
            workers.wait_ready()
            results = workers.run([once[name] for name in schedules], ignore)
            for name, result in zip(schedules, results, strict=True):
                told = [*result.verdicts, round(result.virtual_s, 2)]
                put(numbers["schedules"], name, revision, told)
            store(numbers)
            for name in missing:
                cell, _ = measure(workers, library.load(name), wanted)
                put(numbers["cells"], name, revision, cell)
                store(numbers)
                tell(f"{revision} {name}: {cell['verdicts']} in {cell['seconds']} s")


def put(section: dict[str, Any], name: str, revision: str, value: object) -> None:
    """Set a cell, and keep the row in the order of the commits."""
    row = {**section.get(name, {}), revision: value}
    section[name] = {c.revision: row[c.revision] for c in COMMITS if c.revision in row}


def ignore(result: TrialResult) -> None:
    pass


def run_thousand(repository: str, numbers: dict[str, Any], jobs: int) -> None:
    """The repetitions that were asked for in the thread: the same schedules on each."""
    for name in RACE:
        done = numbers["thousand"].get(name, {})
        if all(revision in done for revision in BRANCHES):
            continue
        failed: dict[str, set[int]] = {}
        row: dict[str, Any] = {}
        for revision in BRANCHES:
            client = find_client(f"{repository}@{revision}", tell)
            with client.workers(jobs) as workers:
                workers.wait_ready()
                cell, results = measure(workers, library.load(name), THOUSAND, all_of_them=True)
            failed[revision] = {result.index for result in results if not result.passed}
            row[revision] = cell
            tell(f"{revision} {name}: {cell['verdicts']} in {cell['seconds']} s")
        before = failed[BRANCHES[0]]
        for revision in BRANCHES[1:]:
            only_before, only_here = len(before - failed[revision]), len(failed[revision] - before)
            row[revision]["against_main"] = [
                only_before,
                only_here,
                mcnemar_exact(only_before, only_here),
            ]
        numbers["thousand"][name] = row
        store(numbers)


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# -- the tables


Row = Mapping[str, Any]


def columns(rows: Sequence[Row]) -> list[list[Commit]]:
    """The commits in order that are in every row, neighbours together whose values are equal."""
    complete = [c for c in COMMITS if rows and all(c.revision in row for row in rows)]
    grouped = itertools.groupby(complete, lambda c: [row[c.revision] for row in rows])
    return [list(group) for _, group in grouped]


def grid(
    first: str, named: Mapping[str, Row], by: str, show: Callable[[Any], str]
) -> Iterator[str]:
    """A table of rows by name and commits; `by` is what a cell is known by, if not by itself."""
    known = [{r: v[by] if by else v for r, v in row.items()} for row in named.values()]
    groups = columns(known)
    heads = ["<br>".join(f"{c.does} `{c.revision[:7]}`" for c in group) for group in groups]
    yield f"| {first} | " + " | ".join(heads) + " |"
    yield "|---" * (len(groups) + 1) + "|"
    for name, row in named.items():
        cells = [show(row[group[0].revision]) for group in groups]
        yield f"| `{name}` | " + " | ".join(cells) + " |"


def outcome(told: Sequence[Any]) -> str:
    """One trial: how long `run()` took, or what was wrong."""
    *verdicts, seconds = told
    if verdicts == ["ok"]:
        return f"{seconds:.1f} s"
    said = ", ".join(verdicts)
    return said if passes(verdicts) else f"**{said}**"


def share(cell: Cell) -> str:
    """How a cell failed: its gravest common verdict and how many of a hundred trials failed."""
    judged = cell["reps"] - cell["void"]
    failed = judged - cell["passed"]
    if not judged:
        return "void"
    if not failed:
        return "·" if cell["verdicts"].get("ok") == judged else "∘"
    bad = {verdict: count for verdict, count in cell["verdicts"].items() if not passes([verdict])}
    commonest = min(bad, key=lambda verdict: (-bad[verdict], ORDER.index(verdict)))
    percent = 100 * failed / judged
    shown = f"{percent:.0f}" if percent >= 1 else f"{percent:.1f}"
    return f"{commonest} {shown}"


def thousand(numbers: Mapping[str, Any]) -> Iterator[str]:
    """The maintainer's table."""
    does = {commit.revision: commit.does for commit in COMMITS}
    yield (
        "| scenario | commit | success rate | 95 % interval | mean `run()` | 95th percentile "
        "| wrong | all thousand took |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for name in RACE:
        for revision, cell in numbers["thousand"].get(name, {}).items():
            low, high = (100 * bound for bound in cell["ci95"])
            judged = cell["reps"] - cell["void"]
            wrong = ", ".join(f"{v} {n}" for v, n in cell["verdicts"].items() if v != "ok") or "–"
            yield (
                f"| `{name}` | {does[revision]} `{revision}` | {cell['passed']} / {judged} = "
                f"{100 * cell['passed'] / judged:.1f} % | {low:.1f} to {high:.1f} | "
                f"{cell['mean_s']:.2f} s | {cell['p95_s']:.2f} s | {wrong} | "
                f"{cell['seconds']:.0f} s |"
            )


def rewritten(page: str, numbers: Mapping[str, Any]) -> str:
    """The document with its tables made anew, each between its two comments."""
    tables = {
        "thousand": thousand(numbers),
        "schedules": grid("schedule", numbers["schedules"], "", outcome),
        "scenarios": grid("scenario", numbers["cells"], "head", share),
    }
    for name, lines in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{PAGE.name} has no place for the table {name!r}")
        page = f"{before}{begin}\n" + "\n".join(lines) + f"\n\n{end}{after}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repository", nargs="?", help="a clone with the pull request's commits")
    parser.add_argument("--reps", type=int, default=200, help="trials a cell")
    parser.add_argument("--jobs", type=int, default=2, help="trials at once")
    options = parser.parse_args()
    numbers = load()
    if options.repository:
        run_thousand(options.repository, numbers, options.jobs)
        run(options.repository, numbers, options.reps, options.jobs)
    if PAGE.exists():
        page = rewritten(PAGE.read_text(encoding="utf-8"), numbers)
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
