"""A soak for people: on a terminal, and as Markdown for a pull request or a job summary."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from race_harness.campaign.baseline import Against
from race_harness.campaign.comparison import ClientSummary
from race_harness.cli.client_names import ClientName
from race_harness.model.plain_text import code_span, fenced, markdown
from race_harness.soak.kept import Kept
from race_harness.soak.results import Decided, SoakSummary
from race_harness.statistics import phrases
from race_harness.statistics.regression import ALPHA, EFFECT, BaselineTest
from race_harness.store.series import Key

MOST_FAILURES: Final = 10
"""Failures that are shown; the record has all that were kept."""


@dataclass(frozen=True)
class _Row:
    client: str
    version: str
    scenario: str
    reps: str
    rate: str
    verdicts: str
    decision: str
    against: str
    passes: bool
    regressed: bool

    @property
    def name(self) -> str:
        """The client, with its version if that says more."""
        return self.client if self.client == self.version else f"{self.client} ({self.version})"

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            *(self.name, self.scenario, self.reps, self.rate),
            *(self.verdicts, self.decision, self.against),
        )


def soak_table(summary: SoakSummary, kept: Sequence[Kept]) -> RenderableType:
    """The soak for a terminal of 100 columns or more."""
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    table.add_column("client", max_width=30)
    table.add_column("scenario", overflow="fold")
    table.add_column("reps", justify="right", no_wrap=True)
    table.add_column("pass rate\n[95 % interval]", no_wrap=True)
    table.add_column("verdicts", overflow="fold")
    table.add_column("decision", overflow="fold")
    if summary.measured is not None:
        table.add_column("against the baseline", overflow="fold")
    for row in _rows(summary):
        cells: list[RenderableType] = [Text(cell) for cell in row.cells]
        cells[0] = ClientName(row.client, row.version)
        cells[3] = Text(row.rate.replace(" [", "\n["), style="green" if row.passes else "red")
        cells[6] = Text(row.against, style="red" if row.regressed else "")
        table.add_row(*cells[: len(table.columns)])
    return Group(
        Text(_caption(summary), style="bold"),
        Text(),
        table,
        Text(),
        *(Text(line) for line in _notes(summary)),
        *(_whole(line) if "race replay " in line else Text(line) for line in _replays(kept)),
    )


def _whole(command: str) -> Text:
    """The command unwrapped, so that it can be pasted."""
    return Text(command, no_wrap=True, overflow="ignore")


def soak_markdown(summary: SoakSummary, kept: Sequence[Kept]) -> str:
    """The same words as GitHub-flavoured Markdown."""
    headings = ["client", "scenario", "reps", "pass rate [95 %]", "verdicts", "decision"]
    if summary.measured is not None:
        headings.append("against the baseline")
    lines = [
        f"**{markdown(_caption(summary))}**",
        "",
        f"| {' | '.join(headings)} |",
        f"|---|---|--:|{'---|' * (len(headings) - 3)}",
    ]
    for row in _rows(summary):
        cells = [code_span(row.name), *map(markdown, row.cells[1:])][: len(headings)]
        lines.append("| " + " | ".join(cells) + " |")
    if notes := _notes(summary):
        lines += ["", *(f"- {markdown(note)}" for note in notes)]
    if replays := list(_replays(kept)):
        lines += ["", "```text", *map(fenced, replays), "```"]
    return "\n".join(lines) + "\n"


def regressions_of(summary: SoakSummary) -> Iterator[tuple[str, str]]:
    """Scenario and client of each series that regressed, and in what."""
    for row in _rows(summary):
        if row.regressed:
            yield f"{row.scenario}, {row.name}", row.against


def _rows(summary: SoakSummary) -> Iterator[_Row]:
    for name, comparison in summary.scenarios.items():
        keys = [
            key
            for position in range(len(summary.plan.clients))
            if (key := Key(name, position)) in summary.decisions
        ]
        for key, client in zip(keys, comparison.clients, strict=True):
            yield _row(summary, key, client)


def _row(summary: SoakSummary, key: Key, client: ClientSummary) -> _Row:
    judged = client.reps - client.void
    against = summary.measured.series.get(key) if summary.measured is not None else None
    told = phrases.rate(client.passed, judged)
    if judged:
        told += f" {phrases.interval(*client.ci95)}"
    return _Row(
        client=client.client,
        version=client.resolved_version,
        scenario=key.scenario,
        reps=str(client.reps),
        rate=told,
        verdicts=", ".join(phrases.counts(client.verdicts, client.void)),
        decision=_decision(summary.decisions[key], known=key in summary.known),
        against=_against(against),
        passes=client.passed == judged,
        regressed=against is not None and bool(against.regressions),
    )


def _decision(decided: Decided, *, known: bool) -> str:
    words = []
    if decided.word == "undecided":
        words.append("undecided")
    elif decided.word is not None:
        words.append(f"{decided.word} at {decided.seen.judged}")
    if decided.bound is not None:
        words.append(f"none failed: below {phrases.percent(decided.bound)}")
    if known:
        words.append("known to fail")
    return ", ".join(words)


def _against(against: Against | None) -> str:
    if against is None:
        return "not in the baseline"
    told = [f"REGRESSED: {_regression(one)}" for one in against.regressions] or ["no worse"]
    then, now = against.wall_ms
    if then is not None and now is not None:
        told.append(f"wall {phrases.number(then)} → {phrases.number(now)} ms")
    apart_then, apart_now = against.passed_apart
    if apart_then != apart_now:
        told.append(f"passed, yet not ok {apart_then} → {apart_now}")
    return "; ".join(told)


def _regression(one: BaselineTest) -> str:
    if one.measure == "pass rate":
        effect = f"{100 * one.effect:.1f} points less"
    else:
        effect = f"longer in {100 * one.effect:.0f} % of pairs"
    return f"{one.measure}, {effect}, {one.test} {phrases.p_value(one.p_value)}"


def _caption(summary: SoakSummary) -> str:
    plan, total = summary.plan, summary.total
    many = len(plan.scenarios)
    scenarios = plan.scenarios[0] if many == 1 else f"{many} scenarios"
    trials = sum(client.reps for client in total.clients)
    return (
        f"soak {summary.campaign[:8]}: {scenarios}, seed {plan.seed}, {total.world} world, "
        f"{total.server} server, {trials} trials"
    )


def _notes(summary: SoakSummary) -> list[str]:
    notes = []
    if (test := summary.plan.test) is not None:
        notes.append(
            f"decision: sequential test of a failure rate of {phrases.percent(test.acceptable)} "
            f"(passes) against {phrases.percent(test.unacceptable)} (fails), "
            f"alpha {test.alpha:g}, beta {test.beta:g}"
        )
    if any(decided.bound is not None for decided in summary.decisions.values()):
        notes.append("none failed: the failure rate is below 3 / n with 95 % confidence")
    if summary.measured is not None:
        baseline = summary.measured.baseline
        named = f" {baseline.name}" if baseline.name else ""
        notes.append(
            f"baseline: campaign {baseline.campaign[:8]}{named} of {baseline.began[:16]} UTC; "
            f"one-sided tests, Holm's correction over all of them, alpha {ALPHA:g}; times from an "
            f"A12 of {EFFECT:g} on; wall time is not judged"
        )
    return notes


def _replays(kept: Sequence[Kept]) -> Iterator[str]:
    for one in kept[:MOST_FAILURES]:
        yield f"{one.key.scenario}: {one.cause}"
        yield from (f"    {line}" for line in (one.confirmed, one.replay) if line)
    if len(kept) > MOST_FAILURES:
        yield f"and {len(kept) - MOST_FAILURES} more in the record"
