"""Markdown and JUnit: what they say, that it fits, and that names cannot become markup."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from report_rig import HOSTILE, example, fill, hostile, series, trials

from race_harness.report.gather import gather
from race_harness.report.junit import junit
from race_harness.report.markdown import LIMIT, report_markdown
from race_harness.report.view import Change, Changes, RecordView
from race_harness.store.store import Store


@pytest.fixture
def report() -> RecordView:
    with Store(None) as store:
        example(store)
        return gather(store)


@pytest.fixture
def hostile_report() -> RecordView:
    with Store(None) as store:
        hostile(store)
        return gather(store)


def test_failing_rows_first_and_passing_ones_folded(report: RecordView) -> None:
    text = report_markdown(report)
    assert text.startswith("### ❌ 8 of 60 trials failed")
    failing = "| `final-events` | `1.9.0` | 12 / 20 = 60.0 % [38.6, 78.2] | late 8, out-of-order 8"
    assert text.index(failing) < text.index("#### Failures") < text.index("<details>")
    assert text.index("<details>") < text.index("| `clean` | `1.10.0` | 20 / 20 = 100.0 %")
    assert "`race replay .race/failures/1.9.0.json`" in text
    assert text.rstrip().endswith("</details>")


def test_what_changed_comes_before_the_rates(report: RecordView) -> None:
    worse = Change("pass rate", "1.9.0", "final-events", "99 %", "60 %", 1e-4)
    text = report_markdown(replace(report, changes=Changes("monday", (worse,))))
    assert text.startswith("### 🔻 1 regression since monday.")
    row = "| pass rate | `final-events` | `1.9.0` | 99 % | 60 % | p = 1.0e-04 |"
    assert text.index(row) < text.index("#### Pass rates")
    same = report_markdown(replace(report, changes=Changes("monday", ())))
    assert "Nothing is worse than it was." in same


def test_a_summary_always_fits() -> None:
    with Store(None) as store:
        campaign = store.campaign("soak", {})
        for client in range(30):
            for scenario in range(40):
                name = f"scenario-with-a-long-name-{scenario:02}"
                of = series(f"1.{client}.0", name)
                fill(campaign, of, trials(2, failed=client % 2))
        text = report_markdown(gather(store))
    assert 30_000 < len(text) <= LIMIT
    assert len(re.findall(r"\.\.\. and \d+ more: see the page", text)) == 2
    assert text.rstrip().endswith("</details>")
    shown = text.count("| `scenario-with")
    left = sum(map(int, re.findall(r"and (\d+) more", text)))
    assert shown + left == 1200


def test_names_stay_text_in_markdown(hostile_report: RecordView) -> None:
    text = report_markdown(hostile_report)
    outside = re.sub(r"`[^`\n]*`", "", text)
    assert not re.search(r"<(?!/?(details|summary|code)>)", outside)
    rows = [line for line in text.splitlines() if line.startswith("| <code>&#60;script")]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_a_suite_for_each_client_and_a_case_for_each_scenario(report: RecordView) -> None:
    suites = ElementTree.fromstring(junit(report).partition("\n")[2])
    assert {key: suites.get(key) for key in ("tests", "failures", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "skipped": "0",
    }
    cases = {
        (suite.get("name"), case.get("name")): case.find("failure")
        for suite in suites
        for case in suite
    }
    hunted = next(name for _, name in cases if name and "found by search" in name)
    assert [key for key, failure in cases.items() if failure is not None] == [
        ("1.9.0", "final-events"),
        ("1.58.2", hunted),
    ]
    failed = cases["1.9.0", "final-events"]
    assert failed is not None
    assert (failed.get("message") or "").startswith("12 / 20 = 60.0 %")
    assert "race replay .race/failures/1.9.0.json" in (failed.text or "")


def test_a_case_without_a_verdict_is_skipped() -> None:
    with Store(None) as store:
        fill(store.campaign("run", {}), series("1.9.0", "clean"), trials(0, void=2))
        suites = ElementTree.fromstring(junit(gather(store)).partition("\n")[2])
    (case,) = suites.iter("testcase")
    (skipped,) = case
    assert skipped.tag == "skipped"
    assert "the connection was refused" in (skipped.get("message") or "")


def test_junit_is_xml_whatever_is_told(hostile_report: RecordView) -> None:
    suites = ElementTree.fromstring(junit(hostile_report).partition("\n")[2])
    (case,) = suites.iter("testcase")
    assert case.get("name") == HOSTILE
    (failure,) = case
    assert "</script><script>alert(2)</script> vanished\\x00" in (failure.text or "")
