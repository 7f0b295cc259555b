"""The client under test: `RemoteConversation` of `openhands-sdk`, unmodified."""

import importlib.metadata
import inspect
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from race_harness.clients import Client, OnEvent, SeenEvent
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.network.dialect import Dialect
from race_harness.server import Server
from race_harness.server.between import release_seen
from race_harness.server.fake.app import FakeServer
from race_harness.server.wire import AgentServerDialect

# The SDK reads these at import: no price list from the network, no banner on the terminal.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("OPENHANDS_SUPPRESS_BANNER", "1")

from openhands.sdk import LLM, Agent
from openhands.sdk.conversation.impl.remote_conversation import RemoteConversation
from openhands.sdk.workspace import RemoteWorkspace
from pydantic import SecretStr

# Nobody needs what the client logs about the faults of a million trials.
logging.disable(logging.CRITICAL)


VERSION = importlib.metadata.version("openhands-sdk")
_RUN_OPTIONS = frozenset(inspect.signature(RemoteConversation.run).parameters)
"""The options of `run()`; up to 1.6 there are none."""


def _metrics(state: Any) -> Any:
    return state.stats.get_combined_metrics()


def _usage(state: Any) -> Any:
    return _metrics(state).accumulated_token_usage


_STATE: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "execution_status": {"execution_status": lambda state: state.execution_status.value},
    "stats": {
        "cost": lambda state: round(_metrics(state).accumulated_cost, 6),
        "prompt_tokens": lambda state: getattr(_usage(state), "prompt_tokens", 0),
        "completion_tokens": lambda state: getattr(_usage(state), "completion_tokens", 0),
    },
    "confirmation_policy": {
        "confirmation_policy": lambda state: type(state.confirmation_policy).__name__
    },
    "activated_knowledge_skills": {
        "activated_knowledge_skills": lambda state: list(state.activated_knowledge_skills)
    },
    "title": {"title": lambda state: state.title},
}
"""Fields and how to read them, by the name of the property, which early releases may lack."""


class OpenHandsClient:
    """One `RemoteConversation`."""

    def __init__(
        self,
        agent: Agent,
        url: str,
        on_event: OnEvent,
        max_iterations: int | None = None,
        conversation: str | None = None,
    ) -> None:
        """`conversation`: the id of an existing conversation, if it is not to create one."""

        def callback(event: Any) -> None:
            kind = type(event).__name__
            on_event(SeenEvent(event.id, kind, getattr(event, "tool_name", None)))

        self._workspace = RemoteWorkspace(host=url, working_dir="workspace/project")
        options: dict[str, Any] = {}
        if max_iterations is not None:
            options["max_iteration_per_run"] = max_iterations
        if conversation is not None:
            options["conversation_id"] = UUID(conversation)
        # The client appends to the list that it gets, so it needs a new one each time.
        self._conversation: Any = RemoteConversation(
            agent=agent,
            workspace=self._workspace,
            callbacks=[callback],
            visualizer=None,
            **options,
        )

    def send_message(self, text: str) -> None:
        self._conversation.send_message(text)

    def run(self, *, blocking: bool = True, timeout_s: float | None = None) -> None:
        options: dict[str, Any] = {}
        if not blocking:
            options["blocking"] = False
        if timeout_s is not None:
            options["timeout"] = timeout_s
        for name in options.keys() - _RUN_OPTIONS:
            raise NotImplementedError(f"RemoteConversation.run() takes no {name!r}")
        self._conversation.run(**options)

    def pause(self) -> None:
        self._conversation.pause()

    def interrupt(self) -> None:
        self._conversation.interrupt()

    def count(self) -> int:
        return len(self._conversation.state.events._cached_events)

    def visible(self) -> list[str]:
        # Its iterator takes a lock, which a stopped thread may hold; copying a list needs none.
        return [event.id for event in list(self._conversation.state.events._cached_events)]

    def state(self) -> Mapping[str, Callable[[], Any]]:
        state = self._conversation.state
        there = {name: read for name, read in _STATE.items() if hasattr(type(state), name)}
        return {
            field: partial(read, state)
            for fields in there.values()
            for field, read in fields.items()
        }

    def close(self) -> None:
        self._conversation.close()
        self._workspace.client.close()


class OpenHandsAdapter:
    """Connects `RemoteConversation`s."""

    # The conversation, the composition of its callbacks, and its REST client.
    source: tuple[str, ...] = (
        "openhands.sdk.conversation.impl.remote_conversation",
        "openhands.sdk.conversation.base",
        "openhands.sdk.workspace.remote.base",
    )

    dialect: Dialect = AgentServerDialect()

    def __init__(self) -> None:
        self.version, self.server_version = VERSION, release_seen(VERSION)
        # The LLM is never called: the server scripts the agent.
        key = SecretStr("unused")
        # A server streams only if the agent's LLM does, as some scripts want.
        options: dict[str, Any] = {"stream": True} if "stream" in LLM.model_fields else {}
        llm = LLM(model="openai/scripted", api_key=key, usage_id="agent", **options)
        self._agent = Agent(llm=llm, tools=[])

    def connect(self, url: str, on_event: OnEvent, max_iterations: int | None = None) -> Client:
        return OpenHandsClient(self._agent, url, on_event, max_iterations)

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        return OpenHandsClient(self._agent, url, on_event, conversation=conversation)

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        """Return the fake server of the client's own release."""
        return FakeServer(self.server_version, schedule, trace)
