"""Faults at moments of the wire, in tests of somebody's own with servers of their own."""

import shutil
from pathlib import Path

import pytest
from test_repeating import started

from race_harness.model.grade import grade_of
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Moment, Network, Schedule
from race_harness.search.draw import draw_schedules
from race_harness.search.portfolio import portfolio

FILE = Path(__file__).with_name("wire_tests.py")
HTTP, RETRY, FRAMES, SOCKETS = (
    f"wire_tests.py::{name}"
    for name in (
        "test_the_second_of_three",
        "test_a_vote_that_is_sent_again",
        "test_the_second_message",
        "test_the_second_socket",
    )
)


@pytest.fixture(scope="module")
def wired(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wired")
    (folder / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(FILE, folder / "wire_tests.py")
    with started(folder / "wire_tests.py", jobs=2) as workers:
        workers.wait_ready()
        yield workers


def reset(test, what, nth=1, action="reset", **moment):
    fault = Fault(action, Moment(what, nth, **moment), there=True)
    return Schedule(test, network=Network(faults=(fault,)))


def verdict(workers, schedule):
    """And that the network did what it was to do, and does it again."""
    result, trial = workers.run_whole(schedule)
    assert result.void is None
    struck = [happening for happening in trial.happenings if happening["what"] == "fault"]
    assert [happening["fault"] for happening in struck] == [0]
    assert workers.run_whole(schedule)[0].digest == result.digest
    assert grade_of(schedule) == "fault"
    return " ".join(result.verdicts)


@pytest.mark.parametrize("what", ["request-sent", "request-received", "request-answered"])
@pytest.mark.parametrize(
    ("moment", "comes"),
    [
        ({"nth": 2, "request": "POST /votes"}, "failed"),
        ({"nth": 1, "request": "POST /votes"}, "ok"),
        ({"nth": 3, "request": "POST *"}, "ok"),
        ({"nth": 1, "request": "GET /votes"}, "ok"),
        ({"nth": 3, "request": "* /votes"}, "failed"),
        ({"nth": 3}, "failed"),
        ({"nth": 3, "since": "run-called"}, "failed"),
        ({"nth": 4}, "ok"),
    ],
)
def test_the_nth_request(wired, what, moment, comes):
    assert verdict(wired, reset(HTTP, what, **moment)) == comes


def test_a_request_may_be_lost_on_its_way_or_its_answer(wired):
    """The same client, the same server, and another moment."""
    votes = "POST /votes"
    assert verdict(wired, reset(RETRY, "request-sent", request=votes)) == "ok"
    assert verdict(wired, reset(RETRY, "request-answered", request=votes)) == "failed"


@pytest.mark.parametrize(
    ("test", "moment", "comes"),
    [
        (HTTP, {"nth": 3}, "failed"),
        (HTTP, {"nth": 2}, "ok"),
        (SOCKETS, {"nth": 2, "link": "socket"}, "failed"),
        (SOCKETS, {"nth": 1, "link": "socket"}, "ok"),
    ],
)
def test_the_nth_connection(wired, test, moment, comes):
    assert verdict(wired, reset(test, "connection-opened", **moment)) == comes


def test_a_kind_that_no_connection_is_of_has_no_moment(wired):
    result, trial = wired.run_whole(reset(SOCKETS, "connection-opened", link="raw"))
    assert result.verdicts == ("ok",)
    assert not [happening for happening in trial.happenings if happening["what"] == "fault"]


@pytest.mark.parametrize("what", ["frame-up", "frame-down"])
@pytest.mark.parametrize(
    ("test", "moment", "comes"),
    [
        (FRAMES, {"nth": 2}, "failed"),
        (FRAMES, {"nth": 1}, "ok"),
        (FRAMES, {"nth": 3, "socket": 1}, "ok"),
        (FRAMES, {"nth": 2, "socket": 1}, "failed"),
        (SOCKETS, {"socket": 2}, "failed"),
        (SOCKETS, {"socket": 3}, "ok"),
    ],
)
def test_the_nth_frame(wired, what, test, moment, comes):
    assert verdict(wired, reset(test, what, **moment)) == comes


def test_it_may_be_said_goodbye_instead(wired):
    assert verdict(wired, reset(FRAMES, "frame-up", 2, "close")) == "failed"
    assert verdict(wired, reset(FRAMES, "frame-up", 1, "close")) == "ok"
    # Where nobody speaks WebSocket it is the end of the stream.
    assert verdict(wired, reset(HTTP, "request-received", 3, "close")) == "failed"


def test_the_call_is_a_moment_and_what_was_before_it_is_none(wired):
    """Its fixture has asked once, over a connection that is gone."""
    called = Moment("run-called", after_ms=0.1)
    schedule = Schedule(
        HTTP, network=Network(faults=(Fault("refuse", called, "rest", for_ms=1e4),))
    )
    result, trial = wired.run_whole(schedule)
    assert result.verdicts == ("failed",)
    assert [h["action"] for h in trial.happenings if h["what"] == "fault"] == ["refuse"]
    assert verdict(wired, reset(HTTP, "request-answered", request="GET /votes")) == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("test", [HTTP, FRAMES, SOCKETS])
def test_the_portfolio_with_faults_finds_it_and_without_does_not(wired, test):
    def failing(*families):
        scenario = Scenario(test, "", lambda: portfolio(test, (), families))
        schedules = list(draw_schedules(scenario, 0, 100))
        results = wired.run(schedules)
        return [schedules[result.index] for result in results if not result.passed]

    found = failing("socket")
    assert found
    assert {grade_of(schedule) for schedule in found} == {"fault"}
    assert failing() == []
