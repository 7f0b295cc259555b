"""What a script says: the LLM's answers, how runs end, stop hooks, and a turn for each run.

The order is that of upstream's `_arun` (local_conversation.py) and `_astep`, `_ahandle_tool_calls`
and `emit` (agent.py, response_dispatch.py), as in 1.58.0.
"""

import json
from typing import Any

import pytest
from server_rig import (
    BASE,
    FINISH,
    HELLO,
    MAX_ITERATIONS,
    NEW,
    OLD,
    after_running,
    conversation,
    instant,
    plain_run,
    rig,
)

from race_harness.model.schedule import Script, Turn

# -- how large things are


@pytest.mark.parametrize("version", [OLD, NEW])
@instant
async def test_observations_of_tools_and_the_agents_instructions_are_as_large_as_it_says(
    version: str,
) -> None:
    sizes = []
    for script in (Script(tool_calls=1), Script(tool_calls=1, event_kb=30, state_kb=500)):
        async with conversation(version, script) as subject:
            socket = await subject.connect()
            await plain_run(subject)
            events = (await subject.events())["items"]
            full = [f for f in socket.frames if f.get("key") == "full_state"]
            sizes.append(
                {
                    **{f"{e['kind']} {e.get('tool_name')}": len(json.dumps(e)) for e in events},
                    "info": len(json.dumps((await subject.rest.get(BASE)).json())),
                    "full state": len(json.dumps(full[-1])),
                }
            )
    grown = {name: size - sizes[0][name] for name, size in sizes[1].items()}
    assert {name: size // 1_000 for name, size in grown.items() if size > 500} == {
        "SystemPromptEvent None": 500,
        "ObservationEvent think": 30,
        "info": 500,
        "full state": 500,
    }


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
@instant
async def test_all_actions_of_an_answer_come_before_its_observations(
    version: str, script: Script, answers: list[int]
) -> None:
    async with conversation(version, script) as subject:
        await plain_run(subject)
        tools = "".join("action " * calls + "observation " * calls for calls in answers)
        assert after_running(await subject.log()) == tools + FINISH
        actions = (await subject.events(kind="ActionEvent"))["items"]
        observations = (await subject.events(kind="ObservationEvent"))["items"]
        # In the order of the calls, each with its own.
        assert [each["action_id"] for each in observations] == [each["id"] for each in actions]
        for each in actions, observations:
            assert [e["tool_name"] for e in each] == ["think"] * sum(answers) + ["finish"]


@pytest.mark.parametrize(("each", "failing"), [(1, 1), (2, 1), (2, 3), (3, 0), (3, 9)])
@instant
async def test_the_first_calls_of_a_tool_may_fail_and_the_finish_never(
    each: int, failing: int
) -> None:
    script = Script(tool_calls=3, calls_each=each, failing_calls=failing)
    async with conversation(script=script) as subject:
        await plain_run(subject)
        items = (await subject.events())["items"]
        results = [e for e in items if e["kind"] in ("AgentErrorEvent", "ObservationEvent")]
        calls = [e["tool_call_id"] for e in items if e["kind"] == "ActionEvent"]
        assert [e["tool_call_id"] for e in results] == calls
        fails = [e["kind"] == "AgentErrorEvent" for e in results]
        assert fails == [number < failing for number in range(3)] + [False]
        # A tool that fails is no end of the run.
        assert [h.detail["status"] for h in subject.all("run-ended")] == ["finished"]


@pytest.mark.parametrize("version", [OLD, NEW])
@instant
async def test_an_agents_answer_is_no_users_message(version: str) -> None:
    """It is not tracked as the last one, and the trace tells it apart by its run."""
    async with conversation(version, Script(says="message")) as subject:
        await plain_run(subject)
        _, answer = (await subject.events(kind="MessageEvent"))["items"]
        assert (answer["source"], answer["llm_message"]["role"]) == ("agent", "assistant")
        own, told = subject.all("persisted", kind="MessageEvent")
        assert "run" not in own.detail
        assert told.detail["run"] == 1
        assert len(subject.all("persisted", key="last_user_message_id")) == (version == NEW)


# -- how a run ends


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize(
    ("end", "log", "status"),
    [
        ({}, FINISH, "finished"),
        ({"says": "message"}, "message finished", "finished"),
        ({"outcome": "error"}, "error reason", "error"),
        ({"outcome": "stuck"}, "stuck", "stuck"),
        (
            {"outcome": "waiting_for_confirmation"},
            "action waiting_for_confirmation",
            "waiting_for_confirmation",
        ),
    ],
)
@instant
async def test_ends(version: str, end: dict[str, Any], log: str, status: str) -> None:
    async with conversation(version, Script(tool_calls=1, **end)) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        assert after_running(await subject.log()) == f"action observation {log}"
        assert after_running(socket.story) == f"action observation {log} [{status}]"
        assert [h.detail for h in subject.all("run-ended")] == [{"run": 1, "status": status}]


@pytest.mark.parametrize("version", [OLD, NEW])
@instant
async def test_the_next_run_does_the_action_that_waits_to_be_confirmed(version: str) -> None:
    script = Script(outcome="waiting_for_confirmation", later=(Turn(),))
    async with conversation(version, script) as subject:
        await plain_run(subject)
        assert (await subject.post("run")).status_code == 200
        await subject.happened("snapshot", 2)
        # The status first; then what is pending, before the LLM is asked again.
        log = f"action waiting_for_confirmation running observation {FINISH}"
        assert after_running(await subject.log()) == log
        actions = (await subject.events(kind="ActionEvent"))["items"]
        observations = (await subject.events(kind="ObservationEvent"))["items"]
        assert [each["action_id"] for each in observations] == [each["id"] for each in actions]


# -- stop hooks


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("denials", [1, 3])
@instant
async def test_a_stop_hook_takes_finished_back_so_often_and_no_more(
    version: str, denials: int
) -> None:
    script = Script(stop_hook_denials=denials, later=(Turn(),))
    async with conversation(version, script) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        log = f"{FINISH} message running " * denials + FINISH
        assert after_running(await subject.log()) == log
        assert after_running(socket.story) == f"{log} [finished]"
        _, *feedback = (await subject.events(kind="MessageEvent"))["items"]
        texts = [each["llm_message"]["content"][0]["text"] for each in feedback]
        assert all(text.startswith("[Stop hook feedback]") for text in texts)
        # The run ends with the last `finished`, not with one that was taken back.
        happenings = [h.what for h in subject.trace.happenings]
        assert "stop-hook-denied" not in happenings[subject.place("run-ended") :]
        await plain_run(subject, 2)
        assert len(subject.all("stop-hook-denied")) == denials


@instant
async def test_finished_is_visible_before_a_stop_hook_is_asked() -> None:
    async with conversation("1.22.1", Script(stop_hook_denials=1), persist_ms=10) as subject:
        await subject.begin("status", status="finished")
        assert await subject.status() == "finished"
        await subject.happened("stop-hook-denied")
        await subject.happened("status", 2, status="running")
        assert await subject.status() == "running"


# -- as many steps as a run may take

STEPS = " ".join(["action observation"] * MAX_ITERATIONS)


@instant
async def test_the_steps_are_counted_anew_in_each_run() -> None:
    script = Script(tool_calls=9, later=(Turn(tool_calls=6), Turn(tool_calls=7)))
    async with conversation("1.20.0", script) as subject:
        for number, end in ((1, "error"), (2, "finished"), (3, "error")):
            await plain_run(subject, number)
            assert await subject.status() == end
        assert after_running(await subject.log()).startswith(f"{STEPS} error reason message")
        (first, second) = (await subject.events(kind="ConversationErrorEvent"))["items"]
        assert first["code"] == second["code"] == "MaxIterationsReached"
        assert first["detail"] == "Agent reached maximum iterations limit (7)."
        assert [ended.detail["status"] for ended in subject.all("run-ended")] == [
            *("error", "finished", "error")
        ]


@instant
async def test_they_are_five_hundred_where_nothing_is_asked_for() -> None:
    async with rig(script=Script(tool_calls=550)) as subject:
        made = await subject.rest.post("/api/conversations", json={"agent": {"kind": "Agent"}})
        path = f"/api/conversations/{made.json()['id']}"
        await subject.rest.post(f"{path}/events", json=HELLO)
        await subject.rest.post(f"{path}/run")
        await subject.happened("snapshot")
        count = await subject.rest.get(f"{path}/events/count", params={"kind": "ActionEvent"})
        assert count.json() == 500
        assert (await subject.rest.get(path)).json()["execution_status"] == "error"


@instant
async def test_up_to_1_7_1_no_status_tells_that_there_are_no_more_and_no_run_is_accepted() -> None:
    async with conversation("1.7.1", Script(tool_calls=9)) as subject:
        await plain_run(subject)
        assert await subject.status() == "running"
        await subject.post("events", HELLO)
        assert (await subject.post("run")).status_code == 409


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        ("finished", f"{FINISH} idle"),
        ("waiting_for_confirmation", "action waiting_for_confirmation idle rejection"),
    ],
)
@instant
async def test_a_message_in_the_last_step_is_left_to_the_next_run(outcome: Any, end: str) -> None:
    script = Script(tool_calls=6, outcome=outcome)
    async with conversation("1.45.0", script, think_ms=20) as subject:
        await subject.begin("persisted", MAX_ITERATIONS - 1, kind="ObservationEvent")
        await subject.post("events", HELLO)
        await subject.happened("snapshot", run=1)
        assert (await subject.log()).endswith(f" message tracked {end}")


# -- a turn for each run


@instant
async def test_each_run_has_its_turn_and_those_beyond_are_benign() -> None:
    script = Script(tool_calls=2, later=(Turn(outcome="error"), Turn(says="message")))
    async with conversation(script=script) as subject:
        runs = range(1, 5)
        for run in runs:
            await plain_run(subject, run)
        by_run = [
            [h.detail["kind"] for h in subject.all("persisted", run=run) if "key" not in h.detail]
            for run in runs
        ]
        tool = ["ActionEvent", "ObservationEvent"]
        assert by_run == [tool * 3, ["ConversationErrorEvent"], ["MessageEvent"], tool]
        statuses = [h.detail["status"] for h in subject.all("run-ended")]
        assert statuses == ["finished", "error", "finished", "finished"]


@instant
async def test_a_run_that_is_refused_uses_up_no_turn() -> None:
    script = Script(later=(Turn(says="message"),))
    async with conversation(script=script, publish_ms=10) as subject:
        await subject.begin("run-accepted")
        assert (await subject.post("run")).status_code == 409
        await subject.happened("snapshot")
        await plain_run(subject, 2)
        assert (await subject.log()).endswith("running message finished")
