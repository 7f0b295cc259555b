"""What each field of `Profile` makes the fake do, and since which release.

The table has a row for each field, in the order of `Profile`, which cites upstream. A row's probe
is run on both sides of each border between releases, and with the field switched alone.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import profile_probes as probe
import pytest
from profile_probes import Probe, log_of_run
from server_rig import FINISH, MAX_ITERATIONS, run

from race_harness.model.errors import UsageError
from race_harness.model.schedule import Act, Caller, OtherAct, Schedule, Script, Turn
from race_harness.server.missing import missing
from race_harness.server.profile import Profile

type Sides = tuple[tuple[str, bool], ...]
"""Releases on the two sides of a border, and whether the field is on."""


def since(last_without: str, first: str) -> Sides:
    return (last_without, False), (first, True)


def until(last: str, first_without: str) -> Sides:
    return (last, True), (first_without, False)


@dataclass(frozen=True)
class Row:
    field: str
    sides: Sides
    probe: Probe
    off: object
    """What the probe returns where the field is off."""
    on: object
    values: tuple[object, object] = (False, True)
    """Of the field, off and on."""

    def seen(self, on: bool) -> object:
        return self.on if on else self.off


# fmt: off
TABLE = [
    Row("answers_when_run_ends", until("1.6.0", "1.7.0"), probe.end_and_answer,
        off="answered < ended < cleared < told < snapshot",
        on="ended < told < cleared < snapshot < answered"),
    Row("starts_agent_on_creation", until("1.9.1", "1.10.0"), probe.system_prompt,
        off=("", "[idle] prompt message"),
        on=("prompt", "[idle] message")),
    Row("reads_block_loop", until("1.5.2", "1.6.0"), probe.read_during_step,
        off=("status first", "running"),
        on=("events first", "finished")),
    Row("rejects_by_pausing", until("1.5.1", "1.5.2"), probe.rejected,
        off="action waiting_for_confirmation idle rejection",
        on="action waiting_for_confirmation"),
    Row("survives_failed_tools", since("1.7.2", "1.7.3"), probe.failing_tool_and_next_run,
        off=f"action action error reason running observation observation {FINISH}",
        # The call that failed is done again, still: `repeats_failed_calls`.
        on=f"action action failure observation observation {FINISH}"),
    Row("tells_errors", since("1.0.0", "1.1.0"), probe.frames_of_failing_run,
        off="error",
        on="error reason"),
    Row("tells_step_limit", since("1.7.1", "1.7.2"), log_of_run(Script(tool_calls=9)),
        off=" ".join(["action observation"] * MAX_ITERATIONS),
        on=" ".join(["action observation"] * MAX_ITERATIONS + ["error reason"])),
    Row("keeps_finish_at_step_limit", since("1.16.1", "1.17.0"),
        log_of_run(Script(tool_calls=MAX_ITERATIONS - 1)),
        off=" ".join(["action observation"] * MAX_ITERATIONS + ["finished error reason"]),
        on=" ".join(["action observation"] * MAX_ITERATIONS + ["finished"])),
    Row("finishes_before_answer", until("1.3.0", "1.4.0"), log_of_run(Script(says="message")),
        off="message finished",
        on="finished message"),
    Row("has_stop_hooks", since("1.7.4", "1.8.0"), log_of_run(Script(stop_hook_denials=1)),
        off=FINISH,
        on=f"{FINISH} message running {FINISH}"),
    Row("publish_before_persist", until("1.44.1", "1.45.0"), probe.append_and_frame,
        off="appended < sent",
        on="sent < appended"),
    Row("status_from_persisted_state", since("1.42.1", "1.43.0"), probe.status_during_step,
        off=("finished", "is running, is finished"),
        on=("running", "is running, reads running, is finished, reads finished")),
    Row("status_takes_state_lock", since("1.41.0", "1.42.0") + until("1.42.1", "1.43.0"),
        probe.status_during_append,
        off="at once",
        on="afterwards"),
    Row("reads_take_state_lock", until("1.11.5", "1.12.0"), probe.log_during_append,
        off="",
        on="prompt"),
    Row("snapshot_blocks_loop", until("1.16.0", "1.16.1"), probe.waiting_snapshots,
        off=("running", "action", "message tracked [error]"),
        on=("finished", "[finished]", "message [error] tracked")),
    Row("runs_on_loop", since("1.22.1", "1.23.0"), probe.busy_loop,
        off=("sent < appended", "answered at once", "interrupt 404",
             "error reason message tracked"),
        on=("appended < sent", "answered afterwards", "interrupt 200",
            "message tracked error reason")),
    Row("starts_in_thread", until("1.22.1", "1.23.0") + since("1.24.0", "1.25.0"),
        probe.slow_start,
        off=("running", "started < answered"),
        on=("idle", "answered < started")),
    Row("interrupt_spares_tail", since("1.24.0", "1.25.0"), probe.interrupt_before_long_tail,
        off=([None], 1),
        on=([None, 1], 1)),
    Row("thinks_without_state_lock", since("1.32.0", "1.33.0"), probe.snapshot_while_llm_thinks,
        off="[finished]",
        on="[running]"),
    Row("masks_answers", since("1.49.6", "1.50.0"),
        log_of_run(Script(says="message", statistics=True), persist_ms=1, think_ms=5),
        off="message finished stats",
        on="stats message finished"),
    Row("task_checked_first", since("1.55.1", "1.56.0"), probe.second_run_during_step,
        off=(409, "afterwards"),
        on=(409, "at once")),
    Row("waits_for_pending", since("1.9.1", "1.10.0"), probe.frame_and_tail,
        off="cleared < told",
        on="told < cleared"),
    Row("tracks_last_user_message", since("1.11.4", "1.11.5"), probe.messages,
        off=("prompt message", ["user", "user"]),
        on=("prompt message tracked", ["user", "environment"])),
    Row("rescans_for_messages", since("1.44.1", "1.45.0"), probe.message_during_step,
        off=[FINISH, "action waiting_for_confirmation"],
        on=[f"{FINISH} running {FINISH}",
            "action waiting_for_confirmation idle rejection running"
            " action waiting_for_confirmation"]),
    Row("stuck_can_go_on", since("1.13.0", "1.13.1"), probe.stuck,
        off="stuck [stuck] [stuck] message tracked",
        on="stuck [stuck] running stuck [stuck] idle message tracked"),
    Row("streams_deltas", since("1.18.0", "1.18.1"), probe.deltas,
        off=(f"{FINISH} [finished]", FINISH),
        on=(f"delta delta {FINISH} [finished]", FINISH)),
    Row("repeats_failed_calls", until("1.11.5", "1.12.0"),
        log_of_run(Script(tool_calls=3, calls_each=3, failing_calls=2)),
        off=f"action action action failure failure observation {FINISH}",
        on=f"action action action failure failure observation observation observation {FINISH}"),
    Row("tells_statistics",
        since("1.2.0", "1.3.0") + until("1.9.1", "1.10.0") + since("1.19.0", "1.19.1"),
        log_of_run(Script(statistics=True), persist_ms=1, think_ms=5),
        off=FINISH,
        on=f"{FINISH} stats"),
    Row("stamps_statistics_late", since("1.57.0", "1.58.0"), probe.stamps,
        off="in another order",
        on="in the order of the log"),
    Row("header_authentication", since("1.11.5", "1.12.0"), probe.key_in_header,
        off=(False, 4001),
        on=(True, None)),
    Row("first_frame_authentication", since("1.18.0", "1.18.1"), probe.key_in_first_frame,
        off=(False, 4001),
        on=(True, None)),
    Row("resends_since", since("1.14.0", "1.15.0"), probe.events_sent_again,
        off=(0, 0),
        on=(7, 5)),
    Row("first_snapshot_s", since("1.21.1", "1.22.0"), probe.first_frame_of_a_slow_reader,
        off="[idle]",
        on="prompt",
        values=(None, 0.5)),
    Row("serves_in_turn", until("1.22.0", "1.22.1"), probe.frame_behind_another_subscriber,
        off="at once",
        on="in turn"),
    Row("keeps_conversations", since("1.7.2", "1.7.3"), probe.answer_after_death,
        off=404,
        on=200),
    Row("recovers_runs", since("1.7.3", "1.7.4"), probe.status_after_death_in_run,
        off="running",
        on="error"),
    Row("lease_outlives_server", since("1.19.0", "1.19.1") + until("1.21.1", "1.22.0"),
        probe.answer_after_death,
        off=200,
        on=404),
    Row("saves_state_late", since("1.22.0", "1.22.1"), probe.status_after_death_at_end,
        off="finished",
        on="error"),
    Row("head_in_state", since("1.30.0", "1.31.0"), probe.observations_after_death_in_tools,
        off=2,
        on=1),
    Row("trips_over_empty_files", since("1.8.1", "1.8.2") + until("1.30.0", "1.31.0"),
        probe.end_of_a_run_after_an_empty_file,
        off="finished",
        on="error"),
    Row("search_trips", since("1.22.0", "1.22.1") + until("1.29.0", "1.30.0"),
        probe.searches_over_an_empty_file,
        off=(200, 200),
        on=(200, 500)),
    Row("reads_for_errors", since("1.28.1", "1.29.0") + until("1.43.1", "1.44.0"),
        probe.unwritten_by_a_run_that_fails,
        off="action status reason",
        on="action status"),
    Row("empties_before_writing", until("1.43.1", "1.44.0"), probe.answer_without_a_saved_state,
        off=200,
        on=500),
    Row("marks_failed_runs", since("1.24.0", "1.25.0"), probe.status_of_a_run_that_cannot_begin,
        off="running",
        on="error"),
    Row("tells_unhandled_errors", since("1.42.1", "1.43.0"),
        probe.reasons_of_a_run_that_cannot_begin,
        off=0,
        on=1),
    Row("max_subscribers", since("1.22.0", "1.22.1"), probe.close_code_of_fifty_first,
        off=None,
        on=1013,
        values=(None, 50)),
    Row("reruns_for_messages", since("1.23.0", "1.23.1"), probe.runs_after_a_message_in_the_tail,
        off=1,
        on=2),
    Row("stops_prevent_reruns", since("1.24.0", "1.25.0"), probe.runs_of_a_message_and_a_pause,
        off=1,
        on=0),
]
# fmt: on


def test_every_field_has_its_row() -> None:
    assert ["version", *(row.field for row in TABLE)] == [field.name for field in fields(Profile)]


@pytest.mark.parametrize(
    ("row", "release", "on"),
    [
        pytest.param(row, release, on, id=f"{row.field}-{release}")
        for row in TABLE
        for release, on in row.sides
    ],
)
def test_both_sides_of_a_border(row: Row, release: str, on: bool) -> None:
    profile = Profile.of(release)
    assert getattr(profile, row.field) == row.values[on]
    assert run(row.probe(profile)) == row.seen(on)


@pytest.mark.parametrize("row", TABLE, ids=[row.field for row in TABLE])
def test_the_field_alone_makes_the_difference(row: Row) -> None:
    """At one of the borders at least: at another one, another field may hide it."""

    def switched(release: str, on: bool) -> object:
        field: dict[str, Any] = {row.field: row.values[on]}
        return run(row.probe(replace(Profile.of(release), **field)))

    assert any(switched(release, not on) == row.seen(not on) for release, on in row.sides)


def test_a_run_that_a_message_asks_for_is_tracked_or_missing() -> None:
    schedule = Schedule("any", others=(OtherAct("pause"), OtherAct("message-and-run")))
    (reason,) = missing(schedule, Profile.of("1.22.0"))
    assert reason.startswith("others[1], message-and-run: 1.22.0 lets such a run go")
    assert missing(schedule, Profile.of("1.22.1")) == ()
    assert missing(replace(schedule, others=schedule.others[:1]), Profile.of("1.22.0")) == ()


def test_profiles_of_odd_versions() -> None:
    assert Profile.of("1.43.1+g611629e69").status_from_persisted_state
    assert not Profile.of("1.44").status_takes_state_lock
    assert Profile.of("1.44.0rc1").publish_before_persist
    assert not Profile.of("2").publish_before_persist
    with pytest.raises(UsageError, match="newest"):
        Profile.of("newest")


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        (
            Schedule("any", script=Script(stop_hook_denials=1)),
            "script.stop_hook_denials: 1.6.0 has no stop hooks",
        ),
        (
            Schedule("any", script=Script(later=(Turn(), Turn(stop_hook_denials=2)))),
            "script.later[1].stop_hook_denials: 1.6.0 has no stop hooks",
        ),
        (
            Schedule("any", caller=Caller(acts=(Act("pause"), Act("interrupt")))),
            "caller.acts[1], interrupt: 1.6.0 has no such thing",
        ),
    ],
)
def test_what_a_schedule_asks_for_in_vain(schedule: Schedule, reason: str) -> None:
    assert missing(schedule, Profile.of("1.6.0")) == (reason,)
    assert missing(schedule, Profile.of("1.8.0")) == ()
    benign = replace(schedule, script=Script(), caller=Caller(acts=(Act("pause"),)))
    assert missing(benign, Profile.of("1.6.0")) == ()
