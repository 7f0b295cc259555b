"""A run from its start to the snapshot after it: the order of its acts, as in real sessions."""

import asyncio
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

from race_harness.model.schedule import Late, Script


@pytest.mark.parametrize("version", [OLD, "1.23.0", "1.43.1", NEW])
@pytest.mark.parametrize("milliseconds", [0.0, 2.0])
@instant
async def test_frames_and_log_of_a_plain_run(version: str, milliseconds: float) -> None:
    acts = ["think_ms", "tool_ms", "persist_ms", "publish_ms", "snapshot_ms"]
    timing: dict[str, Any] = dict.fromkeys(acts, milliseconds)
    async with conversation(version, **timing) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        message = "message" if version == OLD else "message tracked"
        log = f"prompt {message} running {FINISH}"
        assert await subject.log() == log
        assert socket.story == f"[idle] {log} [finished]"
        # The frames are the events of the log, the snapshots aside.
        items = (await subject.events())["items"]
        assert socket.frames[1:-1] == items
        stamps = [item["timestamp"] for item in items]
        assert stamps == sorted(set(stamps))
        assert len({item["id"] for item in items}) == len(items)


# -- how a run starts


@pytest.mark.parametrize("version", [OLD, "1.23.0", NEW])
@instant
async def test_the_agent_starts_with_the_first_run_if_there_was_no_message(version: str) -> None:
    async with conversation(version) as subject:
        await subject.post("run")
        await subject.happened("snapshot")
        assert await subject.log() == f"prompt running {FINISH}"


@instant
async def test_a_message_can_start_a_run() -> None:
    async with conversation(start_ms=5) as subject:
        await subject.post("events", HELLO | {"run": True})
        await subject.post("events", HELLO | {"run": True})  # Not a second one.
        await subject.happened("snapshot")
        assert len(subject.all("run-accepted")) == 1


@instant
async def test_a_finished_conversation_is_not_set_running_again_without_a_message() -> None:
    async with conversation() as subject:
        socket = await subject.connect()
        await plain_run(subject)
        first = socket.story
        assert (await subject.post("run")).status_code == 200
        await subject.happened("snapshot", 2)
        await asyncio.sleep(0)
        assert socket.story == f"{first} [finished]"
        assert [h.detail["run"] for h in subject.all("run-ended")] == [1, 2]
        await plain_run(subject, 3)
        third = f"idle message tracked running {FINISH} [finished]"
        assert socket.story == f"{first} [finished] {third}"


@instant
async def test_the_answer_of_run_can_come_after_the_run() -> None:
    async with conversation(answer_run_ms=30) as subject:
        await subject.post("events", HELLO)
        assert (await subject.post("run")).status_code == 200
        assert subject.place("run-ended") < subject.place_of_answer("POST run")


# -- its tail


@instant
async def test_live_memory_is_ahead_of_the_socket_up_to_1_41() -> None:
    async with conversation("1.11.1", publish_ms=40) as subject:
        socket = await subject.connect()
        await subject.begin("run-ended")
        assert await subject.status() == "finished"
        assert "action" not in socket.story


@pytest.mark.parametrize("version", [OLD, NEW])
@instant
async def test_a_second_run_is_refused_until_the_tail_has_cleared_the_first(version: str) -> None:
    async with conversation(version, publish_ms=30) as subject:
        await subject.begin("run-ended")
        assert (await subject.post("run")).status_code == 409
        assert subject.all("run-refused", status=409)
        await subject.happened("run-cleared")
        assert (await subject.post("run")).status_code == 200
        assert [h.detail["run"] for h in subject.all("run-accepted")] == [1, 2]


@instant
async def test_a_long_publication_lag_delays_the_snapshot_after_the_run() -> None:
    async with conversation(publish_ms=30) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        assert socket.story.endswith("finished [finished]")
        (ended,), (cleared,) = subject.all("run-ended"), subject.all("run-cleared")
        assert cleared.at_ns - ended.at_ns >= 29e6


@instant
async def test_the_tail_gives_up_on_a_publication_after_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("race_harness.server.fake.run.PENDING_TIMEOUT_S", 0.005)
    async with conversation(publish_ms=100) as subject:
        socket = await subject.connect()
        await subject.begin("run-cleared")
        assert "finished" not in socket.story
        await subject.happened("snapshot")
        await asyncio.sleep(0)
        assert socket.story.endswith("finished [finished]")


@instant
async def test_the_snapshot_queues_for_the_lock_behind_statistics() -> None:
    """So none of its own run's trail it, however late they are."""
    # After system prompt, message, its id, running, action, observation and finished.
    late = (Late("append", 8, 50.0),)
    async with conversation(NEW, Script(statistics=True), late=late) as subject:
        await plain_run(subject)
        assert subject.place("persisted", key="stats") < subject.place("snapshot")
        assert not subject.all("persisted", trailing=True)


@instant
async def test_who_is_cancelled_while_a_snapshot_waits_takes_no_frames_along() -> None:
    async with conversation("1.9.1", publish_ms=20) as subject:
        socket = await subject.connect()
        await subject.post("events", HELLO)
        ending = asyncio.create_task(subject.conversation.publish_snapshot())
        await asyncio.sleep(0.005)
        ending.cancel()
        await subject.post("events", HELLO)
        await asyncio.sleep(0.1)
        assert socket.story.count("message") == 2


# -- up to 1.6, where a run is answered when it is over


@instant
async def test_a_run_that_fails_is_answered_500_and_followed_by_no_snapshot() -> None:
    async with conversation("1.6.0", Script(outcome="error"), publish_ms=20) as subject:
        socket = await subject.connect()
        await subject.post("events", HELLO)
        answer = await subject.post("run")
        assert answer.status_code == 500
        assert answer.json()["detail"] == "Internal Server Error"
        # Those that were scheduled before it are out by then.
        assert after_running(socket.story) == "error reason"
        assert subject.all("snapshot") == subject.all("run-refused") == []
        # Nothing is left of it.
        assert (await subject.post("run")).status_code == 200


@instant
async def test_a_second_run_joins_the_first_and_none_is_refused() -> None:
    async with conversation("1.6.0", Script(tool_calls=3), think_ms=50) as subject:
        await subject.post("events", HELLO)
        first = asyncio.create_task(subject.post("run"))
        await asyncio.sleep(0.06)
        # In the second step. Then they take turns.
        second = await subject.post("run")
        assert (second.status_code, (await first).status_code) == (200, 200)
        assert len(subject.all("run-accepted")) == len(subject.all("run-ended")) == 2
        # What the LLM answers to the second is the end of the first, too.
        assert after_running(await subject.log()) == "action observation " * 4 + "finished"


# -- its background task


@instant
async def test_closing_the_server_ends_its_background_tasks() -> None:
    async with conversation(think_ms=60_000) as subject:
        await subject.begin()
        await subject.server.aclose()
        await asyncio.sleep(0)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not names & {"run", "publisher"}


@instant
async def test_a_failing_background_task_is_not_lost() -> None:
    async with conversation() as subject:

        def broken(_: object) -> None:
            raise ZeroDivisionError

        subject.trace.listeners.append(lambda h: h.what == "run-started" and broken(h))
        await subject.post("run")
        await until(lambda: not [t for t in asyncio.all_tasks() if t.get_name() == "run"])
        with pytest.raises(ZeroDivisionError):
            await subject.server.aclose()
        subject.server.context._failures.clear()
