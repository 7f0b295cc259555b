"""Whole scripts: every part in the order of the real server, and the limits of what it may do.

The order is that of upstream's `_arun` (local_conversation.py) and `_astep`, `_ahandle_tool_calls`
and `emit` (agent.py, response_dispatch.py), as in 1.58.0.
"""

import asyncio
from datetime import datetime

import pytest
from server_rig import BASE, HELLO, NEW, OLD, ClientSocket, Rig, plain_run, rig, run, told, until

from harness.schedule import Script, Turn
from harness.trace import Happening

START = ["SystemPromptEvent", "MessageEvent"]
RUNNING = "execution_status=running"
FINISH = ["ActionEvent", "ObservationEvent", "execution_status=finished"]


async def log(subject: Rig) -> list[str]:
    """The log from the first `running` on."""
    story = [told(item) for item in (await subject.events())["items"]]
    return story[story.index(RUNNING) :]


async def run_again(subject: Rig, runs: int) -> None:
    """Without a message."""
    assert (await subject.post("run")).status_code == 200
    await subject.happened("run-cleared", runs)
    await subject.happened("snapshot", runs)
    await asyncio.sleep(0)


def frames(socket: ClientSocket) -> list[str]:
    """The story from the first `running` on."""
    return socket.story[socket.story.index(RUNNING) :]


# -- what an answer of the LLM holds


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize(
    ("script", "answers"),
    [
        (Script(tool_calls=4, calls_each=2), [2, 2]),
        (Script(tool_calls=3, calls_each=2), [2, 1]),
        (Script(tool_calls=2, calls_each=5), [2]),
        (Script(tool_calls=2), [1, 1]),
        (Script(calls_each=3), []),
    ],
)
def test_all_actions_of_an_answer_come_before_its_observations(
    version: str, script: Script, answers: list[int]
) -> None:
    async def trial() -> None:
        async with rig(version, script) as subject:
            await subject.create()
            await plain_run(subject)
            expected = [RUNNING]
            for calls in answers:
                expected += ["ActionEvent"] * calls + ["ObservationEvent"] * calls
            assert await log(subject) == [*expected, *FINISH]
            items = (await subject.events())["items"]
            actions = [e["id"] for e in items if e["kind"] == "ActionEvent"]
            # In the order of the calls, each with its own.
            assert [e["action_id"] for e in items if e["kind"] == "ObservationEvent"] == actions

    run(trial())


@pytest.mark.parametrize(("each", "failing"), [(1, 1), (2, 1), (2, 3), (3, 0), (3, 9)])
def test_the_first_calls_of_a_tool_may_fail_and_the_finish_never(each: int, failing: int) -> None:
    async def trial() -> None:
        script = Script(tool_calls=3, calls_each=each, failing_calls=failing)
        async with rig(script=script) as subject:
            await subject.create()
            await plain_run(subject)
            items = (await subject.events())["items"]
            results = [e for e in items if e["kind"] in ("AgentErrorEvent", "ObservationEvent")]
            calls = [e["tool_call_id"] for e in items if e["kind"] == "ActionEvent"]
            assert [e["tool_call_id"] for e in results] == calls
            fails = [e["kind"] == "AgentErrorEvent" for e in results]
            assert fails == [number < failing for number in range(3)] + [False]
            # A tool that fails is no end of the run.
            assert [h.detail["status"] for h in subject.all("run-ended")] == ["finished"]

    run(trial())


@pytest.mark.parametrize("version", [OLD, NEW])
def test_it_may_end_with_an_answer_instead_of_a_tool(version: str) -> None:
    async def trial() -> None:
        async with rig(version, Script(tool_calls=1, says="message")) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            tools = ["ActionEvent", "ObservationEvent"]
            expected = [RUNNING, *tools, "MessageEvent", "execution_status=finished"]
            assert await log(subject) == expected
            assert frames(socket) == [*expected, "full_state(finished)"]
            answer = [e for e in socket.frames if e["kind"] == "MessageEvent"][-1]
            assert answer["source"] == "agent"
            assert answer["llm_message"]["role"] == "assistant"

    run(trial())


def test_an_agents_answer_is_no_users_message() -> None:
    """It is not tracked as the last one, and the trace tells it apart by its run."""

    async def trial() -> None:
        async with rig(script=Script(says="message")) as subject:
            await subject.create()
            await plain_run(subject)
            own, answer = subject.all("persisted", kind="MessageEvent")
            assert "run" not in own.detail
            assert answer.detail["run"] == 1
            assert len(subject.all("persisted", key="last_user_message_id")) == 1

    run(trial())


# -- how a run ends


def test_a_final_status_can_be_late_after_the_last_event() -> None:
    async def trial(status_ms: float) -> float:
        async with rig(status_ms=status_ms) as subject:
            await subject.create()
            await plain_run(subject)
            (seen,) = subject.all("persisted", kind="ObservationEvent")
            (ended,) = subject.all("run-ended")
            return ended.at_ns - seen.at_ns

    assert run(trial(20)) >= 19e6
    assert run(trial(0)) < 19e6


@pytest.mark.parametrize(("version", "first"), [("1.32.0", "step"), (NEW, "pause")])
def test_a_pause_by_another_client_ends_the_run_after_the_step(version: str, first: str) -> None:
    """Up to 1.32 it waits for the state lock, and so for the step; later the LLM's wait lets it
    in."""

    async def trial() -> None:
        script = Script(tool_calls=1, outcome="paused")
        async with rig(version, script, think_ms=5) as subject:
            await subject.create()
            socket = await subject.connect()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("snapshot", 2)
            await asyncio.sleep(0)
            tool, pause = ["ActionEvent", "ObservationEvent"], ["execution_status=paused"]
            pause += ["PauseEvent"]
            step = [*pause, *tool] if first == "pause" else [*tool, *pause]
            expected = [RUNNING, *tool, *step]
            assert await log(subject) == expected
            # The pause tells the state, and so does the run's tail.
            assert [s for s in frames(socket) if not s.startswith("full")] == expected
            assert frames(socket)[-1] == "full_state(paused)"
            assert frames(socket).count("full_state(paused)") == 2
            assert [h.detail["status"] for h in subject.all("run-ended")] == ["paused"]

    run(trial())


def test_after_a_pause_the_next_run_goes_on() -> None:
    async def trial() -> None:
        script = Script(outcome="paused", later=(Turn(says="message"),))
        async with rig(script=script, think_ms=2) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("snapshot", 2)
            await run_again(subject, 2)
            story = await log(subject)
            second = story[story.index(RUNNING, 1) :]
            assert second == [RUNNING, "MessageEvent", "execution_status=finished"]

    run(trial())


@pytest.mark.parametrize("version", [OLD, NEW])
def test_an_action_waits_to_be_confirmed_and_the_next_run_does_it(version: str) -> None:
    async def trial() -> None:
        script = Script(tool_calls=1, outcome="waiting_for_confirmation", later=(Turn(),))
        async with rig(version, script) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            waiting = "execution_status=waiting_for_confirmation"
            first = [RUNNING, "ActionEvent", "ObservationEvent", "ActionEvent", waiting]
            assert await log(subject) == first
            assert frames(socket)[-1] == "full_state(waiting_for_confirmation)"
            (ended,) = subject.all("run-ended")
            assert ended.detail["status"] == "waiting_for_confirmation"
            await run_again(subject, 2)
            # The status first; then what is pending, before the LLM is asked again.
            assert (await log(subject))[len(first) :] == [RUNNING, "ObservationEvent", *FINISH]
            items = (await subject.events())["items"]
            actions = [e["id"] for e in items if e["kind"] == "ActionEvent"]
            done = [e["action_id"] for e in items if e["kind"] == "ObservationEvent"]
            assert done == actions

    run(trial())


@pytest.mark.parametrize("denials", [1, 3])
def test_so_many_denials_of_a_stop_hook_and_no_more(denials: int) -> None:
    async def trial() -> None:
        script = Script(stop_hook_denials=denials, later=(Turn(),))
        async with rig(script=script) as subject:
            await subject.create()
            await plain_run(subject)
            again = ["MessageEvent", RUNNING]
            assert await log(subject) == [RUNNING, *(FINISH + again) * denials, *FINISH]
            assert len(subject.all("run-ended")) == 1
            await plain_run(subject, 2)
            assert len(subject.all("stop-hook-denied")) == denials

    run(trial())


def test_each_run_has_its_turn_and_those_beyond_are_benign() -> None:
    async def trial() -> None:
        script = Script(tool_calls=2, later=(Turn(outcome="error"), Turn(says="message")))
        async with rig(script=script) as subject:
            await subject.create()
            for run in (1, 2, 3, 4):
                await plain_run(subject, run)
            by_run = [
                [
                    str(h.detail["kind"])
                    for h in subject.all("persisted", run=run)
                    if "key" not in h.detail
                ]
                for run in (1, 2, 3, 4)
            ]
            tool = ["ActionEvent", "ObservationEvent"]
            assert by_run == [tool * 3, ["ConversationErrorEvent"], ["MessageEvent"], tool]
            statuses = [h.detail["status"] for h in subject.all("run-ended")]
            assert statuses == ["finished", "error", "finished", "finished"]

    run(trial())


def test_a_run_that_is_refused_uses_up_no_turn() -> None:
    async def trial() -> None:
        script = Script(later=(Turn(says="message"),))
        async with rig(script=script, publish_ms=10) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            assert (await subject.post("run")).status_code == 409
            await subject.happened("snapshot")
            await plain_run(subject, 2)
            assert (await log(subject))[-2:] == ["MessageEvent", "execution_status=finished"]

    run(trial())


# -- frames that overtake


def sent_order(subject: Rig) -> list[str]:
    """What each frame is of, from the first action on, snapshots aside."""
    kinds = [
        f"status {h.detail['value']}"
        if h.detail.get("key") == "execution_status"
        else str(h.detail["kind"])
        for h in subject.all("frame-sent")
        if h.detail.get("key") != "full_state"
    ]
    return kinds[kinds.index("status running") + 1 :]


@pytest.mark.parametrize(
    ("overtakes", "order"),
    [
        (0, ["ActionEvent", "ObservationEvent", "status finished"]),
        (1, ["ActionEvent", "status finished", "ObservationEvent"]),
        (2, ["status finished", "ActionEvent", "ObservationEvent"]),
    ],
)
def test_a_final_status_overtakes_so_many_frames(overtakes: int, order: list[str]) -> None:
    async def trial() -> None:
        async with rig(publish_ms=30, think_ms=60, status_overtakes=overtakes) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            assert sent_order(subject) == order
            # The log knows nothing of it, the snapshot is still last, and nothing is missing.
            assert await log(subject) == [RUNNING, *FINISH]
            assert frames(socket)[-1] == "full_state(finished)"
            items = (await subject.events())["items"]
            assert sorted(f["id"] for f in socket.frames[1:-1]) == sorted(e["id"] for e in items)

    run(trial())


def test_it_overtakes_nothing_that_was_sent() -> None:
    """All that it could overtake is what still waits: `running` and the message went before."""

    async def trial(publish_ms: float, tool_ms: float) -> list[str]:
        async with rig(
            publish_ms=publish_ms, think_ms=60, tool_ms=tool_ms, status_overtakes=1_000
        ) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            assert socket.story.index(RUNNING) > socket.story.index("MessageEvent")
            return sent_order(subject)

    finished = "status finished"
    assert run(trial(20, 0)) == [finished, "ActionEvent", "ObservationEvent"]
    # The action's frame is out before the tool is done.
    assert run(trial(20, 60)) == ["ActionEvent", finished, "ObservationEvent"]


def test_only_final_statuses_overtake() -> None:
    async def trial() -> None:
        async with rig(publish_ms=40, think_ms=90, status_overtakes=50) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            story = socket.story
            # `running` waits behind the message, though it could overtake it.
            assert story.index("MessageEvent") < story.index(RUNNING)

    run(trial())


@pytest.mark.parametrize("outcome", ["error", "stuck"])
def test_other_final_statuses_overtake_as_well(outcome: str) -> None:
    async def trial() -> list[str]:
        script = Script(tool_calls=1, outcome=outcome)  # type: ignore[arg-type]
        async with rig(script=script, publish_ms=60, status_overtakes=1) as subject:
            await subject.create()
            await subject.connect()
            await plain_run(subject)
            return sent_order(subject)

    order = run(trial())
    assert order.index(f"status {outcome}") == order.index("ObservationEvent") - 1


# -- another subscriber


def test_another_subscriber_holds_up_the_tail_and_no_frame() -> None:
    async def trial(other_ms: float) -> tuple[int, float, float]:
        async with rig(other_subscriber_ms=other_ms) as subject:
            await subject.create()
            socket = await subject.connect()
            waiting = []
            pub_sub = subject.server.conversations[BASE.rpartition("/")[2]].pub_sub

            def notice(happening: Happening) -> None:
                if happening.what == "frame-sent" and happening.detail.get("value") == "finished":
                    waiting.append(len(pub_sub._pending))

            subject.trace.listeners.append(notice)
            await plain_run(subject)
            (sent,) = subject.all("frame-sent", value="finished", key="execution_status")
            cleared, snapshot = subject.all("run-cleared")[0], subject.all("snapshot")[0]
            assert socket.story[-1] == "full_state(finished)"
            times = ((each.at_ns - sent.at_ns) / 1e6 for each in (cleared, snapshot))
            return waiting[0], *times  # type: ignore[return-value]

    waiting, cleared_ms, snapshot_ms = run(trial(100))
    # Action and observation are out already, though the other one does not have them yet.
    assert waiting >= 3
    assert snapshot_ms >= cleared_ms >= 99
    waiting, *_ = run(trial(0))
    assert waiting == 1


@pytest.mark.parametrize("other_ms", [0.0, 60.0])
def test_another_subscriber_holds_up_the_answer_to_a_pause_and_no_frame(other_ms: float) -> None:
    async def trial() -> None:
        async with rig(other_subscriber_ms=other_ms) as subject:
            await subject.create()
            socket = await subject.connect()
            began = asyncio.get_running_loop().time()
            pausing = asyncio.create_task(subject.post("pause"))
            await until(lambda: socket.story[-1] == "full_state(paused)")
            assert asyncio.get_running_loop().time() - began < 0.002
            await pausing
            assert asyncio.get_running_loop().time() - began >= other_ms / 1000

    run(trial())


def test_a_second_run_is_refused_while_another_subscriber_is_served() -> None:
    async def trial() -> None:
        async with rig(other_subscriber_ms=60) as subject:
            await subject.create()
            socket = await subject.connect()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("frame-sent", key="execution_status", value="finished")
            # The client knows that it is finished, and is refused all the same.
            assert socket.story[-1] == "execution_status=finished"
            assert await subject.status() == "finished"
            assert (await subject.post("run")).status_code == 409
            await subject.happened("run-cleared")
            assert (await subject.post("run")).status_code == 200

    run(trial())


# -- a server that would flush first


@pytest.mark.parametrize("version", [OLD, NEW])
def test_it_tells_a_final_status_only_when_every_frame_before_it_is_out(version: str) -> None:
    async def told_at_the_end(*, flushes_first: bool) -> str:
        async with rig(version, publish_ms=40, flushes_first=flushes_first) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            await subject.post("run")
            await subject.happened("run-ended")
            while not subject.all("persisted", key="execution_status", run=1)[1:]:
                await asyncio.sleep(0.0005)
            await asyncio.sleep(0.001)
            status = await subject.status()
            await subject.happened("snapshot")
            assert await subject.status() == "finished"
            return status

    assert run(told_at_the_end(flushes_first=True)) == "running"
    assert run(told_at_the_end(flushes_first=False)) == "finished"


def test_it_tells_any_other_status_at_once() -> None:
    async def trial() -> None:
        async with rig(publish_ms=40, flushes_first=True) as subject:
            await subject.create()
            assert await subject.status() == "idle"
            await subject.post("events", HELLO)
            assert subject.server.conversations[BASE.rpartition("/")[2]].pub_sub.busy()
            assert await subject.status() == "idle"

    run(trial())


# -- clocks


def stamps(items: list[dict[str, str]]) -> list[int]:
    """Microseconds."""
    epoch = datetime(2026, 1, 1)
    return [
        round((datetime.fromisoformat(item["timestamp"]) - epoch).total_seconds() * 1e6)
        for item in items
    ]


@pytest.mark.parametrize(("clock_ms", "alike"), [(0.0, False), (5_000.0, True), (0.001, None)])
def test_events_are_stamped_alike_by_a_coarse_clock_only(
    clock_ms: float, alike: bool | None
) -> None:
    async def trial() -> None:
        async with rig(script=Script(tool_calls=3), clock_ms=clock_ms) as subject:
            await subject.create()
            await plain_run(subject)
            found = stamps((await subject.events())["items"])
            assert found == sorted(found)
            if alike is not None:
                assert (len(set(found)) < len(found)) is alike
            if clock_ms:
                assert all(stamp % round(clock_ms * 1000) == 0 for stamp in found)

    run(trial())


def test_stamps_that_are_alike_change_no_order() -> None:
    async def trial() -> None:
        async with rig(clock_ms=3_600_000.0) as subject:
            await subject.create()
            socket = await subject.connect()
            await plain_run(subject)
            items = (await subject.events())["items"]
            assert len(set(stamps(items))) == 1
            assert [told(item) for item in items][-3:] == FINISH
            assert socket.frames[1:-1] == items
            # And a filter by time still finds them all.
            found = (await subject.events(timestamp__gte=items[0]["timestamp"]))["items"]
            assert found == items

    run(trial())
