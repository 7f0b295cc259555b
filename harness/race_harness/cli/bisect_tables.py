"""What `race bisect` prints."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from race_harness.bisect.result import BisectReport, in_words, time_in_words
from race_harness.bisect.session import Stories
from race_harness.cli.client_names import Sentence
from race_harness.cli.console import output, shell_word
from race_harness.story.facts import replay_command
from race_harness.story.timeline import short_story

_STYLES = {"good": "green", "bad": "red", "unclear": "yellow", "measured": ""}


def print_report(report: BisectReport) -> None:
    """Print all judgements, and the answer."""
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


def print_stories(told: Stories) -> None:
    """Print the stories of the same schedule on both sides of the border."""
    # The command replays it on the good client, in place of the file's.
    replay = replay_command(told.path, told.good.client, told.failing.schedule.test)
    by_name = f"--client {shell_word(told.good.client)}"
    again = replay if by_name in replay else f"{replay} {by_name}"
    stories = {
        told.bad: short_story(told.failing, told.path),
        told.good: f"{short_story(told.passing).splitlines()[0]}\n{again}",
    }
    for word, point in (("before", told.before), ("after", told.after)):
        output.print()
        _say(f"{word}, {point.label}:", style="bold")
        _say(stories[point])


def _table(report: BisectReport) -> Table:
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    table.add_column("client", no_wrap=True)
    table.add_column("judged", no_wrap=True)
    table.add_column("passed", justify="right", no_wrap=True)
    for name in ("install", "import", "trials"):
        table.add_column(f"{name}\ns", justify="right", no_wrap=True)
    table.add_column("because")
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
            Sentence(judged.says + (" (known from before)" if judged.known else "")),
        )
    return table


def _label(report: BisectReport, client: str) -> str:
    return report.judged[client][0].label if client in report.judged else client


def _say(text: str, style: str = "") -> None:
    output.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
