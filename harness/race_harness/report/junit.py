"""The report as JUnit's XML, which every CI shows: a suite for each client, a case a scenario."""

import re
from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from race_harness.report import wording
from race_harness.report.view import ClientView, FindingView, RateRow, RecordView, Seen
from race_harness.statistics.phrases import counts, interval, rate
from race_harness.story.timeline import short_story

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML can hold (XML 1.0, section 2.2)."""


def junit(report: RecordView) -> str:
    """The document. A case fails if any of its trials failed; one without a verdict is skipped; a
    finding that only a search has shown is a case of its own."""
    suites = Element("testsuites", {"name": "race-harness"})
    searched = [(seen, finding) for seen, finding in _seen(report) if not seen.drawn]
    clients = {*report.clients, *(seen.client for seen, _ in searched)}
    for client in sorted(clients, key=lambda client: client.order):
        _suite(
            suites,
            client,
            [row for row in report.rows if row.client == client],
            [(seen, finding) for seen, finding in searched if seen.client == client],
            report,
        )
    for name in ("tests", "failures", "skipped"):
        suites.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    indent(suites)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{tostring(suites, encoding='unicode')}\n"


def _suite(
    suites: Element,
    client: ClientView,
    rows: list[RateRow],
    searched: list[tuple[Seen, FindingView]],
    report: RecordView,
) -> None:
    suite = SubElement(suites, "testsuite", {"name": _xml(client.label)})
    for row in rows:
        case = _case(suite, client, row.scenario, row.wall_total_s)
        if row.tally.failed:
            told = next((finding for seen, finding in _seen(report) if _is_of(seen, row)), None)
            _failure(case, _failed(row), told)
        elif not row.tally.judged:
            SubElement(case, "skipped", {"message": _xml(wording.void_words(row))})
    for seen, finding in searched:
        case = _case(suite, client, f"{seen.scenario} (found by search)", 0.0)
        _failure(case, str(finding.cause), finding, wording.replay(seen))
    suite.set("tests", str(len(suite)))
    for name, tag in (("failures", "failure"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", f"{sum(row.wall_total_s for row in rows):.3f}")


def _case(suite: Element, client: ClientView, name: str, seconds: float) -> Element:
    return SubElement(
        suite,
        "testcase",
        {"classname": _xml(client.label), "name": _xml(name), "time": f"{seconds:.3f}"},
    )


def _failure(case: Element, message: str, finding: FindingView | None, again: str = "") -> None:
    kind = finding.verdicts[0] if finding is not None else "failed"
    failure = SubElement(case, "failure", {"type": _xml(kind), "message": _xml(message)})
    if finding is not None and finding.failure is not None:
        story = short_story(finding.failure, wording.path_of(finding.seen[0]))
        failure.text = _xml(f"{message}\n\n{story}\n")
    else:
        failure.text = _xml("\n".join(filter(None, (message, again))))


def _failed(row: RateRow) -> str:
    tally = row.tally
    verdicts = ", ".join(counts(tally.verdicts, tally.void))
    return f"{rate(tally.passed, tally.judged)} {interval(*tally.interval)} passed: {verdicts}"


def _seen(report: RecordView) -> Iterator[tuple[Seen, FindingView]]:
    return ((seen, finding) for finding in report.findings for seen in finding.seen)


def _is_of(seen: Seen, row: RateRow) -> bool:
    return seen.drawn and (seen.client, seen.scenario) == (row.client, row.scenario)


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
