"""Tests of a conversation with a real agent server, as a project of somebody's own has them.

They assert nothing of what is to be seen after `run()`: that is left to `--invariant`.
"""

import threading
import time

import pytest
import uvicorn
from litellm.types.utils import Choices, Message, ModelResponse
from openhands.sdk import LLM, Agent, Conversation
from openhands.sdk import Message as Said
from openhands.sdk.llm.llm_response import LLMResponse
from openhands.sdk.llm.utils.metrics import MetricsSnapshot
from openhands.sdk.workspace import RemoteWorkspace
from pydantic import SecretStr

PORT = 8123
FINISH = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "finish", "arguments": '{"message": "done"}'},
}


def answer():
    """The agent says that it is done, after thinking for a while."""
    said = Message(role="assistant", content=None, tool_calls=[FINISH])
    choices = [Choices(index=0, finish_reason="stop", message=said)]
    return LLMResponse(
        message=Said.from_llm_chat_message(said),
        metrics=MetricsSnapshot(
            model_name="m",
            accumulated_cost=0.0,
            max_budget_per_task=None,
            accumulated_token_usage=None,
        ),
        raw_response=ModelResponse(id="r", created=0, model="m", choices=choices),
    )


def completion(self, *args, **options):
    time.sleep(0.6)
    return answer()


async def acompletion(self, *args, **options):
    import asyncio

    await asyncio.sleep(0.6)
    return answer()


@pytest.fixture
def conversation(tmp_path, monkeypatch):
    from openhands.agent_server.api import create_app
    from openhands.agent_server.config import Config

    # Where the server writes, whatever its configuration says, in the releases that have one
    # service for the whole process.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LLM, "completion", completion)
    if hasattr(LLM, "acompletion"):
        monkeypatch.setattr(LLM, "acompletion", acompletion)
    config = Config(
        session_api_keys=[],
        conversations_path=tmp_path / "conversations",
        workspace_path=tmp_path / "workspace",
    )
    server = uvicorn.Server(
        uvicorn.Config(create_app(config), host="127.0.0.1", port=PORT, log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    workspace = RemoteWorkspace(host=f"http://127.0.0.1:{PORT}", working_dir=str(tmp_path))
    agent = Agent(llm=LLM(model="gpt-4o", api_key=SecretStr("unused")), tools=[])
    conversation = Conversation(agent=agent, workspace=workspace)
    yield conversation
    conversation.close()
    server.should_exit = True
    thread.join(timeout=10)


def test_a_run(conversation):
    conversation.send_message("Please finish.")
    conversation.run()


def test_two_runs(conversation):
    for _ in range(2):
        conversation.send_message("Please finish.")
        conversation.run()


def test_a_run_that_nobody_waits_for(conversation):
    conversation.send_message("Please finish.")
    conversation.run(blocking=False)
    time.sleep(5)


def test_an_impatient_client(conversation):
    conversation._wait_for_run_completion = lambda *_args, **_options: None
    conversation.send_message("Please finish.")
    conversation.run()
    time.sleep(5)


def test_no_conversation():
    pass


def test_that_fails_without_one():
    raise LookupError("nobody is there")
