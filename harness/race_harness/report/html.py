"""The report as one page of HTML that needs nothing else: no network, no other file.

Vega draws the charts from the data in the page; its code is bundled there, too. It interprets
expressions, so that the page's policy can forbid making code from text.
Values are escaped by the template, data by its `tojson`, and the stories are trees of elements.
"""

import base64
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from race_harness.model.file_names import file_name
from race_harness.model.plain_text import visible
from race_harness.report import charts, wording
from race_harness.report.view import FindingView, RateRow, RecordView
from race_harness.statistics import phrases
from race_harness.story import page as story
from race_harness.story.facts import replay_of
from race_harness.story.words import in_words

_MOMENTS: Final = 200
"""Rows of the table over time, from the latest; the chart has more."""

_CSP: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)


def html_page(report: RecordView) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader("race_harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": phrases.number,
        "p": phrases.p_value,
        "verdicts": lambda row: ", ".join(phrases.counts(row.tally.verdicts, row.tally.void)),
    }
    specs = _specs(report)
    return environment.get_template("report.html.j2").render(
        report=report,
        words=wording,
        policy=_CSP,
        outcome=wording.outcome(report),
        specs=specs,
        heat_maps=[name for name in specs if name.startswith("heat-map")],
        scenario=_first_shown(report),
        moments=report.moments[-_MOMENTS:],
        rate_of=_rate_of,
        interval_of=_interval_of,
        stories=[_story(place, finding) for place, finding in enumerate(report.findings)],
        legend={"passed": charts.PASSED, "failing": charts.FAILING, "skipped": charts.SKIPPED},
        style=Markup(story.style() + _beside("report.css")),
        script=Markup(story.script() + _beside("report.js")),
        bundle=Markup(_bundle()),
    )


@dataclass(frozen=True)
class _FailureStory:
    place: int
    finding: FindingView
    standing: str
    summary: str
    """The failure in words."""
    whole: Markup
    """Its timeline, and all that goes with it."""
    file_name: str
    again: str
    """The command that replays the file."""
    link: str
    """A `data:` address that holds the failure file."""


def _specs(report: RecordView) -> dict[str, charts.Spec]:
    """The charts, by the name of the place where the page draws them."""
    if not report.rows:
        return {}
    scenario = _first_shown(report)
    combinations = dict.fromkeys(client.combination for client in report.clients)
    return {
        **{
            f"heat-map-{number}": charts.heat_map_of(report, combination)
            for number, combination in enumerate(combinations)
        },
        "over-time": charts.over_time(report, scenario),
        "over-releases": charts.over_releases(report, scenario),
        "virtual": charts.timings(report, "virtual_s", scenario),
        "wall": charts.timings(report, "wall_ms", scenario),
    }


def _first_shown(report: RecordView) -> str:
    """The scenario whose rates differ most between clients; of several, the first."""

    def spread(scenario: str) -> float:
        rates = [
            row.tally.rate
            for row in report.rows
            if row.scenario == scenario and row.tally.rate is not None
        ]
        return max(rates) - min(rates) if rates else 0.0

    return max(report.scenarios, key=spread, default="")


def _story(place: int, finding: FindingView) -> _FailureStory:
    failure, seen = finding.failure, finding.seen[0]
    if failure is None:
        return _FailureStory(place, finding, wording.standing(finding), "", Markup(), "", "", "")
    whole = Element("div", {"class": "story"})
    story.add_story(whole, failure, wording.path_of(seen), failure.neighbour or "", heading="h4")
    name = file_name(seen.scenario, seen.client.version, finding.verdicts[0], ending=".json")
    # The file as it was written, so that people can share it as it is.
    document = json.dumps(json.loads(finding.document), separators=(",", ":"))
    data = base64.b64encode(document.encode()).decode()
    return _FailureStory(
        place,
        finding,
        wording.standing(finding),
        in_words(failure),
        Markup(tostring(whole, encoding="unicode", method="html")),
        name,
        replay_of(failure, Path(name)).removeprefix("replay: "),
        f"data:application/json;base64,{data}",
    )


def _visible(value: Any) -> Any:
    """What a template prints; what is markup by now was text before."""
    return visible(value) if type(value) is str else value


def _rate_of(row: Any) -> str:
    return phrases.rate(row.tally.passed, row.tally.judged)


def _interval_of(row: RateRow) -> str:
    return phrases.interval(*row.tally.interval)


def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script."""
    # Imported here: it takes half a second, and nothing else needs it.
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return str(bundle).replace("</script", "<\\/script")


def _beside(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
