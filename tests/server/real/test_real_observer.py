"""What is heard in the real server, told as the fake tells it."""

from types import SimpleNamespace
from typing import Any

import pytest

from race_harness.model.schedule import Late, Schedule, Script, ServerTiming, Turn
from race_harness.model.trace import Trace
from race_harness.server.profile import Profile
from race_harness.server.real.observer import Observer, run_of_task


def observer(schedule: Schedule | None = None, version: str = "1.58.0") -> Observer:
    trace = Trace(lambda: 0)
    return Observer(schedule or Schedule("t"), trace, Profile.of(version))


def told(observer: Observer) -> list[tuple[str, dict[str, Any]]]:
    return [(entry.what, entry.detail) for entry in observer.trace.happenings]


def in_run(observer: Observer, *statuses: str) -> None:
    run = observer.next_run()
    observer.accepted(run, other=False)
    token = run_of_task.set(run)
    try:
        for status in statuses:
            observer.status(status)
        observer.over(run, statuses[-1])
    finally:
        run_of_task.reset(token)


def test_a_run_begins_with_running_and_ends_with_its_last_status() -> None:
    heard = observer()
    in_run(heard, "running", "finished")
    assert told(heard) == [
        ("run-accepted", {"run": 1}),
        ("run-started", {"run": 1}),
        ("status", {"status": "running", "run": 1}),
        ("status", {"status": "finished", "run": 1}),
        ("run-ended", {"run": 1, "status": "finished"}),
    ]


def test_finished_is_no_end_while_a_stop_hook_is_going_to_deny_it() -> None:
    heard = observer(Schedule("t", script=Script(stop_hook_denials=1)))
    run = heard.next_run()
    heard.accepted(run, other=False)
    token = run_of_task.set(run)
    heard.status("running")
    heard.status("finished")
    assert "run-ended" not in dict(told(heard))
    run.denials_left = 0
    heard.status("running")
    heard.status("finished")
    run_of_task.reset(token)
    assert told(heard)[-1] == ("run-ended", {"run": 1, "status": "finished"})


def test_a_run_that_finds_nothing_to_do_begins_and_ends() -> None:
    heard = observer()
    run = heard.next_run()
    heard.accepted(run, other=False)
    heard.over(run, "finished")
    assert [what for what, _ in told(heard)] == ["run-accepted", "run-started", "run-ended"]


def test_a_pause_from_outside_is_nobodys_run_and_ends_the_one_that_is_on() -> None:
    heard = observer()
    run = heard.next_run()
    heard.accepted(run, other=False)
    heard.started(run)
    heard.status("paused")
    heard.over(run, "paused")
    assert ("status", {"status": "paused", "run": None}) in told(heard)
    assert told(heard)[-1] == ("run-ended", {"run": 1, "status": "paused"})


def test_each_run_has_its_own_turn_of_the_script() -> None:
    script = Script(outcome="error", later=(Turn(tool_calls=2),))
    heard = observer(Schedule("t", script=script))
    first = heard.next_run()
    heard.accepted(first, other=False)
    assert (first.outcome(), heard.next_run().outcome()) == ("error", None)


def test_statistics_are_trailing_only_after_the_snapshot_of_their_run() -> None:
    heard = observer()

    class ConversationStateUpdateEvent(SimpleNamespace):
        pass

    first, second = (
        ConversationStateUpdateEvent(id=name, key="stats", value={}) for name in ("1", "2")
    )
    status = ConversationStateUpdateEvent(id="3", key="execution_status", value="idle")
    run = heard.next_run()
    token = run_of_task.set(run)
    heard.statistics(first)
    heard.statistics(second)
    run_of_task.reset(token)
    heard.persisted(first)
    token = run_of_task.set(run)
    heard.snapshot("finished")
    run_of_task.reset(token)
    heard.persisted(second)
    heard.persisted(status)
    appended = [detail for what, detail in told(heard) if what == "persisted"]
    assert [detail.get("trailing", False) for detail in appended] == [False, True, False]
    assert [detail.get("run") for detail in appended] == [1, 1, None]


@pytest.mark.parametrize(("version", "tells"), [("1.42.0", False), ("1.43.0", True)])
def test_the_readable_status_is_told_where_rest_reads_it(version: str, tells: bool) -> None:
    heard = observer(version=version)
    heard.saved("idle")
    heard.saved("running")
    heard.saved("running")
    assert [what for what, _ in told(heard)] == ["status-readable"] * tells


def test_late_acts_are_counted_by_kind() -> None:
    timing = ServerTiming(late=(Late("append", 2, 30.0), Late("publication", 1, 40.0)))
    heard = observer(Schedule("t", server=timing))
    waits = [heard.late_ms("append"), heard.late_ms("append"), heard.late_ms("publication")]
    assert waits == [0.0, 30.0, 40.0]
