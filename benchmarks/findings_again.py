"""Are the findings found again by the hunt itself, and after how many schedules?

    uv run python benchmarks/findings_again.py [--minutes 60] [--seed 0] [--jobs N] [--json FILE]

Hunts the release that each finding in `docs/results/findings` is about: with faults of all
families, in all scenarios, and with some families together, for a share of the time each. A
finding came again if a hunt wrote a failure that has all its evidence (verdict, fact, and what it
is about) and comes about in its way: MARKS says what the schedule needs for that, after shrinking.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.search.explaining import needs

FINDINGS: Final = Path("docs/results/findings")

HUNTS: Final[dict[str, tuple[float, tuple[str, ...]]]] = {
    "all families": (0.45, ("--faults", "all")),
    "all scenarios": (0.15, ()),
    "latency, socket": (0.1, ("--faults", "latency,socket")),
    "rest, caller, script": (0.1, ("--faults", "rest,caller,script")),
    "socket, caller, script": (0.1, ("--faults", "socket,caller,script")),
    "latency, order, caller, script": (0.1, ("--faults", "latency,order,caller,script")),
}
"""Each with its share of the time, and its options."""

BY_HAND: Final = {"stale-error", "stuck-not-fetched", "replayed-twice", "run-in-the-tail"}
"""Whose schedules were written by hand in the first place."""

MARKS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "dead-socket": (("network.faults: half-open socket",), ()),
    "events-unanswered": (("rest: timeout events",), ()),
    "fetch-not-repeated": (("rest: status events",), ("script.strange",)),
    "first-snapshot": (
        ("caller.callback_ms", "interleaving.stalls", "server.late", "network.socket"),
        ("network.faults", "caller.acts", "caller.runs"),
    ),
    "frame-before-gap": (("network.faults: reset socket", "network.faults: close socket"), ()),
    "idle-connection": (("caller.between_ms",), ("script.strange", "others")),
    "late-arming": (
        ("server.answer_run_ms", "network.rest.", "rest: delay run", "server.late"),
        ("network.faults", "caller.acts", "caller.callback_raises"),
    ),
    "raising-callback": (("caller.callback_raises",), ("script.strange",)),
    "reconnect-snapshot": (("network.faults: reset socket", "network.faults: close socket"), ()),
    "rejected-socket": (("network.faults: reject socket", "network.faults: close socket"), ()),
    "replayed-twice": (("network.faults",), ()),
    "run-in-the-tail": (("script.outcome",), ()),
    "second-caller": (("caller.acts: run",), ()),
    "second-snapshot": (("caller.acts: interrupt",), ()),
    "server-died": (("server.process: crash",), ()),
    "sorted-by-clock": (("server.process: clock-step",), ()),
    "stale-error": (("script.outcome",), ("script.strange",)),
    "state-unanswered": (("rest: timeout conversation",), ()),
    "stuck-not-fetched": (("script.outcome",), ()),
    "timeout-overrun": (("caller.timeout_s",), ()),
    "unfinished-status": (("script.outcome",), ("rest: timeout",)),
    "unsaved-end": (("server.process: disk-full",), ()),
}
"""One of the first is in a shrunk schedule that comes about in the finding's way, and none of the
others is: beginnings of what `search.explaining.needs` gives."""


@dataclass(frozen=True)
class Again:
    hunt: str
    after_schedules: int
    after_s: float
    fields: int
    path: str


def is_again(slug: str, finding: Failure, found: Failure) -> bool:
    """Whether a failure of a hunt is this finding."""
    told = {_about(entry) for entry in found.judgement.evidence}
    one_of, none_of = MARKS[slug]
    needed = needs(found.schedule)
    return (
        {_about(entry) for entry in finding.judgement.evidence} <= told
        and any(need.startswith(one_of) for need in needed)
        and not any(need.startswith(none_of) for need in needed if none_of)
    )


def _about(entry: Evidence) -> tuple[object, ...]:
    error = None if entry.error is None else entry.error.partition(":")[0]
    return entry.verdict, entry.fact, entry.act, entry.begun, error


def hunt(client: str, options: Sequence[str], seconds: float, folder: Path) -> dict[str, Any]:
    """What `race hunt` says in the folder, where it leaves its failures, too."""
    command = [sys.executable, "-m", "race_harness.cli", "hunt", client, *options]
    command += ["--for", f"{seconds:.0f}s", "--no-confirm", "--json", "hunt.json"]
    command += ["--record", "record.db"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        print(f"race hunt ended with {done.returncode}: {done.stderr[-2000:]}", file=sys.stderr)
    told: dict[str, Any] = json.loads((folder / "hunt.json").read_text())
    return told


def founds(told: dict[str, Any], folder: Path) -> Iterator[tuple[dict[str, Any], Failure]]:
    """What was shrunk: of the others nobody knows what they need."""
    for entry in sorted(told["failures"], key=lambda entry: entry["found_at_trial"]):
        if entry["shrunk"] in ("smallest", "budget"):
            yield entry, Failure.read(folder / entry["path"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="a folder for the failures")
    arguments = parser.parse_args()
    options = ["--seed", str(arguments.seed)]
    options += [] if arguments.jobs is None else ["--jobs", str(arguments.jobs)]
    findings = {path.stem: Failure.read(path) for path in sorted(FINDINGS.glob("*.json"))}
    again: dict[str, Again] = {}
    hunts: dict[str, dict[str, Any]] = {}
    by_client = groupby(
        sorted(findings.items(), key=lambda entry: entry[1].client),
        key=lambda entry: entry[1].client,
    )
    clients = [(client, dict(several)) for client, several in by_client]
    seconds = 60 * arguments.minutes / len(clients)
    with tempfile.TemporaryDirectory() as temporary:
        for client, sought in clients:
            for name, (share, faults) in HUNTS.items():
                label = name if len(clients) == 1 else f"{client}: {name}"
                folder = (arguments.keep or Path(temporary)) / label.replace(", ", "+")
                folder.mkdir(parents=True)
                told = hunt(client, [*faults, *options], share * seconds, folder)
                hunts[label] = {
                    key: told[key]
                    for key in ("trials", "shrink_trials", "seconds", "worker_seconds")
                } | {"failures": len(told["failures"])}
                print(label, json.dumps(hunts[label]), flush=True)
                for entry, found in founds(told, folder):
                    for slug, finding in sought.items():
                        if slug not in again and is_again(slug, finding, found):
                            again[slug] = Again(
                                label,
                                entry["found_at_trial"],
                                round(entry["seconds"], 1),
                                entry["non_default_fields"],
                                Path(entry["path"]).name,
                            )
    print(table(findings, again))
    if arguments.json is not None:
        data = {"hunts": hunts, "again": {slug: vars(one) for slug, one in again.items()}}
        arguments.json.write_text(json.dumps(data, indent=1) + "\n")


def table(findings: dict[str, Failure], again: dict[str, Again]) -> str:
    """In Markdown."""
    lines = [
        "| finding | verdict | found by | after schedules | fields |",
        "|---|---|---|---|---|",
    ]
    for slug, finding in findings.items():
        verdicts = ", ".join(f"`{verdict}`" for verdict in finding.judgement.verdicts)
        name = f"{slug} (by hand)" if slug in BY_HAND else slug
        one = again.get(slug)
        found = (
            f"{one.hunt} | {one.after_schedules} | {one.fields}" if one else "**not found** | |"
        )
        lines.append(f"| {name} | {verdicts} | {found} |")
    return "\n".join([*lines, f"\n{len(again)} of {len(findings)} were found again."])


if __name__ == "__main__":
    main()
