"""Pauses and interrupts: when they take effect, and what they leave behind."""

import asyncio

import pytest
from server_rig import HELLO, NEW, after_running, conversation, instant, until

from race_harness.model.schedule import Script, Turn


@instant
async def test_a_pause_takes_effect_between_steps() -> None:
    async with conversation("1.22.1", Script(tool_calls=3), think_ms=20) as subject:
        socket = await subject.connect()
        await subject.begin()
        await subject.post("pause")
        await subject.happened("snapshot", 2)
        await asyncio.sleep(0)
        # The step in which the pause was asked for ends first.
        story = "action observation paused pause [paused] [paused]"
        assert after_running(socket.story) == story
        assert subject.all("run-ended", status="paused")


@pytest.mark.parametrize(
    ("version", "step"),
    [
        # It waits for the state lock, and so for the step.
        ("1.32.0", "action observation paused pause"),
        # The LLM's wait lets it in.
        (NEW, "paused pause action observation"),
    ],
)
@instant
async def test_a_pause_by_another_client_ends_the_run_after_the_step(
    version: str, step: str
) -> None:
    script = Script(tool_calls=1, outcome="paused")
    async with conversation(version, script, think_ms=5) as subject:
        socket = await subject.connect()
        await subject.begin("snapshot", times=2)
        await asyncio.sleep(0)
        log = f"action observation {step}"
        assert after_running(await subject.log()) == log
        # The pause tells the state, and so does the run's tail.
        frames = after_running(socket.story)
        assert frames.replace(" [paused]", "") == log
        assert frames.count("[paused]") == 2
        assert frames.endswith("[paused]")
        assert [h.detail["status"] for h in subject.all("run-ended")] == ["paused"]


@instant
async def test_after_a_pause_the_next_run_goes_on() -> None:
    script = Script(outcome="paused", later=(Turn(says="message"),))
    async with conversation(script=script, think_ms=2) as subject:
        await subject.begin("snapshot", times=2)
        first = await subject.log()
        assert (await subject.post("run")).status_code == 200
        await subject.happened("run-cleared", 2)
        assert await subject.log() == f"{first} running message finished"


@instant
async def test_a_status_assigned_while_the_lock_is_lent_is_not_readable_before_the_step_ends() -> (
    None
):
    async with conversation(NEW, think_ms=30, tool_ms=1) as subject:
        await subject.begin()
        await subject.post("pause")
        assert subject.all("status", status="paused")
        assert await subject.status() == "running"
        # The step that was under way goes on, and its finish wins.
        await subject.happened("run-cleared")
        assert await subject.status() == "finished"


# -- interrupts


@instant
async def test_an_interrupt_cuts_the_thinking_short() -> None:
    async with conversation(NEW, think_ms=60_000) as subject:
        socket = await subject.connect()
        await subject.begin()
        assert (await subject.post("interrupt")).status_code == 200
        assert after_running(socket.story) == "paused interrupt [paused] [paused]"


@instant
async def test_an_interrupted_tool_leaves_an_error_in_place_of_its_observation() -> None:
    async with conversation(NEW, tool_ms=60_000) as subject:
        await subject.begin("persisted", kind="ActionEvent")
        await subject.post("interrupt")
        assert after_running(await subject.log()) == "action failure paused interrupt"


@pytest.mark.parametrize(
    ("version", "ended", "story", "unanswered"),
    [
        # The event loop is busy meanwhile, so that it comes afterwards.
        ("1.24.0", "paused", "running paused interrupt [paused] [paused]", 0),
        ("1.25.0", "idle", "[idle]", 1),
    ],
)
@instant
async def test_an_interrupt_while_the_agent_starts_is_lost_from_1_25(
    version: str, ended: str, story: str, unanswered: int
) -> None:
    async with conversation(version, start_ms=50, think_ms=50) as subject:
        socket = await subject.connect()
        await subject.post("events", HELLO)
        await until(lambda: len(socket.frames) == 4)
        starting = asyncio.create_task(subject.post("run"))
        await subject.happened("run-accepted")
        await asyncio.sleep(0.005)
        asking = asyncio.create_task(subject.post("interrupt"))
        await asyncio.gather(starting, asking, return_exceptions=True)
        await subject.happened("snapshot", run=1)
        assert await subject.status() == ended
        assert [h.detail["status"] for h in subject.all("run-ended")] == [ended]
        assert socket.story == f"[idle] prompt message tracked {story}"
        assert len(subject.all("unanswered")) == unanswered


@instant
async def test_an_interrupt_in_the_tail_is_a_pause() -> None:
    """A message has revived the run's status, which nobody looks at any more."""
    async with conversation(NEW, other_subscriber_ms=1_000) as subject:
        await subject.begin("run-ended")
        await asyncio.sleep(0.5)
        await subject.post("events", HELLO)
        assert await subject.status() == "idle"
        await subject.post("interrupt")
        assert await subject.status() == "paused"
        assert "interrupt" not in await subject.log()
