"""The rules of legal orders: real sessions and the fake keep them, changed sessions break them."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from recorded import RELEASES, session

from race_harness.clients.reference import ReferenceAdapter
from race_harness.conformance.labels import Label, labels_of
from race_harness.conformance.legal import breaches
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Late, Schedule
from race_harness.network.site import UvicornSite
from race_harness.search.draw import draw_schedules
from race_harness.search.fault_strategies import FAMILIES, with_faults
from race_harness.server.missing import missing
from race_harness.server.profile import Profile
from race_harness.workers.trial import run_trial

SESSIONS = [(version, number) for version in RELEASES for number in (0, 1)]


def broken(labels: list[Label], version: str) -> set[str]:
    return {breach.rule.name for breach in breaches(labels, Profile.of(version))}


def moved(version: str, number: int, what: str, before: str) -> list[Label]:
    """A session in which one thing happened earlier than it did."""
    labels = list(session(version, number))
    names = list(map(str, labels))
    labels.insert(names.index(before), labels.pop(names.index(what)))
    return labels


@pytest.mark.parametrize(("version", "number"), SESSIONS)
def test_real_sessions_keep_every_rule(version: str, number: int) -> None:
    assert breaches(session(version, number), Profile.of(version)) == ()


@pytest.mark.parametrize(("version", "number"), SESSIONS)
def test_no_two_frames_can_be_exchanged(version: str, number: int) -> None:
    labels = session(version, number)
    frames = [at for at, label in enumerate(labels) if label.what == "frame"]
    for one, other in pairwise(frames):
        changed = list(labels)
        changed[one], changed[other] = changed[other], changed[one]
        assert broken(changed, version), (labels[one], labels[other])


ILLEGAL = [
    ("1.10.0", "frame ObservationEvent(finish)", "frame ActionEvent(finish)", "follow the log"),
    ("1.10.0", "frame MessageEvent", "subscribed", "frames follow the log"),
    ("1.58.0", "frame MessageEvent", "persisted MessageEvent", "frames and appends"),
    ("1.10.0", "frame execution_status=finished", "persisted ObservationEvent(finish)", "appends"),
    ("1.10.0", "persisted execution_status=finished", "status finished", "before it is told"),
    ("1.10.0", "frame execution_status=finished", "status finished", "before it is told"),
    ("1.11.1", "status finished", "persisted ActionEvent(finish)", "nothing after the finish"),
    ("1.11.1", "status finished", "persisted ObservationEvent(finish)", "is told at once"),
    ("1.58.0", "frame full_state=finished", "frame execution_status=finished", "the tail waits"),
    ("1.58.0", "frame full_state=finished", "frame ActionEvent(finish)", "the tail waits"),
    ("1.10.0", "frame full_state=finished", "status finished", "snapshots are true"),
    ("1.10.0", "answer POST events 200", "request POST events", "answers have requests"),
    ("1.10.0", "answer POST events 200", "persisted MessageEvent", "before it is confirmed"),
    ("1.58.0", "answer POST events 200", "persisted last_user_message_id", "is confirmed"),
    ("1.10.0", "request POST events", "request GET events/search, no. 2", None),
    ("1.10.0", "persisted SystemPromptEvent", "request POST events", "the agent is asked first"),
    ("1.58.0", "frame execution_status=running", "persisted execution_status=finished", "busy"),
]


@pytest.mark.parametrize(("version", "what", "before", "rule"), ILLEGAL)
def test_a_session_that_was_changed_breaks_a_rule(
    version: str, what: str, before: str, rule: str | None
) -> None:
    found = broken(moved(version, 0, what, before), version)
    if rule is None:
        assert found == set()
    else:
        assert any(rule in name for name in found), found


LEGAL = [
    ("1.10.0", "frame MessageEvent", "persisted MessageEvent"),
    ("1.11.1", "frame ActionEvent(finish)", "persisted ActionEvent(finish)"),
    ("1.10.0", "frame execution_status=running", "persisted execution_status=running"),
    ("1.10.0", "request GET conversation", "status running"),
    ("1.58.0", "frame last_user_message_id", "answer POST events 200"),
]


@pytest.mark.parametrize(("version", "what", "before"), LEGAL)
def test_what_another_run_may_do_breaks_none(version: str, what: str, before: str) -> None:
    assert broken(moved(version, 0, what, before), version) == set()


@pytest.mark.parametrize(
    ("version", "overtaken", "legal"),
    [
        # From 1.23 on the handler of an error keeps the lock.
        ("1.6.0", "ConversationErrorEvent", True),
        ("1.58.2", "ConversationErrorEvent", False),
        ("1.6.0", "ActionEvent(think)", False),
    ],
)
def test_statistics_overtake_only_what_is_told_without_the_lock(
    version: str, overtaken: str, legal: bool
) -> None:
    labels = [
        *(
            Label("socket", "subscribed", connection=1),
            Label("server", "persisted", "MessageEvent"),
        ),
        *(Label("socket", "frame", of, 1) for of in ("MessageEvent", "stats", overtaken)),
        *(Label("server", "persisted", of) for of in (overtaken, "stats")),
    ]
    assert ("frames follow the log" not in broken(labels, version)) is legal


@pytest.mark.parametrize(
    ("version", "status", "legal"),
    [("1.22.1", "error", True), ("1.22.1", "finished", False), ("1.23.0", "error", False)],
)
def test_a_snapshot_is_ahead_of_the_log_only_where_the_lock_is_free(
    version: str, status: str, legal: bool
) -> None:
    labels = [
        Label("socket", "subscribed", connection=1),
        Label("server", "status", "running"),
        Label("server", "persisted", "execution_status=running"),
        Label("server", "status", status),
        Label("socket", "frame", f"full_state={status}", 1),
        Label("server", "persisted", f"execution_status={status}"),
    ]
    assert ("snapshots are true" not in broken(labels, version)) is legal


def test_a_poll_tells_what_is_true_while_it_is_asked() -> None:
    labels = list(session("1.10.0", 0))
    at = [label.of for label in labels].index("GET conversation 200 running")
    labels[at] = replace(labels[at], of="GET conversation 200 finished")
    assert broken(labels, "1.10.0") == {"REST tells what is true"}


@pytest.mark.parametrize(
    ("whats", "legal"),
    [
        ("accepted started ended cleared accepted", True),
        ("accepted accepted", False),
        ("accepted started cleared", False),
        ("accepted started ended snapshot cleared", False),
        ("accepted started ended ended cleared snapshot", True),
    ],
)
def test_one_run_at_a_time(whats: str, legal: bool) -> None:
    labels = [Label("server", f"run-{what}") for what in whats.split()]
    assert broken(labels, "1.58.0") == (set() if legal else {"one run at a time"})


def test_a_run_is_accepted_before_that_is_answered() -> None:
    request, answer = Label("rest", "request", "POST run"), Label("rest", "answer", "POST run 200")
    accepted = Label("server", "run-accepted")
    assert broken([request, accepted, answer], "1.10.0") == set()
    assert broken([request, answer, accepted], "1.10.0") == {
        "a run is accepted before that is answered"
    }


def test_an_assignment_changes_something() -> None:
    running, idle = Label("server", "status", "running"), Label("server", "status", "idle")
    assert broken([running, idle, running], "1.10.0") == set()
    assert broken([running, running], "1.10.0") == {"assignments change something"}


def test_milestones_of_runs_tell_more_than_the_last_snapshot() -> None:
    """The tail's own end, of which recordings know nothing."""
    labels = list(session("1.10.0", 0))
    names = list(map(str, labels))
    for what, before in [
        ("run-accepted", "answer POST run 200"),
        ("run-started", "status running"),
        ("run-ended", "frame execution_status=finished"),
        ("run-cleared", "frame full_state=finished"),
    ]:
        at = names.index(before)
        labels.insert(at, Label("server", what))
        names.insert(at, what)
    assert broken(labels, "1.10.0") == set()
    labels.insert(
        names.index("frame execution_status=finished"), labels.pop(names.index("run-cleared"))
    )
    assert "the tail waits" in broken(labels, "1.10.0")


ACTS = st.builds(
    Late,
    st.sampled_from(["append", "publication", "request", "answer"]),
    st.integers(1, 12),
    st.integers(1, 3_000).map(lambda tenths: tenths / 10),
)


def schedules() -> st.SearchStrategy[Schedule]:
    """Every family of faults, and single acts that are late. No socket buffer is full: where links
    are narrow, frames wait in the server's own."""
    drawn = with_faults(st.just(Schedule("legal")), [name for name in FAMILIES if name != "size"])

    def with_late(schedule: Schedule, late: list[Late]) -> Schedule:
        server = replace(schedule.server, late=tuple(late), status_overtakes=0)
        return replace(schedule, server=server)

    return st.builds(with_late, drawn, st.lists(ACTS, max_size=4))


@pytest.mark.parametrize(
    "version",
    [
        "1.58.2",
        *(
            pytest.param(version, marks=pytest.mark.slow)
            for version in ("1.0.0", "1.6.0", "1.9.1", "1.10.0", "1.11.5", "1.24.0", "1.43.1")
        ),
    ],
)
def test_the_fake_breaks_no_rule_whatever_goes_wrong(version: str) -> None:
    site, adapter = UvicornSite(), ReferenceAdapter()
    adapter.server_version = version
    scenario = Scenario("legal", "any order", schedules)
    for drawn in draw_schedules(scenario, int(version.replace(".", "")), 30):
        # The rules are about a conversation from its first event on.
        schedule = replace(drawn, script=replace(drawn.script, history=0))
        if schedule.others:
            # One act alone: several that flip the status within the lag of a publication are not
            # judged (`conformance.legal`), nor one whose snapshot waits for another subscriber.
            calm = replace(schedule.caller, acts=())
            prompt = replace(schedule.server, other_subscriber_first=False)
            schedule = replace(schedule, others=schedule.others[:1], caller=calm, server=prompt)
        if any(reason.startswith("others") for reason in missing(schedule, Profile.of(version))):
            schedule = replace(schedule, others=())
        trial = run_trial(schedule, adapter, site)
        labels = labels_of(trial.happenings)
        assert [str(breach) for breach in breaches(labels, Profile.of(version))] == [], schedule
