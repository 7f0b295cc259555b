"""The events' shapes, against the SDK's own models."""

import os
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest

from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.server.fake.context import Context
from race_harness.server.fake.event_factory import EventFactory
from race_harness.server.profile import Profile


def one_of_each() -> list[dict[str, Any]]:
    trace = Trace(lambda: 5_000)
    context = Context(Schedule("test"), trace, Profile.of("1.58.0"), datetime(2026, 1, 1))
    factory = EventFactory(context)
    finish, think = factory.action("finish"), factory.action("think")
    return [
        factory.system_prompt(),
        factory.message([{"type": "text", "text": "Hello"}]),
        factory.message([{"type": "text", "text": "Not yet"}], "environment"),
        finish,
        factory.observation(finish),
        think,
        factory.observation(think),
        factory.failed_tool(think, "Cut off."),
        factory.answer("Done."),
        factory.conversation_error("LLMError", "refused"),
        factory.state_update("execution_status", "running"),
        factory.state_update("full_state", {"execution_status": "idle"}),
        factory.pause(),
        factory.interrupt(),
    ]


def test_ids_and_timestamps_never_repeat_though_the_clock_stands_still() -> None:
    events = one_of_each()
    assert len({event["id"] for event in events}) == len(events)
    stamps = sorted(event["timestamp"] for event in events)
    assert len(set(stamps)) == len(events)
    assert stamps[0] == "2026-01-01T00:00:00.000005"
    assert stamps == [datetime.fromisoformat(s).isoformat() for s in stamps]
    assert one_of_each() == events


@pytest.mark.slow
def test_the_sdk_accepts_every_event_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "LITELLM_LOCAL_MODEL_COST_MAP", "True")
    monkeypatch.setitem(os.environ, "OPENHANDS_SUPPRESS_BANNER", "1")
    sdk = pytest.importorskip("openhands.sdk", reason="the SDK's own models are needed")
    for event in one_of_each():
        model = sdk.Event.model_validate(deepcopy(event))  # Old ones take things out of it.
        assert type(model).__name__ == event["kind"]
        assert event.items() <= _without_defaults(model, event).items()


def _without_defaults(model: Any, event: dict[str, Any]) -> dict[str, Any]:
    """The model's dump, cut down to what the event says, at every depth."""

    def cut(dump: Any, said: Any) -> Any:
        if isinstance(said, dict) and isinstance(dump, dict):
            return {name: cut(dump[name], said[name]) for name in said if name in dump}
        if isinstance(said, list) and isinstance(dump, list):
            return [cut(*pair) for pair in zip(dump, said, strict=True)]
        return dump

    cut_down: dict[str, Any] = cut(model.model_dump(mode="json"), event)
    return cut_down
