"""What only some releases do: calls again, statistics, starts that block, lost interrupts."""

import asyncio

import pytest
from server_rig import HELLO, NEW, ClientSocket, Rig, plain_run, rig, run, told, until

from harness.schedule import Late, Script

RUNNING = "execution_status=running"


async def log(subject: Rig) -> list[str]:
    """From the first `running` on."""
    story = [told(item) for item in (await subject.events())["items"]]
    return story[story.index(RUNNING) + 1 :]


@pytest.mark.parametrize(("version", "again"), [("1.11.5", True), ("1.12.0", False)])
def test_a_failed_call_is_done_again_up_to_1_11(version: str, again: bool) -> None:
    async def trial() -> None:
        script = Script(tool_calls=3, calls_each=3, failing_calls=2)
        async with rig(version, script) as subject:
            await subject.create()
            await plain_run(subject)
            tools = [kind for kind in await log(subject) if not kind.startswith("execution")]
            failed = ["AgentErrorEvent"] * 2
            assert tools == [
                *["ActionEvent"] * 3,
                *failed,
                "ObservationEvent",
                *["ObservationEvent"] * (2 if again else 0),
                "ActionEvent",
                "ObservationEvent",
            ]

    run(trial())


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.19.0", ["ActionEvent", "ObservationEvent", "execution_status=finished"]),
        ("1.19.1", ["ActionEvent", "ObservationEvent", "execution_status=finished", "stats"]),
        (NEW, ["ActionEvent", "ObservationEvent", "execution_status=finished", "stats"]),
    ],
)
def test_statistics_are_appended_when_the_step_has_left_the_lock(
    version: str, expected: list[str]
) -> None:
    async def trial() -> None:
        async with rig(version, Script(statistics=True), persist_ms=1, think_ms=5) as subject:
            await subject.create()
            await plain_run(subject)
            assert await log(subject) == expected

    run(trial())


@pytest.mark.parametrize(("version", "first"), [("1.49.0", False), ("1.50.0", True)])
def test_masking_an_answer_lets_others_have_the_lock_from_1_50(version: str, first: bool) -> None:
    async def trial() -> None:
        script = Script(says="message", statistics=True)
        async with rig(version, script, persist_ms=1, think_ms=5) as subject:
            await subject.create()
            await plain_run(subject)
            answer = ["MessageEvent", "execution_status=finished"]
            assert await log(subject) == (["stats", *answer] if first else [*answer, "stats"])

    run(trial())


@pytest.mark.parametrize(("version", "in_order"), [("1.57.0", False), ("1.58.0", True)])
def test_statistics_are_stamped_when_they_are_appended_from_1_58(
    version: str, in_order: bool
) -> None:
    async def trial() -> None:
        async with rig(version, Script(statistics=True), persist_ms=1, think_ms=5) as subject:
            await subject.create()
            await plain_run(subject)
            stamps = [item["timestamp"] for item in (await subject.events())["items"]]
            assert (stamps == sorted(stamps)) == in_order

    run(trial())


def test_the_snapshot_queues_for_the_lock_behind_statistics() -> None:
    """So none of its own run's trail it, however late they are."""

    async def trial() -> None:
        # After system prompt, message, its id, running, action, observation and finished.
        late = (Late("append", 8, 50.0),)
        async with rig(NEW, Script(statistics=True), late=late) as subject:
            await subject.create()
            await plain_run(subject)
            assert subject.place("persisted", key="stats") < subject.place("snapshot")
            assert not subject.all("persisted", trailing=True)

    run(trial())


@pytest.mark.parametrize(
    ("version", "rejected"), [("1.43.1", False), ("1.45.0", True), (NEW, True)]
)
def test_a_message_rejects_what_is_going_to_wait_for_confirmation(
    version: str, rejected: bool
) -> None:
    async def trial() -> None:
        script = Script(outcome="waiting_for_confirmation")
        async with rig(version, script, think_ms=20) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-started")
            await asyncio.sleep(0.005)
            await subject.post("events", HELLO)
            await subject.happened("snapshot", run=1)
            story = await log(subject)
            waiting = ["ActionEvent", "execution_status=waiting_for_confirmation"]
            gone = ["execution_status=idle", "UserRejectObservation", RUNNING]
            assert story[2:] == ([*waiting, *gone, *waiting] if rejected else waiting)

    run(trial())


async def interrupted(subject: Rig, socket: ClientSocket) -> tuple[str, list[str]]:
    """In the middle of a slow start: the status then, and what the socket told of it."""
    await subject.post("events", HELLO)
    await until(lambda: len(socket.frames) == 4)
    starting = asyncio.create_task(subject.post("run"))
    await subject.happened("run-accepted")
    await asyncio.sleep(0.005)
    asking = asyncio.create_task(subject.post("interrupt"))
    await subject.happened("snapshot", run=1)
    await asyncio.gather(starting, asking, return_exceptions=True)
    return await subject.status(), socket.story[4:]


def test_an_interrupt_while_the_agent_starts_is_lost() -> None:
    async def trial() -> None:
        async with rig("1.25.0", start_ms=50, think_ms=50) as subject:
            await subject.create()
            status, story = await interrupted(subject, await subject.connect())
            assert (status, story) == ("idle", ["full_state(idle)"])
            assert [h.detail["status"] for h in subject.all("run-ended")] == ["idle"]
            assert len(subject.all("unanswered")) == 1
        async with rig("1.24.0", start_ms=50, think_ms=50) as subject:
            # The event loop is busy meanwhile, so that it comes afterwards.
            await subject.create()
            status, story = await interrupted(subject, await subject.connect())
            assert status == "paused"
            assert story[:3] == [RUNNING, "execution_status=paused", "InterruptEvent"]

    run(trial())


@pytest.mark.parametrize(("version", "snapshots"), [("1.24.0", [None]), ("1.25.0", [None, 1])])
def test_an_interrupt_cancels_a_tail_that_takes_more_than_5_s_up_to_1_24(
    version: str, snapshots: list[int | None]
) -> None:
    async def trial() -> None:
        async with rig(version, think_ms=5, other_subscriber_ms=8_000) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-started")
            assert (await subject.post("interrupt")).status_code == 200
            told_of = [h.detail["run"] for h in subject.all("snapshot")]
            assert told_of == snapshots
            assert len(subject.all("run-cleared")) == 1

    run(trial())


def test_an_interrupt_in_the_tail_is_a_pause() -> None:
    """A message has revived the run's status, which nobody looks at any more."""

    async def trial() -> None:
        async with rig(NEW, other_subscriber_ms=1_000) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-ended")
            await asyncio.sleep(0.5)
            await subject.post("events", HELLO)
            assert await subject.status() == "idle"
            await subject.post("interrupt")
            assert await subject.status() == "paused"
            assert "InterruptEvent" not in await log(subject)

    run(trial())
