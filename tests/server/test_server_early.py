"""What the servers before 1.10 do otherwise: up to 1.6, a run is answered when it is over."""

import asyncio
from dataclasses import replace

import pytest
from server_rig import HELLO, Rig, plain_run, rig, run, told

from harness.schedule import Act, Caller, Schedule, Script, Turn
from harness.server.missing import missing
from harness.server.profile import Profile

RUNNING = "execution_status=running"
FINISHED = "execution_status=finished"
ERROR = "execution_status=error"
ACTS = ["ActionEvent", "ObservationEvent"]


async def log(subject: Rig) -> list[str]:
    return [told(item) for item in (await subject.events())["items"]]


@pytest.mark.parametrize(
    ("version", "waits"), [("1.0.0", True), ("1.6.0", True), ("1.7.0", False)]
)
def test_run_is_answered_after_the_snapshot_that_follows_the_run(
    version: str, waits: bool
) -> None:
    async def trial() -> None:
        async with rig(version, think_ms=50, publish_ms=20, answer_run_ms=5) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            (answered,) = (
                subject.place("answer", number=request.detail["number"])
                for request in subject.all("request", route="POST run")
            )
            ends = ["run-ended", "run-cleared", "snapshot"]
            assert all((subject.place(end) < answered) == waits for end in ends)
            # Told before it is answered, and so written to the socket.
            assert socket.story[-2:] == [FINISHED, "full_state(finished)"]

    run(trial())


@pytest.mark.parametrize(("version", "early"), [("1.9.1", True), ("1.10.0", False)])
def test_the_system_prompt_is_older_than_any_subscription(version: str, early: bool) -> None:
    async def trial() -> None:
        async with rig(version, publish_ms=100) as subject:
            await subject.create()
            assert await log(subject) == (["SystemPromptEvent"] if early else [])
            socket = await subject.connect()
            await plain_run(subject)
            assert (await log(subject))[:3] == ["SystemPromptEvent", "MessageEvent", RUNNING]
            assert ("SystemPromptEvent" in socket.story) != early

    run(trial())


@pytest.mark.parametrize(("version", "told_why"), [("1.0.0", False), ("1.1.0", True)])
def test_a_run_that_fails_is_answered_500_and_followed_by_no_snapshot(
    version: str, told_why: bool
) -> None:
    async def trial() -> None:
        async with rig(version, Script(outcome="error"), publish_ms=20) as subject:
            await subject.create()
            socket = await subject.connect()
            await subject.post("events", HELLO)
            answer = await subject.post("run")
            assert answer.status_code == 500
            assert answer.json()["detail"] == "Internal Server Error"
            why = ["ConversationErrorEvent"] if told_why else []
            # Those that were scheduled before it are out by then.
            assert socket.story[2:] == [RUNNING, ERROR, *why]
            assert subject.all("snapshot") == subject.all("run-refused") == []
            # Nothing is left of it.
            assert (await subject.post("run")).status_code == 200

    run(trial())


def test_a_second_run_joins_the_first_and_none_is_refused() -> None:
    async def trial() -> None:
        async with rig("1.6.0", Script(tool_calls=3), think_ms=50) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            first = asyncio.create_task(subject.post("run"))
            await asyncio.sleep(0.06)
            # In the second step. Then they take turns.
            second = await subject.post("run")
            assert (second.status_code, (await first).status_code) == (200, 200)
            assert len(subject.all("run-accepted")) == len(subject.all("run-ended")) == 2
            # What the LLM answers to the second is the end of the first, too.
            assert (await log(subject))[3:] == [*ACTS * 4, FINISHED]

    run(trial())


@pytest.mark.parametrize(
    ("version", "end"),
    [("1.3.0", [FINISHED, "MessageEvent"]), ("1.4.0", ["MessageEvent", FINISHED])],
)
def test_an_answer_without_a_tool_comes_after_the_status_up_to_1_3(
    version: str, end: list[str]
) -> None:
    async def trial() -> None:
        async with rig(version, Script(says="message")) as subject:
            await subject.create()
            await plain_run(subject)
            assert (await log(subject))[3:] == end

    run(trial())


def test_a_tool_that_fails_ends_the_run_and_the_next_one_begins_with_it() -> None:
    script = Script(tool_calls=2, calls_each=2, failing_calls=1)

    async def trial(version: str) -> tuple[int, list[str]]:
        async with rig(version, script) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            code = (await subject.post("run")).status_code
            await subject.happened("run-ended")
            before = await log(subject)
            if code == 500:
                await subject.post("run")
                again = [*["ObservationEvent"] * 2, *ACTS, FINISHED]
                assert (await log(subject))[len(before) :] == [RUNNING, *again]
            return code, before[3:]

    assert run(trial("1.6.0")) == (500, ["ActionEvent"] * 2 + [ERROR, "ConversationErrorEvent"])
    # The background task that fails has been answered already.
    code, story = run(trial("1.7.2"))
    assert (code, story) == (200, ["ActionEvent"] * 2 + [ERROR, "ConversationErrorEvent"])
    code, story = run(trial("1.7.3"))
    assert code == 200
    assert story[2:4] == ["AgentErrorEvent", "ObservationEvent"]


@pytest.mark.parametrize(
    ("version", "tells"),
    [("1.2.0", False), ("1.3.0", True), ("1.9.1", True), ("1.10.0", False), ("1.19.1", True)],
)
def test_statistics_are_told_from_1_3_to_1_9_and_again_later(version: str, tells: bool) -> None:
    async def trial() -> None:
        async with rig(version, Script(statistics=True), think_ms=5, persist_ms=1) as subject:
            await subject.create()
            await plain_run(subject)
            assert ("stats" in await log(subject)) == tells

    run(trial())


@pytest.mark.parametrize(("version", "waits"), [("1.5.2", True), ("1.6.0", False)])
def test_reading_events_during_a_step_keeps_the_event_loop_waiting_up_to_1_5(
    version: str, waits: bool
) -> None:
    async def trial() -> None:
        async with rig(version, think_ms=50) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            running = asyncio.create_task(subject.post("run"))
            await subject.happened("status", status="running")
            reading = asyncio.create_task(subject.events())
            await asyncio.sleep(0.01)
            assert await subject.status() == ("finished" if waits else "running")
            assert reading.done() == waits
            await asyncio.gather(running, reading)

    run(trial())


HOOKED = Script(stop_hook_denials=1)
INTERRUPTED = Caller(acts=(Act("pause"), Act("interrupt")))


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        (Schedule("any", script=HOOKED), "script.stop_hook_denials: 1.6.0 has no stop hooks"),
        (
            Schedule("any", script=Script(later=(Turn(), Turn(stop_hook_denials=2)))),
            "script.later[1].stop_hook_denials: 1.6.0 has no stop hooks",
        ),
        (
            Schedule("any", caller=INTERRUPTED),
            "caller.acts[1], interrupt: 1.6.0 has no such thing",
        ),
    ],
)
def test_what_a_schedule_asks_for_in_vain(schedule: Schedule, reason: str) -> None:
    assert missing(schedule, Profile.of("1.6.0")) == (reason,)
    assert missing(schedule, Profile.of("1.8.0")) == ()
    benign = replace(schedule, script=Script(), caller=Caller(acts=(Act("pause"),)))
    assert missing(benign, Profile.of("1.6.0")) == ()


def test_a_stop_hook_is_never_asked() -> None:
    async def trial() -> None:
        async with rig("1.6.0", HOOKED) as subject:
            await subject.create()
            await plain_run(subject)
            assert subject.all("stop-hook-denied") == []
            assert (await log(subject))[3:] == [*ACTS, FINISHED]

    run(trial())


@pytest.mark.parametrize(("version", "overtaken"), [("1.9.1", True), ("1.17.0", False)])
def test_a_snapshot_that_blocks_the_loop_is_ahead_of_what_it_waited_for(
    version: str, overtaken: bool
) -> None:
    """The message has the state lock first, and the loop gets round to its frame afterwards."""
    script = Script(outcome="waiting_for_confirmation")

    async def trial() -> None:
        async with rig(version, script, think_ms=50) as subject:
            await subject.create()
            socket = await subject.connect()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("status", status="running")
            sending = asyncio.create_task(subject.post("events", HELLO))
            await subject.happened("run-cleared")
            await sending
            await asyncio.sleep(0.1)
            after = socket.story[socket.story.index("ActionEvent") :]
            told_at = after.index("full_state(waiting_for_confirmation)")
            assert (told_at < after.index("MessageEvent")) == overtaken

    run(trial())


def test_whoever_is_cancelled_while_a_snapshot_waits_leaves_the_others_their_frames() -> None:
    async def trial() -> None:
        async with rig("1.9.1", publish_ms=20) as subject:
            await subject.create()
            socket = await subject.connect()
            (conversation,) = subject.server.conversations.values()
            await subject.post("events", HELLO)
            ending = asyncio.create_task(conversation.publish_snapshot())
            await asyncio.sleep(0.005)
            ending.cancel()
            await subject.post("events", HELLO)
            await asyncio.sleep(0.1)
            assert [kind for kind in socket.story if kind == "MessageEvent"] == [
                "MessageEvent"
            ] * 2

    run(trial())
