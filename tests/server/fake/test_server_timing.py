"""What a schedule says of the server's acts: how long each takes, and which frames overtake."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from server_rig import (
    FINISH,
    HELLO,
    NEW,
    OLD,
    after_running,
    conversation,
    instant,
    plain_run,
    until,
)

from race_harness.model.schedule import Late, ProcessEvent, Script
from race_harness.model.trace import Happening
from race_harness.server.fake.event_service import EPOCH


@pytest.mark.parametrize("late_ms", [0.0, 3.0])
@instant
async def test_one_act_can_be_later_than_others(late_ms: float) -> None:
    acts = (
        Late("append", 1, late_ms),
        Late("publication", 3, late_ms),
        Late("request", 2, late_ms),
        Late("answer", 2, late_ms),
    )
    async with conversation(OLD, persist_ms=2, publish_ms=1, late=acts) as subject:
        loop = asyncio.get_running_loop()
        socket = await subject.connect()
        began = loop.time()
        await subject.post("events", HELLO)
        assert loop.time() - began == pytest.approx((2 + 2 + 3 * late_ms) / 1000)
        await subject.post("run")
        await subject.happened("snapshot")
        sent = subject.place("frame-sent", key="execution_status", value="running")
        append = subject.all("persisted", key="execution_status")[0]
        assert (sent < subject.trace.happenings.index(append)) == (late_ms == 0)
        # None overtakes it.
        assert socket.story == f"[idle] {await subject.log()} [finished]"


@pytest.mark.parametrize("status_ms", [0.0, 20.0])
@instant
async def test_a_final_status_can_be_late_after_the_last_event(status_ms: float) -> None:
    async with conversation(status_ms=status_ms) as subject:
        await plain_run(subject)
        (seen,) = subject.all("persisted", kind="ObservationEvent")
        (ended,) = subject.all("run-ended")
        assert (ended.at_ns - seen.at_ns >= 19e6) == (status_ms == 20)


# -- frames that overtake


@pytest.mark.parametrize(
    ("overtakes", "tool_ms", "order"),
    [
        (0, 0, "action observation finished"),
        (1, 0, "action finished observation"),
        (2, 0, "finished action observation"),
        # Nothing that was sent: `running`, and the action if the tool takes long.
        (1_000, 0, "finished action observation"),
        (1_000, 60, "action finished observation"),
    ],
)
@instant
async def test_a_final_status_overtakes_so_many_frames(
    overtakes: int, tool_ms: float, order: str
) -> None:
    async with conversation(
        publish_ms=30, think_ms=60, tool_ms=tool_ms, status_overtakes=overtakes
    ) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        # `running` waits behind the message, though it could overtake it; the snapshot is last.
        assert socket.story == f"[idle] prompt message tracked running {order} [finished]"
        # The log knows nothing of it, and nothing is missing.
        assert after_running(await subject.log()) == FINISH
        items = (await subject.events())["items"]
        assert sorted(f["id"] for f in socket.frames[1:-1]) == sorted(e["id"] for e in items)


@pytest.mark.parametrize(
    ("outcome", "order"),
    [
        ("error", "error observation reason [error]"),
        ("stuck", "stuck observation [stuck]"),
        (
            "waiting_for_confirmation",
            "observation waiting_for_confirmation action [waiting_for_confirmation]",
        ),
    ],
)
@instant
async def test_other_final_statuses_overtake_as_well(outcome: Any, order: str) -> None:
    script = Script(tool_calls=1, outcome=outcome)
    async with conversation(script=script, publish_ms=60, status_overtakes=1) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        assert after_running(socket.story) == f"action {order}"


# -- another subscriber


@pytest.mark.parametrize("other_ms", [0, 100])
@instant
async def test_another_subscriber_holds_up_the_tail_and_no_frame(other_ms: float) -> None:
    async with conversation(other_subscriber_ms=other_ms) as subject:
        socket = await subject.connect()
        waiting = []

        def notice(happening: Happening) -> None:
            if happening.what == "frame-sent" and happening.detail.get("value") == "finished":
                waiting.append(len(subject.conversation.pub_sub._pending))

        subject.trace.listeners.append(notice)
        await plain_run(subject)
        assert socket.story.endswith("finished [finished]")
        # Action and observation are out already, though the other one does not have them yet.
        assert waiting[0] >= 3 if other_ms else waiting[0] == 1
        (sent,) = subject.all("frame-sent", key="execution_status", value="finished")
        (cleared,), (snapshot,) = subject.all("run-cleared"), subject.all("snapshot")
        assert snapshot.at_ns >= cleared.at_ns >= sent.at_ns + (other_ms - 1) * 1e6


@pytest.mark.parametrize("other_ms", [0.0, 60.0])
@instant
async def test_another_subscriber_holds_up_the_answer_to_a_pause_and_no_frame(
    other_ms: float,
) -> None:
    async with conversation(other_subscriber_ms=other_ms) as subject:
        socket = await subject.connect()
        loop = asyncio.get_running_loop()
        began = loop.time()
        pausing = asyncio.create_task(subject.post("pause"))
        await until(lambda: socket.story.endswith("[paused]"))
        assert loop.time() - began < 0.002
        await pausing
        assert loop.time() - began >= other_ms / 1000


@instant
async def test_a_second_run_is_refused_while_another_subscriber_is_served() -> None:
    async with conversation(other_subscriber_ms=60) as subject:
        socket = await subject.connect()
        await subject.begin("frame-sent", key="execution_status", value="finished")
        # The client knows that it is finished, and is refused all the same.
        assert socket.story.endswith(FINISH)
        assert await subject.status() == "finished"
        assert (await subject.post("run")).status_code == 409
        await subject.happened("run-cleared")
        assert (await subject.post("run")).status_code == 200


# -- a server that would flush first


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize(("flushes_first", "seen"), [(True, "running"), (False, "finished")])
@instant
async def test_it_tells_a_final_status_only_when_every_frame_before_it_is_out(
    version: str, flushes_first: bool, seen: str
) -> None:
    async with conversation(version, publish_ms=40, flushes_first=flushes_first) as subject:
        await subject.begin("run-ended")
        await subject.happened("persisted", 2, key="execution_status", run=1)
        await asyncio.sleep(0.001)
        assert await subject.status() == seen
        await subject.happened("snapshot")
        assert await subject.status() == "finished"


@instant
async def test_it_tells_any_other_status_at_once() -> None:
    async with conversation(publish_ms=40, flushes_first=True) as subject:
        assert await subject.status() == "idle"
        await subject.post("events", HELLO)
        assert subject.conversation.pub_sub.busy()
        assert await subject.status() == "idle"


# -- clocks


@pytest.mark.parametrize(("clock_ms", "alike"), [(0.0, False), (5_000.0, True), (0.001, None)])
@instant
async def test_events_are_stamped_alike_by_a_coarse_clock_only(
    clock_ms: float, alike: bool | None
) -> None:
    async with conversation(script=Script(tool_calls=3), clock_ms=clock_ms) as subject:
        await plain_run(subject)
        items = (await subject.events())["items"]
        stamps = [datetime.fromisoformat(item["timestamp"]) for item in items]
        assert stamps == sorted(stamps)
        if alike is not None:
            assert (len(set(stamps)) < len(stamps)) is alike
        if clock_ms:
            tick = timedelta(milliseconds=clock_ms)
            assert not any((stamp - EPOCH) % tick for stamp in stamps)


@pytest.mark.parametrize("clock_ms", [0.0, 10.0])
@instant
async def test_events_are_stamped_by_the_clock_as_it_was_set(clock_ms: float) -> None:
    steps = tuple(ProcessEvent("clock-step", by_ms=by_ms) for by_ms in (-3_600_000, 60_000))
    async with conversation(clock_ms=clock_ms, process=steps) as subject:
        began = len((await subject.events())["items"])
        for run, event in enumerate(steps, 1):
            await plain_run(subject, run)
            subject.trace.record("server", "clock-stepped", by_ms=event.by_ms)
        await plain_run(subject, 3)
        items = (await subject.events())["items"]
        days = [datetime.fromisoformat(item["timestamp"]) - EPOCH for item in items]
        each = (len(days) - began) // 3
        hour, minute = timedelta(hours=1), timedelta(minutes=1)
        first, second, third = (days[began + n * each :][:each] for n in range(3))
        assert all(timedelta() <= one < minute for one in first)
        assert all(-hour <= one < minute - hour for one in second)
        assert all(minute - hour <= one < 2 * minute - hour for one in third)
        # The log keeps its order, and a filter goes by the timestamps.
        found = (await subject.events(timestamp__gte=items[began]["timestamp"]))["items"]
        assert found == items[began : began + each]


@instant
async def test_stamps_that_are_alike_change_no_order() -> None:
    async with conversation(clock_ms=3_600_000.0) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        assert (await subject.log()).endswith(FINISH)
        items = (await subject.events())["items"]
        assert len({item["timestamp"] for item in items}) == 1
        assert socket.frames[1:-1] == items
        # And a filter by time still finds them all.
        found = (await subject.events(timestamp__gte=items[0]["timestamp"]))["items"]
        assert found == items
