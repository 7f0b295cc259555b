"""The report as GitHub-flavoured Markdown, for a pull request or a job's summary.

Failing rows come first and passing ones are folded; what does not fit is counted.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from race_harness.model.plain_text import code_span, markdown
from race_harness.report import wording
from race_harness.report.view import Change, FindingView, RateRow, RecordView
from race_harness.statistics.phrases import counts, interval, number, p_value, rate
from race_harness.story.words import in_words

LIMIT: Final = 60_000
"""Characters; a comment on GitHub holds 65,536."""

_SIGNS: Final = {"passed": "✅", "failed": "❌", "regressed": "🔻", "undecided": "➖"}

_RATES: Final = (
    "| scenario | client | pass rate [95 %] | verdicts | run() s, p50 / p95 |",
    "|---|---|---|---|--:|",
)

_CHANGES: Final = (
    "| what | scenario | client | before | now | chance alone |",
    "|---|---|---|---|---|---|",
)

_FINDINGS: Final = 20
"""Findings that are shown."""

_STORY: Final = 1_200
"""Characters of one story."""


def report_markdown(report: RecordView) -> str:
    """The summary, of at most `LIMIT` characters."""
    text = _Text()
    text.add(f"### {_SIGNS[wording.outcome(report)]} {markdown(wording.verdict(report))}")
    text.add(f"{markdown(wording.extent(report))}. {markdown(wording.when(report))}.")
    if report.changes is not None:
        text.add(f"#### What changed since {markdown(report.changes.baseline)}")
        if report.changes.regressions:
            text.table(_CHANGES, [_change(change) for change in report.changes.regressions])
        else:
            text.add("Nothing is worse than it was.")
    if report.failing:
        text.add("#### Pass rates")
        text.table(_RATES, [_row(row) for row in report.failing], share=0.5)
    if report.findings:
        text.add("#### Failures, by cause")
        shown = report.findings[:_FINDINGS]
        text.items([_finding(finding) for finding in shown], more=len(report.findings))
    if report.passing:
        text.folded(
            f"{len(report.passing)} passed every trial",
            _RATES,
            [_row(row) for row in report.passing],
        )
    return text.whole()


class _Text:
    """A text that takes blocks as long as there is room."""

    _MORE_ROOM: Final = 120
    """Characters for a line that says how much was left out."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._room = LIMIT

    def add(self, block: str) -> None:
        if len(block) + 2 <= self._room:
            self._blocks.append(block)
            self._room -= len(block) + 2

    def table(self, head: Sequence[str], rows: Sequence[str], share: float = 1.0) -> None:
        """Add as many rows as fit into that share of the room."""
        self._several("\n".join(head) + "\n", rows, "\n", share, len(rows))

    def items(self, items: Sequence[str], *, more: int) -> None:
        self._several("", items, "\n", 0.7, more)

    def folded(self, summary: str, head: Sequence[str], rows: Sequence[str]) -> None:
        opening = f"<details><summary>{summary}</summary>\n\n" + "\n".join(head) + "\n"
        self._several(opening, rows, "\n", 1.0, len(rows), "\n\n</details>")

    def whole(self) -> str:
        return "\n\n".join(self._blocks) + "\n"

    def _several(
        self,
        opening: str,
        parts: Iterable[str],
        joint: str,
        share: float,
        total: int,
        closing: str = "",
    ) -> None:
        room = int(self._room * share) - len(opening) - len(closing) - self._MORE_ROOM
        kept: list[str] = []
        for part in parts:
            room -= len(part) + len(joint)
            if room < 0:
                break
            kept.append(part)
        left = total - len(kept)
        more = f"\n\n... and {left} more: see the page of the report" if left else ""
        if kept:
            self.add(f"{opening}{joint.join(kept)}{more}{closing}")


def _row(row: RateRow) -> str:
    tally = row.tally
    times = row.virtual_s
    return _cells(
        code_span(row.scenario),
        code_span(row.client.label),
        f"{rate(tally.passed, tally.judged)} {interval(*tally.interval)}",
        markdown(", ".join(counts(tally.verdicts, tally.void))),
        f"{number(times.p50)} / {number(times.p95)}" if times is not None else "–",
    )


def _change(change: Change) -> str:
    return _cells(
        markdown(change.kind),
        code_span(change.scenario),
        code_span(change.client),
        markdown(change.before),
        markdown(change.after),
        p_value(change.p),
    )


def _finding(finding: FindingView) -> str:
    seen = finding.seen[0]
    others = len(finding.seen) - 1
    where = f"{code_span(seen.client.label)}, {code_span(seen.scenario)}"
    if others:
        where += f" and {others} more"
    cause = "; ".join(
        f"**{markdown(verdict)}**: {markdown(says)}" for verdict, says in finding.causes
    )
    lines = [f"- {cause} ({where}; {markdown(wording.standing(finding))})"]
    if finding.failure is not None:
        story = in_words(finding.failure)
        lines.append(f"  {markdown(story[:_STORY])}{' ...' if len(story) > _STORY else ''}")
    lines.append(f"  {code_span(wording.replay(seen))}")
    return "  \n".join(lines)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
