"""The WebSocket: subscribing, snapshots, authentication, and subscribers that fail."""

import asyncio

import pytest
from server_rig import HELLO, NEW, OLD, conversation, instant, plain_run, rig, run, until

KEYS = frozenset({"secret"})


@instant
async def test_a_subscriber_gets_live_frames_before_its_own_snapshot() -> None:
    async with conversation(NEW, persist_ms=20) as subject:
        asking = asyncio.create_task(subject.post("events", HELLO))
        await asyncio.sleep(0.005)  # The system prompt is being appended, under the lock.
        socket = await subject.connect()
        await asking
        await until(lambda: len(socket.frames) == 4)
        assert socket.story.replace(" [idle]", "") == "prompt message tracked"
        assert subject.place("subscribed") < subject.place("frame-sent", key="full_state")


@pytest.mark.parametrize("version", [OLD, NEW])
@instant
async def test_a_snapshot_waits_for_the_state_lock(version: str) -> None:
    async with conversation(version, persist_ms=30) as subject:
        asking = asyncio.create_task(subject.post("events", HELLO))
        await asyncio.sleep(0.005)
        await subject.connect()
        persisted = subject.all("persisted", kind="SystemPromptEvent")
        assert persisted[0].at_ns <= subject.all("frame-sent", key="full_state")[0].at_ns
        await asking


@instant
async def test_a_failing_subscriber_does_not_disturb_the_other() -> None:
    async with conversation() as subject:
        first = await subject.connect(port=50_001)
        second = await subject.connect(port=50_002)
        first.broken = True
        await plain_run(subject)
        assert first.story == "[idle]"
        assert second.story.endswith("[finished]")
        assert len(second.frames) == 9
        assert len(subject.all("frame-sent", peer=50_001)) == 1
        assert len(subject.all("frame-sent", peer=50_002)) == 9


@instant
async def test_frames_are_recorded_with_what_they_say() -> None:
    async with conversation() as subject:
        socket = await subject.connect(port=50_007)
        await plain_run(subject)
        sent = [h.detail for h in subject.all("frame-sent")]
        assert [detail["event"] for detail in sent] == [f["id"] for f in socket.frames]
        assert sent[0] == {
            "event": socket.frames[0]["id"],
            "kind": "ConversationStateUpdateEvent",
            "key": "full_state",
            "value": "idle",
            "peer": 50_007,
        }
        assert sent[1].keys() == {"event", "kind", "peer"}
        assert sent[4]["value"] == "running"


@instant
async def test_who_leaves_gets_nothing_more() -> None:
    async with conversation() as subject:
        socket = await subject.connect()
        await socket.leave()
        await plain_run(subject)
        assert socket.story == "[idle]"
        (gone,) = subject.all("disconnected")
        assert gone.detail == {"peer": 50_000, "why": "code 1000"}


@instant
async def test_an_unknown_conversation_closes_with_4004() -> None:
    async with rig() as subject:
        socket = subject.dial()
        await socket.task
        # In the words of the real server (sockets.py, `events_socket`).
        accepted, closed = socket.messages
        assert accepted["type"] == "websocket.accept"
        assert (closed["code"], closed["reason"]) == (4004, "Conversation not found")


@pytest.mark.parametrize(
    ("version", "query", "header", "accepted"),
    [
        (OLD, "session_api_key=secret", None, True),
        (NEW, "session_api_key=secret", None, True),
        (NEW, "session_api_key=wrong", None, False),
        (NEW, "", "secret", True),
        (NEW, "", "wrong", False),
    ],
)
@instant
async def test_keys_in_query_and_header(
    version: str, query: str, header: str | None, accepted: bool
) -> None:
    known = {"x-session-api-key": "secret"}
    async with conversation(version, keys=KEYS, headers=known) as subject:
        socket = subject.dial(query, headers={"x-session-api-key": header} if header else {})
        await until(lambda: socket.frames or socket.close_code)
        assert socket.accepted is accepted
        assert socket.close_code == (None if accepted else 4001)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "auth", "session_api_key": "secret"}, None),
        ({"type": "auth", "session_api_key": "wrong"}, 4001),
        ({"type": "auth"}, 4001),
        ({"type": "hello", "session_api_key": "secret"}, 4001),
        (["secret"], 4001),
    ],
)
@instant
async def test_the_key_in_the_first_frame(frame: object, code: int | None) -> None:
    known = {"x-session-api-key": "secret"}
    async with conversation("1.18.1", keys=KEYS, headers=known) as subject:
        socket = subject.dial()
        await until(lambda: socket.accepted)
        assert not subject.all("subscribed")
        socket.say(frame)
        await until(lambda: socket.frames or socket.close_code)
        assert socket.close_code == code
        assert bool(subject.all("subscribed")) is (code is None)


def test_a_first_frame_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("race_harness.server.fake.sockets.FIRST_FRAME_TIMEOUT_S", 0.01)

    async def trial() -> int | None:
        async with rig(keys=KEYS) as subject:
            socket = subject.dial()
            await socket.task
            return socket.close_code

    assert run(trial()) == 4001


@instant
async def test_a_redundant_authentication_frame_is_ignored() -> None:
    async with conversation() as subject:
        socket = subject.dial()
        socket.say({"type": "auth", "session_api_key": "whatever"})
        await until(lambda: socket.frames)
        await plain_run(subject)
        assert socket.story.endswith("[finished]")
        assert socket.close_code is None


def test_history_is_sent_to_those_who_ask() -> None:
    async def trial(version: str, query: str) -> int:
        async with conversation(version) as subject:
            await plain_run(subject)
            third = (await subject.events())["items"][2]["timestamp"]
            socket = subject.dial(query.replace("THIRD", third))
            await until(lambda: socket.frames)
            await asyncio.sleep(0.005)
            return len(socket.frames) - 1

    assert run(trial(NEW, "")) == 0
    assert run(trial(NEW, "resend_mode=all")) == 7
    assert run(trial(NEW, "resend_mode=since&after_timestamp=THIRD")) == 5
    assert run(trial(NEW, "resend_mode=since")) == 0
    assert run(trial(NEW, "resend_mode=since&after_timestamp=never")) == 0
    assert run(trial(OLD, "resend_all=true")) == 6


@instant
async def test_a_client_that_is_gone_during_the_handshake_is_no_failure() -> None:
    async with conversation() as subject:
        socket = subject.dial()
        socket.broken = True
        await socket.task
        assert not subject.all("subscribed")
