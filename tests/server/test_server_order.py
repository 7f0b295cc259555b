"""The order in which the real server does things, as in the traces of real sessions."""

import asyncio

import pytest
from server_rig import BASE, HELLO, NEW, OLD, Rig, plain_run, rig, run, told, until

from harness.schedule import Late, Script, Turn

MESSAGE = ["SystemPromptEvent", "MessageEvent"]
FINISH = ["ActionEvent", "ObservationEvent", "execution_status=finished"]


def message(version: str) -> list[str]:
    return MESSAGE + (["last_user_message_id"] if version == NEW else [])


@pytest.mark.parametrize("version", [OLD, "1.23.0", "1.43.1", NEW])
@pytest.mark.parametrize("milliseconds", [0.0, 2.0])
def test_frames_and_log_of_a_plain_run(version: str, milliseconds: float) -> None:
    async def trial() -> None:
        lags = dict.fromkeys(
            ["think_ms", "tool_ms", "persist_ms", "publish_ms", "snapshot_ms"], milliseconds
        )
        async with rig(version, **lags) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            tracked = [] if version == OLD else ["last_user_message_id"]
            log = [*MESSAGE, *tracked, "execution_status=running", *FINISH]
            assert socket.story == ["full_state(idle)", *log, "full_state(finished)"]
            items = (await subject.events())["items"]
            assert [told(item) for item in items] == log
            # The frames are the events of the log, the snapshots aside.
            assert socket.frames[1:-1] == items

    run(trial())


def test_tool_calls_come_before_the_finish() -> None:
    async def trial() -> None:
        async with rig(script=Script(tool_calls=2)) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            tools = [f["tool_name"] for f in socket.frames if "tool_name" in f]
            assert tools == ["think"] * 4 + ["finish"] * 2
            events = (await subject.events())["items"]
            stamps = [event["timestamp"] for event in events]
            assert stamps == sorted(set(stamps))
            assert len({event["id"] for event in events}) == len(events)

    run(trial())


def test_up_to_1_44_a_frame_can_be_ahead_of_its_append() -> None:
    async def trial(version: str) -> bool:
        async with rig(version, persist_ms=10) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            (action,) = [f["id"] for f in socket.frames if f["kind"] == "ActionEvent"]
            sent = subject.place("frame-sent", event=action)
            return sent < subject.place("persisted", event=action)

    assert run(trial(OLD))
    assert not run(trial("1.45.0"))
    assert not run(trial(NEW))


def test_live_memory_is_ahead_of_the_socket_up_to_1_41() -> None:
    async def trial() -> None:
        async with rig("1.11.1", publish_ms=40) as subject:
            await subject.create()
            socket = await subject.connect()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-ended")
            assert await subject.status() == "finished"
            assert "ActionEvent" not in socket.story

    run(trial())


@pytest.mark.parametrize(("version", "seen"), [("1.33.0", "finished"), ("1.43.0", "running")])
def test_from_1_43_the_status_is_readable_only_after_the_step(version: str, seen: str) -> None:
    async def trial() -> None:
        async with rig(version, persist_ms=30) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("status", status="finished")
            # The step is still appending, under the lock.
            conversation = subject.server.conversations[BASE.rpartition("/")[2]]
            assert await conversation.read_status() == seen
            await subject.happened("snapshot")
            assert await subject.status() == "finished"

    run(trial())


def test_status_readable_follows_the_assignment() -> None:
    async def trial() -> None:
        async with rig(NEW, persist_ms=1) as subject:
            await subject.create()
            await plain_run(subject)
            for status in ("running", "finished"):
                assigned = subject.place("status", status=status)
                assert assigned < subject.place("status-readable", status=status)
        async with rig(OLD) as subject:
            await subject.create()
            await plain_run(subject)
            assert subject.all("status-readable") == []

    run(trial())


def test_1_42_reads_the_status_under_the_state_lock() -> None:
    async def trial(version: str) -> str:
        async with rig(version, persist_ms=20) as subject:
            await subject.create()
            asking = asyncio.create_task(subject.post("events", HELLO))
            await asyncio.sleep(0.005)
            await subject.rest.get(BASE)
            done = "after" if subject.all("persisted", kind="SystemPromptEvent") else "during"
            await asking
            return done

    assert run(trial("1.41.0")) == "during"
    assert run(trial("1.42.1")) == "after"


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_second_run_is_refused_until_the_tail_has_cleared_the_first(version: str) -> None:
    async def trial() -> None:
        async with rig(version, publish_ms=30) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-ended")
            assert (await subject.post("run")).status_code == 409
            assert subject.all("run-refused", status=409)
            await subject.happened("run-cleared")
            assert (await subject.post("run")).status_code == 200
            assert [h.detail["run"] for h in subject.all("run-accepted")] == [1, 2]

    run(trial())


def test_running_is_refused_at_once_from_1_29_and_after_a_step_before() -> None:
    async def trial(version: str) -> bool:
        async with rig(version, think_ms=40) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-started")
            await asyncio.sleep(0.005)  # The step holds the lock.
            assert (await subject.post("run")).status_code == 409
            return bool(subject.all("status", status="finished"))

    assert run(trial("1.28.1"))
    assert not run(trial("1.29.0"))


def test_a_finished_conversation_is_not_set_running_again_without_a_message() -> None:
    async def trial() -> None:
        async with rig() as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            before = len(socket.frames)
            assert (await subject.post("run")).status_code == 200
            await subject.happened("snapshot", 2)
            await asyncio.sleep(0)
            assert socket.story[before:] == ["full_state(finished)"]
            assert [h.detail["run"] for h in subject.all("run-ended")] == [1, 2]
            await plain_run(subject, 3)
            new = ["MessageEvent", "last_user_message_id", "execution_status=running", *FINISH]
            assert socket.story[before + 1 :] == [
                "execution_status=idle",
                *new,
                "full_state(finished)",
            ]

    run(trial())


@pytest.mark.parametrize(("version", "source"), [(OLD, "user"), (NEW, "environment")])
def test_a_stop_hook_takes_finished_back(version: str, source: str) -> None:
    async def trial() -> None:
        async with rig(version, Script(stop_hook_denials=1)) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            denied = ["MessageEvent", "execution_status=running"]
            assert socket.story[1 + len(message(version)) :] == [
                "execution_status=running",
                *FINISH,
                *denied,
                *FINISH,
                "full_state(finished)",
            ]
            feedback = [f for f in socket.frames if f["kind"] == "MessageEvent"][1]
            assert feedback["source"] == source
            text = feedback["llm_message"]["content"][0]["text"]
            assert text.startswith("[Stop hook feedback]")
            # The run ends with the second `finished`, not with the one that was taken back.
            happenings = [h.what for h in subject.trace.happenings]
            assert happenings.count("run-ended") == 1
            assert happenings.index("run-ended") > happenings.index("stop-hook-denied")

    run(trial())


def test_finished_is_visible_before_a_stop_hook_is_asked() -> None:
    async def trial() -> None:
        async with rig("1.22.1", Script(stop_hook_denials=1), persist_ms=10) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("status", status="finished")
            assert await subject.status() == "finished"
            await subject.happened("stop-hook-denied")
            await subject.happened("status", 2, status="running")
            assert await subject.status() == "running"

    run(trial())


@pytest.mark.parametrize("version", [OLD, NEW])
def test_an_error_tells_the_status_before_the_reason(version: str) -> None:
    async def trial() -> None:
        async with rig(version, Script(outcome="error", tool_calls=1)) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            assert socket.story[1 + len(message(version)) :] == [
                "execution_status=running",
                "ActionEvent",
                "ObservationEvent",
                "execution_status=error",
                "ConversationErrorEvent",
                "full_state(error)",
            ]
            (ended,) = subject.all("run-ended")
            assert ended.detail == {"run": 1, "status": "error"}
            assert told((await subject.events())["items"][-1]) == "ConversationErrorEvent"

    run(trial())


@pytest.mark.parametrize(("version", "again"), [(OLD, "stuck"), (NEW, "running")])
def test_stuck(version: str, again: str) -> None:
    async def trial() -> None:
        async with rig(
            version, Script(outcome="stuck", later=(Turn(outcome="stuck"),))
        ) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            start = 1 + len(message(version))
            stuck = ["execution_status=running", "execution_status=stuck", "full_state(stuck)"]
            assert socket.story[start:] == stuck
            await subject.post("run")
            await subject.happened("snapshot", 2)
            await asyncio.sleep(0)
            expected = stuck if again == "running" else ["full_state(stuck)"]
            assert socket.story[start + len(stuck) :] == expected

    run(trial())


def test_a_long_publication_lag_delays_the_snapshot_after_the_run() -> None:
    async def trial() -> None:
        async with rig(publish_ms=30) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            assert socket.story[-2:] == ["execution_status=finished", "full_state(finished)"]
            ended, cleared = subject.all("run-ended")[0], subject.all("run-cleared")[0]
            assert cleared.at_ns - ended.at_ns >= 29e6

    run(trial())


def test_the_answer_of_run_can_come_after_the_run() -> None:
    async def trial() -> None:
        async with rig(answer_run_ms=30) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            assert (await subject.post("run")).status_code == 200
            number = subject.all("request", route="POST run")[0].detail["number"]
            assert subject.place("run-ended") < subject.place("answer", number=number)

    run(trial())


def test_pause_takes_effect_between_steps() -> None:
    async def trial() -> None:
        async with rig("1.22.1", Script(tool_calls=3), think_ms=20) as subject:
            await subject.create()
            socket = await subject.connect()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-started")
            await asyncio.sleep(0.005)
            await subject.post("pause")
            await subject.happened("snapshot", 2)
            await asyncio.sleep(0)
            # The step in which the pause was asked for ends first.
            story = socket.story[4:]
            assert sorted(story[-2:]) == ["full_state(paused)"] * 2
            assert story[:-2] == [
                "execution_status=running",
                "ActionEvent",
                "ObservationEvent",
                "execution_status=paused",
                "PauseEvent",
            ]
            assert subject.all("run-ended", status="paused")

    run(trial())


def test_interrupt_cuts_the_thinking_short() -> None:
    async def trial() -> None:
        async with rig(NEW, think_ms=60_000) as subject:
            await subject.create()
            socket = await subject.connect()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-started")
            assert (await subject.post("interrupt")).status_code == 200
            assert socket.story[5:] == [
                "execution_status=paused",
                "InterruptEvent",
                "full_state(paused)",
                "full_state(paused)",
            ]
        async with rig("1.22.1") as subject:
            await subject.create()
            assert (await subject.post("interrupt")).status_code == 404

    run(trial())


def test_an_interrupted_tool_leaves_an_error_in_place_of_its_observation() -> None:
    async def trial() -> None:
        async with rig(NEW, tool_ms=60_000) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("persisted", kind="ActionEvent")
            await subject.post("interrupt")
            log = [told(item) for item in (await subject.events())["items"]]
            assert log[-4:] == [
                "ActionEvent",
                "AgentErrorEvent",
                "execution_status=paused",
                "InterruptEvent",
            ]

    run(trial())


def test_from_1_23_a_run_keeps_the_loop_busy_between_its_waits() -> None:
    """Its appends are on the loop, so no frame goes out between observation and `finished`."""

    async def trial(version: str) -> bool:
        async with rig(version, persist_ms=10, tool_ms=1) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            (seen,) = [f["id"] for f in socket.frames if f["kind"] == "ObservationEvent"]
            sent = subject.place("frame-sent", event=seen)
            return sent < subject.place("persisted", key="execution_status", event=last(subject))

    def last(subject: Rig) -> str:
        status = subject.all("persisted", key="execution_status")[-1]
        return str(status.detail["event"])

    assert run(trial("1.22.1"))
    assert not run(trial("1.23.0"))


def test_the_agent_starts_with_the_first_run_if_there_was_no_message() -> None:
    async def trial() -> None:
        async with rig() as subject:
            await subject.create()
            await subject.post("run")
            await subject.happened("snapshot")
            log = [told(item) for item in (await subject.events())["items"]]
            assert log == ["SystemPromptEvent", "execution_status=running", *FINISH]

    run(trial())


def test_a_message_can_start_a_run() -> None:
    async def trial() -> None:
        async with rig(start_ms=5) as subject:
            await subject.create()
            await subject.post("events", HELLO | {"run": True})
            await subject.post("events", HELLO | {"run": True})  # Not a second one.
            await subject.happened("snapshot")
            assert len(subject.all("run-accepted")) == 1

    run(trial())


def test_closing_the_server_ends_its_background_tasks() -> None:
    async def trial() -> None:
        async with rig(think_ms=60_000) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-started")
            await subject.server.aclose()
            await asyncio.sleep(0)
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert not names & {"run", "publisher"}

    run(trial())


def test_a_failing_background_task_is_not_lost() -> None:
    async def trial() -> None:
        async with rig() as subject:
            await subject.create()

            def broken(_: object) -> None:
                raise ZeroDivisionError

            subject.trace.listeners.append(lambda h: h.what == "run-started" and broken(h))
            await subject.post("run")
            await until(lambda: not [t for t in asyncio.all_tasks() if t.get_name() == "run"])
            with pytest.raises(ZeroDivisionError):
                await subject.server.aclose()
            subject.server.context._failures.clear()

    run(trial())


def test_the_tail_gives_up_on_a_publication_after_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.server.run.PENDING_TIMEOUT_S", 0.005)

    async def trial() -> None:
        async with rig(publish_ms=100) as subject:
            await subject.create()
            socket = await subject.connect()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-cleared")
            assert "execution_status=finished" not in socket.story
            await subject.happened("snapshot")
            await asyncio.sleep(0)
            assert socket.story[-2:] == ["execution_status=finished", "full_state(finished)"]

    run(trial())


def test_from_1_33_the_state_lock_is_free_while_the_llm_thinks() -> None:
    async def trial(version: str) -> str:
        async with rig(version, think_ms=40) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-started")
            await asyncio.sleep(0.005)
            socket = await subject.connect()
            return next(story for story in socket.story if story.startswith("full_state"))

    assert run(trial("1.32.0")) == "full_state(finished)"
    assert run(trial("1.33.0")) == "full_state(running)"


def test_a_status_assigned_while_the_lock_is_lent_is_not_readable_before_the_step_ends() -> None:
    async def trial() -> None:
        async with rig(NEW, think_ms=30, tool_ms=1) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-started")
            await asyncio.sleep(0.005)
            await subject.post("pause")
            assert subject.all("status", status="paused")
            assert await subject.status() == "running"
            # The step that was under way goes on, and its finish wins.
            await subject.happened("run-cleared")
            assert await subject.status() == "finished"

    run(trial())


def test_from_1_23_answers_wait_for_the_appends_of_a_run() -> None:
    async def trial(version: str) -> bool:
        async with rig(version, persist_ms=30) as subject:
            await subject.create()
            await subject.post("run")
            await subject.happened("run-started")
            await subject.rest.get("/health")
            return bool(subject.all("persisted", key="execution_status"))

    assert not run(trial("1.22.1"))
    assert run(trial("1.23.0"))


@pytest.mark.parametrize("late_ms", [0.0, 3.0])
def test_one_act_can_be_later_than_others(late_ms: float) -> None:
    async def trial() -> None:
        acts = (
            Late("append", 1, late_ms),
            Late("publication", 3, late_ms),
            Late("request", 2, late_ms),
            Late("answer", 2, late_ms),
        )
        async with rig(OLD, persist_ms=2, publish_ms=1, late=acts) as subject:
            loop = asyncio.get_running_loop()
            await subject.create()
            socket = await subject.connect()
            began = loop.time()
            await subject.post("events", HELLO)
            assert loop.time() - began == pytest.approx((2 + 2 + 3 * late_ms) / 1000)
            await subject.post("run")
            await subject.happened("snapshot")
            happenings = subject.trace.happenings
            (running,) = subject.all("frame-sent", key="execution_status", value="running")
            append = subject.all("persisted", key="execution_status")[0]
            ahead = happenings.index(running) < happenings.index(append)
            assert ahead == (late_ms == 0)
            # None overtakes it.
            items = (await subject.events())["items"]
            assert socket.story[1:-1] == [told(item) for item in items]

    run(trial())
