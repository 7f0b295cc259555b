"""The fields of a conversation's state that a client must show, and what the scripted LLM costs.

Both kinds of server record the same fields, so that the oracle can compare a client with them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from race_harness.model.trace import Happening, Trace

COST: Final = 0.01
"""What one answer costs in US dollars, in a turn with statistics."""
PROMPT_TOKENS: Final = 1_000
COMPLETION_TOKENS: Final = 100

State = Mapping[str, Any]
"""JSON values by field."""


def statistics(answers: int) -> dict[str, Any]:
    """Return `ConversationStats` (conversation_stats.py) after that many answers with a price,
    with the fields that every release has."""
    if not answers:
        return {"usage_to_metrics": {}}
    usage = {
        "prompt_tokens": answers * PROMPT_TOKENS,
        "completion_tokens": answers * COMPLETION_TOKENS,
    }
    metrics = {
        "model_name": "openai/scripted",
        "accumulated_cost": round(answers * COST, 6),
        "accumulated_token_usage": usage,
    }
    return {"usage_to_metrics": {"agent": metrics}}


STATE_FIELDS: Final = (
    "execution_status",
    "cost",
    "prompt_tokens",
    "completion_tokens",
    "confirmation_policy",
    "activated_knowledge_skills",
    "title",
)
"""The fields in which the client's view is compared with the server's."""


def state_in(info: State) -> State:
    """Return those fields from a `ConversationInfo` as JSON."""
    metrics = [*info["stats"]["usage_to_metrics"].values()]
    usages = [one.get("accumulated_token_usage") or {} for one in metrics]
    return {
        "execution_status": info["execution_status"],
        "cost": round(sum(one["accumulated_cost"] for one in metrics), 6),
        "prompt_tokens": sum(usage.get("prompt_tokens", 0) for usage in usages),
        "completion_tokens": sum(usage.get("completion_tokens", 0) for usage in usages),
        "confirmation_policy": info["confirmation_policy"]["kind"],
        "activated_knowledge_skills": info["activated_knowledge_skills"],
        "title": info.get("title"),
    }


def tell_when_asked(trace: Trace, read: Callable[[], State | None]) -> None:
    """Record the server's state at the instant at which the caller reads the client's."""

    def hear(happening: Happening) -> None:
        if happening.what == "act-called" and happening.detail["act"] == "state":
            state = read()
            if state is not None:
                trace.record("server", "state", values=dict(state))

    trace.listeners.append(hear)
