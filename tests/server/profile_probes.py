"""Small scenes that show what releases do differently: a probe for each field of `Profile`.

A probe plays its scene on one release and returns what could be seen of it, as a plain value.
They come in the order of the table in test_profile.py.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from server_rig import (
    BASE,
    HELLO,
    ClientSocket,
    Rig,
    after_running,
    conversation,
    in_order,
    plain_run,
    until,
)

from race_harness.model.schedule import ProcessEvent, Script, Turn
from race_harness.server.profile import Profile

type Probe = Callable[[Profile], Coroutine[Any, Any, object]]

KEY = "secret"


def log_of_run(script: Script, **timing: float) -> Probe:
    """The log after `running`."""

    async def probe(release: Profile) -> str:
        async with conversation(release, script, **timing) as subject:
            await plain_run(subject)
            return after_running(await subject.log())

    return probe


async def end_and_answer(release: Profile) -> str:
    async with conversation(release, think_ms=50, publish_ms=20, answer_run_ms=5) as subject:
        await subject.connect()
        await plain_run(subject)
        return in_order(
            ended=subject.place("run-ended"),
            told=place_of_last_status(subject),
            cleared=subject.place("run-cleared"),
            snapshot=subject.place("snapshot"),
            answered=subject.place_of_answer("POST run"),
        )


def place_of_last_status(subject: Rig) -> int:
    return subject.place("frame-sent", key="execution_status", value="finished")


async def system_prompt(release: Profile) -> tuple[str, str]:
    """The log of a new conversation, and the frames of a message and a run."""
    async with conversation(release, publish_ms=100) as subject:
        new = await subject.log()
        socket = await subject.connect()
        await plain_run(subject)
        return new, socket.story.partition(" running ")[0]


async def read_during_step(release: Profile) -> tuple[str, str]:
    """Events are read while the LLM thinks, and the status just afterwards: which answer comes
    first, and what status it tells."""
    async with conversation(release, think_ms=50) as subject:
        await subject.post("events", HELLO)
        running = asyncio.create_task(subject.post("run"))
        await subject.happened("status", status="running")
        reading = asyncio.create_task(subject.events())
        await asyncio.sleep(0.01)
        status = await subject.status()
        seen = "events first" if reading.done() else "status first", status
        await asyncio.gather(running, reading)
        return seen


async def failing_tool_and_next_run(release: Profile) -> str:
    script = Script(tool_calls=2, calls_each=2, failing_calls=1)
    async with conversation(release, script) as subject:
        await plain_run(subject)
        await subject.post("run")
        await subject.happened("run-cleared", 2)
        return after_running(await subject.log())


async def frames_of_failing_run(release: Profile) -> str:
    async with conversation(release, Script(outcome="error"), publish_ms=20) as subject:
        socket = await subject.connect()
        await subject.begin("run-cleared")
        return after_running(socket.story)


async def append_and_frame(release: Profile) -> str:
    async with conversation(release, persist_ms=10) as subject:
        await subject.connect()
        await subject.post("events", HELLO)
        await subject.happened("frame-sent", kind="MessageEvent")
        return in_order(
            appended=subject.place("persisted", kind="MessageEvent"),
            sent=subject.place("frame-sent", kind="MessageEvent"),
        )


async def status_during_step(release: Profile) -> tuple[str, str]:
    """What is read while the step that has assigned `finished` still appends, under the lock;
    and when statuses are assigned and when readable."""
    async with conversation(release, persist_ms=30) as subject:
        await subject.begin("status", status="finished")
        read = await subject.conversation.read_status()
        await subject.happened("snapshot")
        assert await subject.status() == "finished"
        happenings = subject.trace.happenings
        words = {"status": "is {status}", "status-readable": "reads {status}"}
        return read, ", ".join(
            words[h.what].format(**h.detail) for h in happenings if h.what in words
        )


@asynccontextmanager
async def appending(release: Profile) -> AsyncIterator[Rig]:
    """While the first event is being appended, under the lock."""
    async with conversation(release, persist_ms=20) as subject:
        asking = asyncio.create_task(subject.post("events", HELLO))
        await asyncio.sleep(0.005)
        yield subject
        await asking


async def status_during_append(release: Profile) -> str:
    async with appending(release) as subject:
        await subject.status()
        return "afterwards" if subject.all("persisted") else "at once"


async def log_during_append(release: Profile) -> str:
    async with appending(release) as subject:
        return await subject.log()


async def waiting_snapshots(release: Profile) -> tuple[str, str, str]:
    """Somebody connects while the LLM thinks, and the status is read just afterwards: what that
    is, and the first frame. Then the last frames of a run whose snapshot waits for a message to
    be appended."""
    async with conversation(release, think_ms=50) as subject:
        await subject.begin()
        socket = subject.dial()
        await asyncio.sleep(0)
        status = await subject.status()
        await subject.happened("snapshot")
        await until(lambda: socket.frames)
        first, *_ = socket.story.split()
    script = Script(outcome="error")
    async with conversation(release, script, persist_ms=20, publish_ms=30) as subject:
        socket = await subject.connect()
        await subject.begin("status", status="error")
        # From 40 to 50 ms, the tail waits for the last frame. A message that comes meanwhile keeps
        # the lock for two appends; only after the first one is its id scheduled.
        await asyncio.sleep(0.044)
        await subject.post("events", HELLO)
        await asyncio.sleep(0.1)
        return status, first, socket.story.partition(" reason ")[2]


async def busy_loop(release: Profile) -> tuple[str, str, str, str]:
    """What a run on the event loop keeps waiting: a frame, and an answer. What only such a run
    knows: an interrupt, and to wait for the lock when it fails, behind a message."""
    async with conversation(release, persist_ms=10, tool_ms=1) as subject:
        await subject.connect()
        await plain_run(subject)
        status = subject.all("persisted", key="execution_status")[-1].detail["event"]
        frame = in_order(
            sent=subject.place("frame-sent", kind="ObservationEvent"),
            appended=subject.place("persisted", event=status),
        )
    async with conversation(release, persist_ms=30) as subject:
        await subject.post("run")
        await subject.happened("run-started")
        await subject.rest.get("/health")
        waits = subject.all("persisted", key="execution_status")
    async with conversation(release, Script(outcome="error"), think_ms=50) as subject:
        interrupt = await subject.post("interrupt")
        await subject.begin()
        await subject.post("events", HELLO)
        await subject.happened("snapshot", run=1)
        log = after_running(await subject.log())
    answer = "answered afterwards" if waits else "answered at once"
    return frame, answer, f"interrupt {interrupt.status_code}", log


async def slow_start(release: Profile) -> tuple[str, str]:
    """The status that is read meanwhile, and when the request to run is answered."""
    async with conversation(release, start_ms=50, think_ms=50) as subject:
        await subject.post("events", HELLO)
        running = asyncio.create_task(subject.post("run"))
        await subject.happened("run-accepted")
        await asyncio.sleep(0.005)
        status = await subject.status()
        await running
        await subject.happened("run-started")
        started, answered = subject.place("run-started"), subject.place_of_answer("POST run")
        return status, in_order(started=started, answered=answered)


async def interrupt_before_long_tail(release: Profile) -> tuple[list[object], int]:
    """The runs that snapshots are of, and how often one was cleared."""
    async with conversation(release, think_ms=5, other_subscriber_ms=8_000) as subject:
        await subject.begin()
        assert (await subject.post("interrupt")).status_code == 200
        runs = [h.detail["run"] for h in subject.all("snapshot")]
        return runs, len(subject.all("run-cleared"))


async def snapshot_while_llm_thinks(release: Profile) -> str:
    async with conversation(release, think_ms=40) as subject:
        await subject.begin()
        socket = await subject.connect()
        return next(word for word in socket.story.split() if word.startswith("["))


async def second_run_during_step(release: Profile) -> tuple[int, str]:
    """While a tool is at work, under the lock."""
    async with conversation(release, think_ms=1, tool_ms=40) as subject:
        await subject.begin("persisted", kind="ActionEvent")
        answer = await subject.post("run")
        over = subject.all("status", status="finished")
        return answer.status_code, "afterwards" if over else "at once"


async def frame_and_tail(release: Profile) -> str:
    async with conversation(release, publish_ms=30) as subject:
        await subject.connect()
        await plain_run(subject)
        told, cleared = place_of_last_status(subject), subject.place("run-cleared")
        return in_order(told=told, cleared=cleared)


async def messages(release: Profile) -> tuple[str, list[str]]:
    """The log of a message, and whom the messages are from if a stop hook sends one, too."""
    async with conversation(release, Script(stop_hook_denials=1)) as subject:
        await subject.post("events", HELLO)
        log = await subject.log()
        await subject.post("run")
        await subject.happened("snapshot")
        events = (await subject.events(kind="MessageEvent"))["items"]
        return log, [event["source"] for event in events]


async def message_during_step(release: Profile) -> list[str]:
    """The log after the message: the run would finish, or wait for confirmation."""
    logs = []
    for script in (Script(), Script(outcome="waiting_for_confirmation")):
        async with conversation(release, script, think_ms=20) as subject:
            await subject.begin()
            await subject.post("events", HELLO)
            await subject.happened("snapshot", run=1)
            logs.append((await subject.log()).rpartition(" tracked ")[2])
    return logs


async def rejected(release: Profile) -> str:
    """The log of a run that waits for confirmation, and is rejected."""
    async with conversation(release, Script(outcome="waiting_for_confirmation")) as subject:
        await plain_run(subject)
        await subject.post("events/respond_to_confirmation", {"accept": False})
        return after_running(await subject.log())


async def stuck(release: Profile) -> str:
    """The frames of a run that gets stuck, of another one, and of a message."""
    script = Script(outcome="stuck", later=(Turn(outcome="stuck"),))
    async with conversation(release, script) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        await subject.post("run")
        await subject.happened("snapshot", 2)
        await subject.post("events", HELLO)
        await until(lambda: socket.story.endswith("tracked"))
        return after_running(socket.story)


async def deltas(release: Profile) -> tuple[str, str]:
    """The frames and the log."""
    async with conversation(release, Script(deltas=2), think_ms=6) as subject:
        socket = await subject.connect()
        await plain_run(subject)
        return after_running(socket.story), after_running(await subject.log())


async def stamps(release: Profile) -> str:
    async with conversation(release, Script(statistics=True), persist_ms=1, think_ms=5) as subject:
        await plain_run(subject)
        times = [event["timestamp"] for event in (await subject.events())["items"]]
        return "in the order of the log" if times == sorted(times) else "in another order"


@asynccontextmanager
async def dialled(release: Profile, headers: dict[str, str]) -> AsyncIterator[ClientSocket]:
    """A socket to a server that wants a key, which only `headers` may have."""
    known = {"x-session-api-key": KEY}
    async with conversation(release, keys=frozenset({KEY}), headers=known) as subject:
        socket = subject.dial(headers=headers)
        await until(lambda: socket.accepted or socket.close_code)
        yield socket


async def key_in_header(release: Profile) -> tuple[bool, int | None]:
    async with dialled(release, {"x-session-api-key": KEY}) as socket:
        return socket.accepted, socket.close_code


async def key_in_first_frame(release: Profile) -> tuple[bool, int | None]:
    async with dialled(release, {}) as socket:
        socket.say({"type": "auth", "session_api_key": KEY})
        await until(lambda: socket.frames or socket.close_code)
        return socket.accepted, socket.close_code


async def events_sent_again(release: Profile) -> tuple[int, int]:
    """All, and those since the third."""
    async with conversation(release) as subject:
        await plain_run(subject)
        third = (await subject.events())["items"][2]["timestamp"]
        every = await subject.connect("resend_mode=all")
        some = await subject.connect(f"resend_mode=since&after_timestamp={third}")
        await asyncio.sleep(0.005)
        return len(every.frames) - 1, len(some.frames) - 1


async def first_frame_of_a_slow_reader(release: Profile) -> str:
    async with conversation(release) as subject:
        socket = subject.dial()
        socket.send_s = 0.6
        await asyncio.sleep(1)
        await subject.post("events", HELLO)
        await until(lambda: socket.frames)
        return socket.story


async def frame_behind_another_subscriber(release: Profile) -> str:
    """When a message comes that another subscriber gets first."""
    async with conversation(
        release, other_subscriber_ms=200, other_subscriber_first=True
    ) as subject:
        await subject.connect()
        began = asyncio.get_running_loop().time()
        await subject.post("events", HELLO)
        await subject.happened("frame-sent", kind="MessageEvent")
        return "in turn" if asyncio.get_running_loop().time() - began > 0.1 else "at once"


async def death(subject: Rig) -> None:
    """As if the process were killed, and another one started."""
    died = subject.server.context
    subject.trace.record("server", "crashed", for_ms=0.0)
    await subject.server.restart()
    await died.aclose()


async def answer_after_death(release: Profile) -> int:
    async with conversation(release) as subject:
        await plain_run(subject)
        await death(subject)
        return (await subject.rest.get(BASE)).status_code


async def status_after_death_in_run(release: Profile) -> str:
    async with conversation(release, think_ms=50) as subject:
        await subject.begin("persisted", kind="ConversationStateUpdateEvent")
        await death(subject)
        return await subject.status()


async def status_after_death_at_end(release: Profile) -> str:
    """When `finished` is assigned, and its event not appended."""
    async with conversation(release, think_ms=50, persist_ms=20) as subject:
        await subject.begin("status", status="finished")
        await death(subject)
        return await subject.status()


async def observations_after_death_in_tools(release: Profile) -> int:
    """When two tools are in use; in the log, after another run."""
    script = Script(tool_calls=2, calls_each=2, later=(Turn(),))
    async with conversation(release, script, tool_ms=50) as subject:
        await subject.begin("persisted", times=2, kind="ActionEvent")
        await death(subject)
        await plain_run(subject)
        return (await subject.log()).count("observation")


DISK: Any = {"process": (ProcessEvent("disk-full"),)}


def fill(subject: Rig) -> None:
    subject.trace.record("server", "disk-filled", for_ms=0.0)


async def end_of_a_run_after_an_empty_file(release: Profile) -> str:
    """That of a message that could not be written."""
    async with conversation(release, think_ms=1, **DISK) as subject:
        fill(subject)
        assert (await subject.post("events", HELLO)).status_code == 500
        subject.trace.record("server", "disk-freed")
        await plain_run(subject)
        return str(subject.all("run-ended")[-1].detail["status"])


async def searches_over_an_empty_file(release: Profile) -> tuple[int, int]:
    """While the empty file is not part of the log, and when it is."""
    async with conversation(release, think_ms=1, **DISK) as subject:
        await subject.post("events", HELLO)
        fill(subject)
        assert (await subject.post("events", HELLO)).status_code == 500
        before = await subject.rest.get(f"{BASE}/events/search")
        subject.trace.record("server", "disk-freed")
        await subject.post("events", HELLO)
        after = await subject.rest.get(f"{BASE}/events/search")
        return before.status_code, after.status_code


async def run_that_fails(subject: Rig) -> None:
    """Because what the agent does cannot be written."""
    await subject.begin("persisted", key="execution_status")
    fill(subject)
    await subject.happened("run-cleared")


async def unwritten_by_a_run_that_fails(release: Profile) -> str:
    """By its own handler, before the state cannot be saved."""
    words = {"ActionEvent": "action", "ConversationErrorEvent": "reason"}
    async with conversation(release, think_ms=50, persist_ms=1, **DISK) as subject:
        await run_that_fails(subject)
        saving = subject.all("unsaved")[0].at_ns
        unwritten = [h for h in subject.all("unwritten") if h.at_ns <= saving]
        return " ".join(words.get(h.detail["kind"], "status") for h in unwritten)


async def answer_without_a_saved_state(release: Profile) -> int:
    async with conversation(release, think_ms=50, **DISK) as subject:
        await run_that_fails(subject)
        return (await subject.rest.get(BASE)).status_code


async def run_that_cannot_begin(subject: Rig) -> None:
    await subject.post("events", HELLO)
    fill(subject)
    await subject.post("run")
    await subject.happened("run-cleared")


async def status_of_a_run_that_cannot_begin(release: Profile) -> str:
    async with conversation(release, **DISK) as subject:
        await run_that_cannot_begin(subject)
        return subject.conversation.status


async def reasons_of_a_run_that_cannot_begin(release: Profile) -> int:
    async with conversation(release, **DISK) as subject:
        await run_that_cannot_begin(subject)
        return len(subject.all("unwritten", kind="ConversationErrorEvent"))


async def close_code_of_fifty_first(release: Profile) -> int | None:
    async with conversation(release) as subject:
        for _ in range(50):
            await subject.connect()
        socket = subject.dial()
        await until(lambda: socket.frames or socket.close_code)
        return socket.close_code


SPOKEN = {**HELLO, "run": True}


async def runs_after_a_message_in_the_tail(release: Profile) -> int:
    async with conversation(release, think_ms=1, publish_ms=30) as subject:
        await subject.begin("run-ended")
        await subject.post("events", SPOKEN)
        await asyncio.sleep(0.2)
        return len(subject.all("run-accepted"))


async def runs_of_a_message_and_a_pause(release: Profile) -> int:
    """Somebody pauses while the message is appended, under the lock."""
    async with conversation(release, persist_ms=20) as subject:
        asking = asyncio.create_task(subject.post("events", SPOKEN))
        await asyncio.sleep(0.005)
        await asyncio.gather(asking, subject.post("pause"))
        await asyncio.sleep(0.2)
        return len(subject.all("run-accepted"))
