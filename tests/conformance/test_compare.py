"""Two runs side by side."""

from dataclasses import replace
from pathlib import Path

import pytest
from recorded import session

from race_harness.conformance import for_docs as tables
from race_harness.conformance.bounds import LIMITS
from race_harness.conformance.compare import ALLOWED, Difference, compare, exchanged
from race_harness.conformance.labels import Label, numbered
from race_harness.conformance.legal import RULES
from race_harness.conformance.shapes import Bodies
from race_harness.conformance.suite import CASES
from race_harness.server.profile import Profile

PROFILE = Profile.of("1.10.0")
FIRST, SECOND = session("1.10.0", 0), session("1.10.0", 1)


def with_more(what: Label, after: str) -> list[Label]:
    labels = list(FIRST)
    labels.insert(list(map(str, labels)).index(after) + 1, what)
    return list(numbered(labels))


def mattering(differences: tuple[Difference, ...]) -> list[str]:
    return [difference.says for difference in differences if difference.could_matter]


def test_equal_runs_do_not_differ() -> None:
    assert compare(FIRST, FIRST, PROFILE) == ()


def test_two_sessions_of_one_server_differ_by_timing_alone() -> None:
    differences = compare(FIRST, SECOND, PROFILE)
    assert {difference.kind for difference in differences} == {"order"}
    assert mattering(differences) == []
    told = [(str(before), str(after)) for before, after in exchanged(FIRST, SECOND)]
    assert ("persisted MessageEvent", "frame MessageEvent") in told


def test_an_event_more_could_matter() -> None:
    more = with_more(Label("server", "persisted", "ActionEvent(think)"), "status running")
    (log,) = [entry for entry in compare(FIRST, more, PROFILE) if entry.kind == "log"]
    assert (
        log.says == "only the real one: persisted ActionEvent(think), after persisted MessageEvent"
    )
    assert log.could_matter
    (other,) = [entry for entry in compare(more, FIRST, PROFILE) if entry.kind == "log"]
    assert other.says.startswith("only the fake one: persisted ActionEvent(think)")


def test_an_order_that_breaks_a_rule_could_matter() -> None:
    labels = list(FIRST)
    names = list(map(str, labels))
    snapshot = labels.pop(names.index("frame full_state=finished"))
    labels.insert(names.index("frame execution_status=finished"), snapshot)
    (told,) = mattering(
        tuple(d for d in compare(FIRST, labels, PROFILE) if "tail waits" in d.says)
    )
    assert told.startswith("the real one breaks a rule")
    (told,) = mattering(
        tuple(d for d in compare(labels, FIRST, PROFILE) if "tail waits" in d.says)
    )
    assert told.startswith("the fake one breaks a rule")


def answered(was: str, now: str) -> list[str]:
    """What matters of `answers` and `requests` where the real server answers that instead."""
    labels = [replace(label, of=now) if label.of == was else label for label in FIRST]
    assert labels != list(FIRST)
    differences = compare(FIRST, labels, PROFILE)
    return mattering(tuple(d for d in differences if d.kind in ("requests", "answers")))


def test_another_status_of_a_poll_is_allowed_and_another_code_is_not() -> None:
    running = "GET conversation 200 running"
    assert answered(running, "GET conversation 200 idle") == []
    for was, now in ((running, "GET conversation 500"), ("POST run 200", "POST run 409")):
        assert any(now in says for says in answered(was, now))


def test_a_poll_more_is_allowed_and_what_comes_after_a_poll_is_not() -> None:
    def with_request(of: str) -> list[str]:
        more = with_more(Label("rest", "request", of), "request GET conversation")
        found = compare(FIRST, more, PROFILE)
        assert any(difference.kind == "requests" for difference in found)
        return mattering(tuple(d for d in found if d.kind == "requests"))

    assert with_request("GET conversation") == []
    assert with_request("POST pause") == [
        "only the real one: request POST pause, after request GET conversation"
    ]


def bodies(**frames: object) -> Bodies:
    found = Bodies()
    for body in frames.values():
        found.add("frame full_state", body)
    return found


@pytest.mark.parametrize(
    ("fake", "real", "matters"),
    [
        ({"value": {"execution_status": "idle"}}, {"value": {"execution_status": 1}}, True),
        ({"id": "x"}, {"id": "x", "parent_id": "y"}, False),
        ({"id": "x", "odd": 1}, {"id": "x"}, True),
        ({"value": {"stats": {}}}, {"value": {"stats": None}}, False),
    ],
)
def test_fields_matter_where_clients_read_them(fake: object, real: object, matters: bool) -> None:
    found = compare(FIRST, FIRST, PROFILE, (bodies(one=fake), bodies(one=real)))
    assert found
    assert any(difference.could_matter for difference in found) == matters


def test_a_limit_is_kept_or_left_out_for_a_reason_and_cases_come_to_it() -> None:
    for limit in LIMITS:
        assert limit.fake.startswith(("kept", "left out, because ")), limit.what
        assert not limit.cases or limit.fake.startswith("kept"), limit.what
        assert set(limit.cases) <= set(CASES), limit.what


def test_the_tables_in_the_docs_are_those_that_there_are() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "fidelity.md"
    text = page.read_text(encoding="utf-8")
    for table, entries in (
        (tables.rules(), RULES),
        (tables.allowed(), ALLOWED),
        (tables.limits(), LIMITS),
    ):
        assert len(table.splitlines()) == 2 + len(entries)
        assert f"\n\n{table}\n\n" in text
