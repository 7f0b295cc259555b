"""`docs/results/findings`: each page has a failure file that was seen on the real server."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.findings_again import MARKS, is_again

from race_harness.campaign.campaign import examine
from race_harness.campaign.resolve import INSTALLED, find_client
from race_harness.model.combination import SIM_REAL
from race_harness.model.confirmation import reproduced_where_it_counts
from race_harness.model.failure import Failure
from race_harness.model.schedule import ServerTiming

FINDINGS = Path(__file__).parent.parent / "docs" / "results" / "findings"
INDEX = FINDINGS / "README.md"
NAMES = sorted(path.stem for path in FINDINGS.glob("*.json"))
NEWEST = "1.58.2"
REPLAYED = "reconnect-snapshot"
"""Its cause has been there for long, so the older release that is installed here has it, too."""


def test_there_are_findings() -> None:
    assert len(NAMES) >= 8
    assert REPLAYED in NAMES


def test_each_page_has_its_file_and_the_other_way_round() -> None:
    assert sorted(path.stem for path in FINDINGS.glob("*.md") if path != INDEX) == NAMES


def test_the_index_lists_exactly_the_pages() -> None:
    rows = [line for line in INDEX.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    listed = [page for row in rows for page in re.findall(r"\]\(([\w-]+)\.md\)", row)]
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_file_reads_and_was_confirmed_on_the_real_server(name: str) -> None:
    failure = Failure.read(FINDINGS / f"{name}.json")
    assert failure.resolved_version == NEWEST
    assert failure.schedule.scenario == name
    assert not failure.schedule.departures()
    assert reproduced_where_it_counts(failure.confirmed)
    assert failure.confirmed[str(SIM_REAL)].reproduced > 0


def test_the_benchmark_knows_each_finding_from_the_others() -> None:
    files = {name: Failure.read(FINDINGS / f"{name}.json") for name in NAMES}
    assert sorted(MARKS) == NAMES
    for name, failure in files.items():
        assert [other for other in NAMES if is_again(other, files[other], failure)] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_tells_what_the_file_holds(name: str) -> None:
    page = (FINDINGS / f"{name}.md").read_text(encoding="utf-8")
    failure = Failure.read(FINDINGS / f"{name}.json")
    assert f"race replay docs/results/findings/{name}.json" in page
    assert all(f"`{verdict}`" in page for verdict in failure.judgement.verdicts)
    assert all(f"`{field}`" in page for field in failure.schedule.non_default_fields())
    for where, one in failure.confirmed.items():
        assert f"| {where} | {one.tries} | {one.reproduced} |" in page


@pytest.mark.slow
def test_a_finding_fails_in_the_same_way_with_the_client_that_is_installed() -> None:
    failure = Failure.read(FINDINGS / f"{REPLAYED}.json")
    client = find_client(INSTALLED, lambda _step: None)
    benign = replace(failure.schedule, server=ServerTiming())
    with client.workers() as workers:
        workers.wait_ready()
        again = examine(client, workers, failure.schedule)
        without = examine(client, workers, benign)
    assert again.judgement.verdicts == failure.judgement.verdicts
    assert without.judgement.verdicts == ("ok",)
