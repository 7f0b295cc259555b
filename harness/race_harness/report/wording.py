"""What a report says in sentences, the same in each of its forms."""

from pathlib import Path
from typing import Literal

from race_harness.model.schedule import test_named
from race_harness.report.view import FindingView, RateRow, RecordView, Seen
from race_harness.statistics.phrases import rate
from race_harness.statistics.sequential import rule_of_three
from race_harness.story.facts import replay_command
from race_harness.story.reproduced import confirmed_line

Outcome = Literal["passed", "failed", "regressed", "undecided"]


def outcome(report: RecordView) -> Outcome:
    if report.changes is not None and report.changes.regressions:
        return "regressed"
    if report.tally.failed or report.findings:
        return "failed"
    return "passed" if report.tally.judged else "undecided"


def verdict(report: RecordView) -> str:
    """The verdict on the whole record, in one sentence."""
    tally, rows = report.tally, report.rows
    if report.changes is not None and report.changes.regressions:
        many = len(report.changes.regressions)
        return f"{many} regression{'s' * (many != 1)} since {report.changes.baseline}."
    failing = [row for row in report.failing if row.tally.failed]
    if failing:
        worst = failing[0]
        return (
            f"{tally.failed:,} of {tally.judged:,} trials failed, in {len(failing)} of "
            f"{_pairs(len(rows))}; worst: {worst.scenario} on {worst.client.label}, "
            f"{rate(worst.tally.passed, worst.tally.judged)} passed."
        )
    found = len(report.findings)
    if not tally.judged:
        if found:
            return f"{_failures(found)} found by search; no samples were run."
        return "No trial has a verdict."
    bound = f"{100 * rule_of_three(tally.judged):.2g}"
    passed = f"All {tally.judged:,} trials passed: fewer than {bound} % fail, at 95 % confidence"
    if explained := tally.verdicts.get("explained"):
        passed += f"; {explained:,} raised for a reason"
    if held := tally.verdicts.get("server-stall"):
        passed += f"; in {held:,} the server held something up"
    return f"{passed}; {_failures(found)} found by search." if found else f"{passed}."


def extent(report: RecordView) -> str:
    """What was run: `13,200 trials of 11 scenarios on 4 clients in 11 campaigns`."""
    many = sum(campaign.trials for campaign in report.campaigns)
    said = (
        f"{_plural(many, 'trial')} in {_plural(len(report.campaigns), 'campaign')}: "
        f"{_plural(len(report.scenarios), 'scenario')} on "
        f"{_plural(len(report.clients), 'client')}"
    )
    if report.searched:
        said += f"; {report.searched:,} of them searched or given schedules, in no rate"
    if report.repeated:
        said += f"; {report.repeated:,} of them did again what is counted already"
    if report.tally.void:
        said += f"; {report.tally.void:,} void, in no rate"
    return said


def when(report: RecordView) -> str:
    """The time of the campaigns in UTC, from the first beginning to the last end."""
    began = report.campaigns[0].began
    ends = [campaign.ended for campaign in report.campaigns if campaign.ended is not None]
    text = f"{began:%Y-%m-%d %H:%M}"
    if ends:
        last = max(ends)
        same_day = last.date() == began.date()
        text += f" to {last:%H:%M}" if same_day else f" to {last:%Y-%m-%d %H:%M}"
    return f"{text} UTC"


def void_words(row: RateRow) -> str:
    """How many trials are void, and why; empty if no trial of the row is void."""
    reason = f", one of them because: {row.void_reason}" if row.void_reason else ""
    return f"{row.tally.void} void{reason}" if row.tally.void else ""


def left_out(report: RecordView) -> list[str]:
    """A line for each reason and each client that did not run, or not in some scenarios."""
    names: dict[tuple[str, str], list[str]] = {}
    for one in report.skipped:
        names.setdefault((one.client.label, one.reason), []).append(one.scenario)
    return [f"{label}: {reason} ({', '.join(of)})" for (label, reason), of in names.items()]


def standing(finding: FindingView) -> str:
    """Whether it was confirmed, and whether only a search has shown it."""
    told = confirmed_line(finding.failure) if finding.failure is not None else ""
    if not told:
        told = ("confirmed", "not tried on the real server", "not reproduced")[
            finding.seen[0].rank
        ]
    return f"{told}; found by search, in no rate" if finding.searched else told


def replay(seen: Seen) -> str:
    """The replay command; without a file, the report itself holds the failure."""
    test = test_named(seen.scenario)
    return replay_command(path_of(seen), seen.typed, test).removeprefix("replay: ")


def path_of(seen: Seen) -> Path | None:
    """The path of the failure's file, on the machine that wrote it."""
    return Path(seen.path) if seen.path else None


def _pairs(many: int) -> str:
    return f"{many} pair{'s' * (many != 1)} of client and scenario"


def _failures(many: int) -> str:
    return f"{many} distinct failure{'s' * (many != 1)}"


def _plural(many: int, noun: str) -> str:
    return f"{many:,} {noun}{'s' * (many != 1)}"
