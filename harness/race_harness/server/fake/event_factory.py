"""Makes the events of the fake server.

They are plain dictionaries with only those fields that exist in every release from 1.0.0 to
1.58.0, because the clients' models forbid extra fields, and fields have come and gone.
"""

import json

from race_harness.model.schedule import STRANGE
from race_harness.server import size
from race_harness.server.fake.context import Context
from race_harness.server.wire import Event

_SYSTEM_PROMPT = "You are the agent of a simulated server."


class EventFactory:
    """Makes each event with a fresh id and a later timestamp than the one before."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def system_prompt(self) -> Event:
        """Make the system prompt. Real ones have some 17 kB, this one only as much as the schedule
        says, since otherwise only its place in the order matters."""
        text = _SYSTEM_PROMPT + size.text(self._context.script.state_kb)
        prompt = {"type": "text", "text": text}
        return self._event("SystemPromptEvent", "agent", system_prompt=prompt, tools=[])

    def message(self, content: list[Event], source: str = "user") -> Event:
        """`content` is a list of parts such as `{"type": "text", "text": ...}`."""
        message = {"role": "user", "content": content}
        return self._event("MessageEvent", source, llm_message=message)

    def action(self, tool: str) -> Event:
        """Make a call of one of the SDK's two built-in tools, `think` or `finish`."""
        if tool == "finish":
            action, arguments = {"kind": "FinishAction"}, {"message": "Done."}
        else:
            action, arguments = {"kind": "ThinkAction"}, {"thought": "Go on."}
        call_id = f"call_{self._context.new_id()}"
        return self._event(
            "ActionEvent",
            "agent",
            thought=[],
            action=action | arguments,
            tool_name=tool,
            tool_call_id=call_id,
            tool_call={
                "id": call_id,
                "name": tool,
                "arguments": json.dumps(arguments),
                "origin": "completion",
            },
            llm_response_id=f"response_{self._context.new_id()}",
        )

    def observation(self, action: Event) -> Event:
        finish = action["tool_name"] == "finish"
        text = "Done." if finish else "Noted." + size.text(self._context.script.event_kb)
        newer = self._context.script.strange == "field"
        more: dict[str, object] = {"since_next_release": True} if newer else {}
        return self._event(
            "ObservationEvent",
            "environment",
            observation={
                "kind": "FinishObservation" if finish else "ThinkObservation",
                "content": [{"type": "text", "text": text}],
                "is_error": False,
            },
            action_id=action["id"],
            tool_name=action["tool_name"],
            tool_call_id=action["tool_call_id"],
            **more,
        )

    def strange(self) -> Event:
        """Make an event of a kind that no release knows."""
        return self._event(STRANGE, "environment", detail="Of a newer server.")

    def answer(self, text: str) -> Event:
        """Make a message of the agent without a tool call."""
        message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        return self._event("MessageEvent", "agent", llm_message=message)

    def failed_tool(self, action: Event, error: str) -> Event:
        """Make the event that replaces an observation when a tool fails."""
        return self._event(
            "AgentErrorEvent",
            "agent",
            error=error,
            tool_name=action["tool_name"],
            tool_call_id=action["tool_call_id"],
        )

    def conversation_error(self, code: str, detail: str) -> Event:
        return self._event("ConversationErrorEvent", "environment", code=code, detail=detail)

    def rejection(self, action: Event, reason: str) -> Event:
        """Make the event that replaces an observation when the user rejects the action."""
        return self._event(
            "UserRejectObservation",
            "environment",
            rejection_reason=reason,
            action_id=action["id"],
            tool_name=action["tool_name"],
            tool_call_id=action["tool_call_id"],
        )

    def state_update(self, key: str, value: object) -> Event:
        return self._event("ConversationStateUpdateEvent", "environment", key=key, value=value)

    def delta(self, text: str) -> Event:
        return self._event("StreamingDeltaEvent", "agent", content=text)

    def pause(self) -> Event:
        return self._event("PauseEvent", "user")

    def interrupt(self) -> Event:
        return self._event("InterruptEvent", "user")

    def stamp(self, event: Event) -> None:
        """Give the event a new timestamp, as if it were made now."""
        event["timestamp"] = self._context.timestamp()

    def _event(self, kind: str, source: str, **fields: object) -> Event:
        return {
            "kind": kind,
            "id": self._context.new_id(),
            "timestamp": self._context.timestamp(),
            "source": source,
            **fields,
        }
