"""The scripted agent: replaces the LLM, the tools and the stop hooks of the real server.

Everything else, from the agent's loop to the socket, is the server's own code. A step here asks
for what `server.fake.run.Run` does in the fake.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from race_harness.server import size
from race_harness.server.real.observer import AgentRun


class ScriptedLLMError(Exception):
    """The LLM refuses."""


def answer(run: AgentRun) -> Any:
    """Return the LLM's answer in the next step of a run, as an `LLMResponse`.

    Raises:
        ScriptedLLMError: the script says so.
    """
    outcome = run.step_outcome = run.outcome()
    run.answers += 1
    if outcome == "error":
        raise ScriptedLLMError("The LLM refused.")
    name = f"{run.number}_{run.answers}"
    if outcome == "finished" and run.turn.says == "message":
        return _response(name, text="Done.")
    if outcome == "finished":
        return _response(name, calls=[("finish", {"message": "Done."})])
    left = run.turn.tool_calls - run.calls
    count = min(run.turn.calls_each, left) if outcome is None else 1
    # No two are alike, or the server would think that the agent is stuck.
    calls = [("think", {"thought": f"Step {run.calls + n + 1}."}) for n in range(count)]
    run.calls += count
    return _response(name, calls=calls)


def thoughts(run: AgentRun, think_ms: float) -> Iterator[tuple[float, Any]]:
    """Yield how long the LLM thinks, in milliseconds, before each piece of its answer that it
    streams, with the piece; at the end, before the whole answer, with None."""
    from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices

    pieces = run.turn.deltas
    for _ in range(pieces):
        choices = [StreamingChoices(index=0, delta=Delta(content="Go on. "))]
        yield think_ms / (pieces + 1), ModelResponseStream(choices=choices)
    yield think_ms / (pieces + 1), None


def title() -> Any:
    """Return the LLM's answer to any other question: newer servers want a title for the
    conversation."""
    return _response("title", text="A title.")


def _response(
    name: str, *, text: str = "", calls: Sequence[tuple[str, dict[str, Any]]] = ()
) -> Any:
    from litellm.types.utils import Choices, ModelResponse
    from litellm.types.utils import Message as LiteLLMMessage
    from openhands.sdk.llm import LLMResponse, Message, MessageToolCall, TextContent
    from openhands.sdk.llm.utils.metrics import MetricsSnapshot

    tool_calls = [
        MessageToolCall(
            id=f"call_{name}_{index}",
            name=tool,
            arguments=json.dumps(arguments),
            origin="completion",
        )
        for index, (tool, arguments) in enumerate(calls)
    ]
    content = [TextContent(text=text)] if text else []
    return LLMResponse(
        message=Message(role="assistant", content=content, tool_calls=tool_calls or None),
        metrics=MetricsSnapshot(),
        raw_response=ModelResponse(
            id=f"response_{name}",
            choices=[Choices(message=LiteLLMMessage(content=text), finish_reason="stop")],
        ),
    )


def use_tool(run: AgentRun, tool_ms: float, *, fallible: bool) -> None:
    """Called before a tool does its work.

    `tool_ms` is the time of all tool calls of a step together, because a schedule does not say
    whether the server runs them one after another or at once.

    Raises:
        ValueError: the script wants the call to fail; the server makes it an error event.
    """
    waits, run.waits = run.waits, False
    number = run.used
    run.used += 1
    if waits and tool_ms:
        time.sleep(tool_ms / 1000)
    if fallible and number < run.turn.failing_calls:
        raise ValueError("The tool refused.")


def enlarged(observation: Any, kilobytes: int) -> Any:
    """Return an observation that is that many times 1,000 characters longer. Its text is a string
    in early releases and a list of contents in later ones."""
    if not kilobytes:
        return observation
    content, more = observation.content, size.text(kilobytes)
    if isinstance(content, str):
        longer: Any = content + more
    else:
        first, *others = content
        longer = [first.model_copy(update={"text": first.text + more}), *others]
    return observation.model_copy(update={"content": longer})


class StopHooks:
    """Replaces the processor of hooks, which would start processes."""

    def __init__(self, run: AgentRun, denied: Callable[[], None]) -> None:
        self._run = run
        self._denied = denied

    def run_stop(self, reason: str | None = None) -> tuple[bool, str | None]:
        if self._run.denials_left == 0:
            return True, None
        self._run.denials_left -= 1
        self._denied()
        return False, "Not yet."

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_options: None
