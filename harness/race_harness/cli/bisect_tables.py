"""What `race bisect` prints."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from race_harness.bisect.judged import Point
from race_harness.bisect.judging import tell
from race_harness.bisect.result import Report, in_words, time_in_words
from race_harness.campaign.campaign import keep
from race_harness.campaign.under_test import find_client
from race_harness.cli.console import campaign_progress, output, shell_word
from race_harness.model.errors import HarnessError
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.story.timeline import short_story

_STYLES = {"good": "green", "bad": "red", "unclear": "yellow"}


def print_report(report: Report) -> None:
    """All that was judged, and the answer."""
    _say(f"{report.question.title}, sim world, {report.server} server", style="bold")
    _say(f"rule: {report.question.rule}")
    output.print()
    output.print(_table(report))
    output.print()
    for client, reason in report.skipped():
        _say(f"skipped {_label(report, client)}: {reason}")
    for number, sentence in enumerate(in_words(report)):
        _say(sentence, style="" if number else "bold")
    _say(time_in_words(report))


def print_stories(report: Report, failures: Mapping[str, Failure]) -> None:
    """The same schedule on both sides of the border; the failure goes to a file.

    `failures` are those that are there already, by client.
    """
    outcome = report.outcome
    if outcome.boundary is None:
        return
    before, after = outcome.boundary
    bad, good = (after, before) if outcome.kind == "first-bad" else (before, after)
    _, judged = report.judged[bad.client]
    if judged.shown_by is None:
        return
    with campaign_progress() as progress:

        def told(point: Point, schedule: Schedule) -> Failure:
            client = find_client(point.client, progress.step, server=report.server)
            return tell(client, schedule)

        try:
            failure = failures.get(bad.client) or told(bad, judged.shown_by)
            path = keep(failure)
            passing = told(good, judged.shown_by)
        except HarnessError as error:
            _say(f"the story cannot be told: {error}")
            return
    again = f"race replay {shell_word(str(path))} --client {shell_word(good.client)}"
    stories = {
        bad: short_story(failure, path),
        good: f"{short_story(passing).splitlines()[0]}\nreplay: {again}",
    }
    for word, point in (("before", before), ("after", after)):
        output.print()
        _say(f"{word}, {point.label}:", style="bold")
        _say(stories[point])


def _table(report: Report) -> Table:
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    table.add_column("client", no_wrap=True)
    table.add_column("judged", no_wrap=True)
    table.add_column("passed", justify="right", no_wrap=True)
    for name in ("install", "import", "trials"):
        table.add_column(f"{name}\ns", justify="right", no_wrap=True)
    table.add_column("because", overflow="fold")
    order = {
        point.client: (number, position)
        for number, outcome in enumerate(reversed(report.outcomes))
        for position, point in enumerate(outcome.points)
    }
    for client in sorted(report.judged, key=lambda client: order[client]):
        point, judged = report.judged[client]
        times = judged.times
        table.add_row(
            Text(point.label),
            Text(judged.judgement, style=_STYLES[judged.judgement]),
            f"{judged.passed} / {judged.reps}" if judged.reps else "–",
            *(f"{each:.1f}" for each in (times.install, times.start, times.trials)),
            Text(judged.says + (" (known from before)" if judged.known else "")),
        )
    return table


def _label(report: Report, client: str) -> str:
    return report.judged[client][0].label if client in report.judged else client


def _say(text: str, style: str = "") -> None:
    output.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
