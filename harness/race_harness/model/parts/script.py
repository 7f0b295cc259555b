"""What the agent does in a trial, and how much it says."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from race_harness.model.parts.field_types import STRICT, Count, Kilobytes


@dataclass(frozen=True)
class Turn:
    """What the agent does in one run: tool calls, then an end."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    tool_calls: Count = 0
    """Tool calls before the end; each gives an action and an observation."""
    calls_each: Annotated[int, Field(ge=1, le=20)] = 1
    """Tool calls in one answer of the LLM. All their actions come before the observations."""
    failing_calls: Count = 0
    """How many of the first tool calls give an `AgentErrorEvent` instead of an observation. Up to
    1.11 the agent then calls the tool again; up to 1.6 the first one ends the run in an error."""
    outcome: Literal["finished", "error", "stuck", "paused", "waiting_for_confirmation"] = (
        "finished"
    )
    """How the run ends. `paused`: another client pauses the conversation.
    `waiting_for_confirmation`: an action waits until the next `run()` confirms it."""
    says: Literal["finish-tool", "message"] = "finish-tool"
    """How a run that finishes ends: by a tool call, or by an answer without one."""
    deltas: Count = 0
    """Pieces in which each answer of the LLM is streamed while it comes (from 1.18.1). They go to
    the sockets and never to the log."""
    statistics: bool = False
    """Whether each answer of the LLM has a price. A state update with the price then follows it,
    which a separate thread appends when it gets the lock (from 1.3 to 1.9, and from 1.19.1)."""
    stop_hook_denials: Count = 0
    """How often a stop hook takes `finished` back to `running` before it lets the run end (from
    1.8; before, the trial is void)."""


STRANGE: Final = "OfANewerServerEvent"
"""A kind of event that no client knows."""


@dataclass(frozen=True)
class Script(Turn):
    """What the agent does: its own fields describe the first run, `later` the others. Runs beyond
    those are benign."""

    later: tuple[Turn, ...] = ()
    event_kb: Kilobytes = 0
    """How much longer each tool call's observation is, in units of 1,000 characters. A file
    editor's contains the file before and after (openhands-tools, file_editor/definition.py), a
    browser's a screenshot."""
    state_kb: Kilobytes = 0
    """How much longer the agent's instructions are, in units of 1,000 characters. They are in
    every full state, every poll and the first event, as a user's skills and repository notes are
    (context/agent_context.py)."""
    history: Annotated[int, Field(ge=0, le=10_000)] = 0
    """How many messages the log holds before anybody connects, as in a conversation that is
    continued. Pages have 100 events (event_router.py:78 of 1.58.2)."""
    strange: Literal["nothing", "kind", "field"] = "nothing"
    """What a newer server sends that this client does not know. `kind`: an event early in each
    run, as `InterruptEvent` was before 1.23 and `StreamingDeltaEvent` before 1.18.1. `field`: one
    more field in each observation. Models of events forbid unknown fields (event/base.py,
    `Event`)."""

    def turn(self, run: int) -> Turn:
        """Return the turn of the `run`th run that the server accepts, counted from one."""
        if run == 1:
            return self
        return self.later[run - 2] if run - 2 < len(self.later) else Turn()
