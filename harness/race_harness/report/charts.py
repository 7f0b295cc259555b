"""The charts of a report as Vega-Lite: marks and data, while the page's style gives them colour.

The page's one choice, the scenario to show, reaches the charts as their parameter `scenario`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import altair as alt

from race_harness.report.view import ClientView, RateRow, RecordView, TrendPoint, TrialTally
from race_harness.statistics.phrases import interval, number, rate

Spec = dict[str, Any]
_Layers = alt.LayerChart | alt.FacetChart

PASSED: Final = "#2f74b5"
"""Every trial passed. Everyone can tell blue from orange."""

FAILING: Final = ("#8a2f08", "#d95f0e", "#fdb863", "#ffe3c4")
"""From no trial passed to nearly all passed, at the rates of `_STEPS`."""

SKIPPED: Final = "#9aa0a8"

_STEPS: Final = (0.0, 0.5, 0.95, 1.0)

_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7d7f85")
"""M. Okabe and K. Ito, "Color Universal Design" (2008); black left out, for dark pages."""

_FEW: Final = 14
"""Columns of a heat map whose cells have room for a number."""

_BARE: Final[dict[str, Any]] = {
    "domain": False,
    "ticks": False,
    "grid": False,
    "labelFontSize": 12,
    "labelPadding": 6,
}

_BY_PLACE: Final = alt.EncodingSortField(field="place", op="min", order="ascending")
"""Layers must agree on the order; with a list of values they do not."""

MOMENTS: Final = 20_000
"""Most points of the chart over time; the latest are shown."""


@dataclass(frozen=True)
class ChartCell:
    """What is known of one column and row of a heat map."""

    column: str
    row: str
    passed: int = 0
    judged: int = 0
    skipped: str | None = None
    """Why it was not run."""

    def values(self) -> dict[str, Any]:
        share = self.passed / self.judged if self.judged else None
        return {
            **asdict(self),
            "rate": share,
            "failed": self.judged - self.passed,
            "short": "" if share is None else _short(self.passed, self.judged),
            "says": rate(self.passed, self.judged)
            if self.skipped is None
            else f"skipped: {self.skipped}",
        }


def heat_map(
    cells: Iterable[ChartCell], columns: Sequence[str], rows: Sequence[str], *, column_title: str
) -> Spec:
    """Pass rates, rows by columns in the given orders; a missing cell stays empty."""
    few = len(columns) <= _FEW
    base = alt.Chart(alt.NamedData("cells")).encode(
        x=alt.X(
            "column:O",
            scale=alt.Scale(domain=[*columns]),
            title=None,
            axis=alt.Axis(labelAngle=0 if few else -60, labelLimit=120, orient="top", **_BARE),
        ),
        y=alt.Y(
            "row:O",
            scale=alt.Scale(domain=[*rows]),
            title=None,
            axis=alt.Axis(labelLimit=220, **_BARE),
        ),
        tooltip=[
            alt.Tooltip("row:N", title="scenario"),
            alt.Tooltip("column:N", title=column_title),
            alt.Tooltip("says:N", title="passed"),
            alt.Tooltip("judged:Q", title="n"),
        ],
    )
    blank = "isValid(datum.skipped) || datum.judged == 0"
    failing = f"!({blank}) && datum.failed > 0"
    layers = [
        base.transform_filter(blank).mark_rect(color=SKIPPED, cornerRadius=2),
        base.transform_filter(f"!({blank}) && datum.failed == 0").mark_rect(
            color=PASSED, cornerRadius=2
        ),
        base.transform_filter(failing)
        .mark_rect(cornerRadius=2)
        .encode(
            color=alt.Color(
                "rate:Q", scale=alt.Scale(domain=[*_STEPS], range=[*FAILING]), legend=None
            )
        ),
        base.transform_filter(blank).mark_text(text="×", fontSize=12, color="#ffffff"),
    ]
    if few:
        light = base.mark_text(fontSize=12).encode(
            text=alt.Text("short:N"),
            color=alt.condition(
                "datum.failed == 0 || datum.rate < 0.6", alt.value("#ffffff"), alt.value("#2b1600")
            ),
        )
        layers.append(light)
    chart = alt.layer(*layers).properties(
        width=alt.Step(max(64, 420 // len(columns)) if few else 24),
        height=alt.Step(26 if few else 18),
        description=f"Heat map of pass rates: {len(rows)} scenarios, {len(columns)} columns",
    )
    return _spec(chart, cells=[cell.values() for cell in cells])


def heat_map_of(report: RecordView, combination: str) -> Spec:
    """Pass rates by scenario and release, in one combination."""
    rows = [row for row in report.rows if row.client.combination == combination]
    skipped = [one for one in report.skipped if one.client.combination == combination]
    clients = {row.client for row in rows} | {one.client for one in skipped}
    cells = [
        ChartCell(row.client.label, row.scenario, row.tally.passed, row.tally.judged)
        for row in rows
    ]
    cells += [ChartCell(one.client.label, one.scenario, skipped=one.reason) for one in skipped]
    scenarios = sorted({cell.row for cell in cells})
    columns = [client.label for client in sorted(clients, key=lambda client: client.order)]
    return heat_map(cells, columns, scenarios, column_title="client")


def over_releases(report: RecordView, scenario: str) -> Spec:
    """Pass rates in the order of versions."""
    places = _places(report)
    chart = _rates(
        alt.X(
            "client:O", sort=_BY_PLACE, title=None, axis=alt.Axis(labelAngle=-45, labelLimit=110)
        ),
        alt.Color("combination:N", scale=alt.Scale(range=[*_COLOURS]), legend=_legend(report)),
        [alt.Tooltip("client:N"), *_TOLD],
        scenario,
    ).properties(description="Pass rate over releases, in the order of their versions")
    return _spec(
        chart, rates=[_rate_values(row, places) for row in report.rows if row.tally.judged]
    )


def over_time(report: RecordView, scenario: str) -> Spec:
    """Pass rates of campaigns, by the time at which they began."""
    chart = _rates(
        alt.X(
            "began:T",
            title=None,
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(labelOverlap=True, tickCount=6),
        ),
        alt.Color(
            "client:N",
            scale=alt.Scale(range=[*_COLOURS]),
            legend=alt.Legend(
                orient="bottom", title=None, symbolLimit=14, columns=4, symbolOpacity=1
            ),
        ),
        [
            alt.Tooltip("began:T", title="began", format="%Y-%m-%d %H:%M"),
            alt.Tooltip("client:N"),
            alt.Tooltip("version:N"),
            *_TOLD,
        ],
        scenario,
    ).properties(description="Pass rate over time, one point a campaign")
    moments = [moment for moment in report.moments if moment.tally.judged][-MOMENTS:]
    return _spec(chart, rates=[_moment_values(moment) for moment in moments])


def timings(report: RecordView, which: str, scenario: str) -> Spec:
    """Quantile boxes of `virtual_s` or `wall_ms`: 5, 25, 50, 75 and 95 %."""
    title = {"virtual_s": "seconds of run(), virtual", "wall_ms": "wall milliseconds a trial"}
    places = _places(report)
    values = [
        {
            "client": row.client.label,
            "place": places[row.client],
            "scenario": row.scenario,
            **asdict(quantiles),
            "says": f"{number(quantiles.p50)} ({number(quantiles.p5)} to {number(quantiles.p95)})",
        }
        for row in report.rows
        if (quantiles := getattr(row, which)) is not None
    ]
    most = max(Counter(value["scenario"] for value in values).values(), default=1)
    base = alt.Chart(alt.NamedData("times")).encode(
        y=alt.Y(
            "client:O",
            sort=[client.label for client in report.clients],
            title=None,
            axis=alt.Axis(labelLimit=150),
        ),
        tooltip=[
            alt.Tooltip("client:N"),
            alt.Tooltip("says:N", title="median (5 to 95 %)"),
            alt.Tooltip("mean:Q", format=".3~s"),
        ],
    )
    axis = alt.Axis(title=title[which])
    whiskers = base.mark_rule(strokeWidth=1.5, color=_COLOURS[0]).encode(
        x=alt.X("p5:Q", axis=axis), x2="p95:Q"
    )
    box = base.mark_bar(height=12, color=_COLOURS[0], opacity=0.55, cornerRadius=2).encode(
        x=alt.X("p25:Q"), x2="p75:Q"
    )
    median = base.mark_tick(thickness=3, height=16, color=_COLOURS[1]).encode(x=alt.X("p50:Q"))
    chart = _with(scenario, whiskers, box, median).properties(
        width="container",
        # In pixels for the whole chart; the page decides only the width.
        height=min(900, 26 * most),
        description=f"Distribution of {title[which]}, quantiles by client",
    )
    return _spec(chart, times=values)


_TOLD: Final = [
    alt.Tooltip("says:N", title="passed"),
    alt.Tooltip("interval:N", title="95 % interval"),
]


def _rates(x: alt.X, colour: alt.Color, tooltip: list[alt.Tooltip], scenario: str) -> _Layers:
    """Lines of pass rates with their intervals as bands, of the chosen scenario."""
    base = alt.Chart(alt.NamedData("rates")).encode(x=x, color=colour, tooltip=tooltip)
    y = alt.Y(
        "rate:Q",
        title="pass rate",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    band = base.mark_area(opacity=0.16).encode(y=alt.Y("low:Q"), y2="high:Q")
    bars = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(y=y)
    points = base.mark_point(filled=True, size=55, opacity=1).encode(
        y=y, shape=alt.Shape(colour.shorthand, legend=None)
    )
    return _with(scenario, band, bars, line, points).properties(width="container", height=240)


def _with(scenario: str, *layers: alt.Chart) -> _Layers:
    """Layers as a chart of the chosen scenario, which is at first this one."""
    chosen = alt.param(name="scenario", value=scenario)
    # On the whole chart, or the layers would not agree on the order of their values.
    whole = alt.layer(*layers, data=layers[0].data)
    return whole.transform_filter("datum.scenario == scenario").add_params(chosen)


def _legend(report: RecordView) -> alt.Legend | None:
    if len({client.combination for client in report.clients}) < 2:
        return None
    return alt.Legend(orient="bottom", title=None)


def _places(report: RecordView) -> dict[ClientView, int]:
    """The place of each client in the order of versions."""
    return {client: place for place, client in enumerate(report.clients)}


def _rate_values(row: RateRow, places: Mapping[ClientView, int]) -> dict[str, Any]:
    return {
        "client": row.client.label,
        "place": places[row.client],
        "combination": row.client.combination,
        "scenario": row.scenario,
        **_tally_values(row.tally),
    }


def _moment_values(moment: TrendPoint) -> dict[str, Any]:
    return {
        "began": moment.began.isoformat(timespec="seconds"),
        "client": moment.client,
        "version": moment.version,
        "scenario": moment.scenario,
        **_tally_values(moment.tally),
    }


def _tally_values(tally: TrialTally) -> Mapping[str, Any]:
    low, high = tally.interval
    return {
        "rate": tally.rate,
        "low": round(low, 4),
        "high": round(high, 4),
        "says": rate(tally.passed, tally.judged),
        "interval": interval(low, high),
    }


def _short(passed: int, judged: int) -> str:
    """The text of a cell, in per cent: `100`, `>99`, `64`, `0`."""
    percent = round(100 * passed / judged)
    if percent == 100 and passed < judged:
        return ">99"
    if percent == 0 and passed:
        return "<1"
    return str(percent)


def _spec(chart: _Layers, **datasets: list[dict[str, Any]]) -> Spec:
    """The chart as Vega-Lite; its data goes beside it, where Altair does not check each value."""
    spec: Spec = chart.to_dict()
    spec.pop("config", None)
    return {**spec, "background": "transparent", "datasets": datasets}
