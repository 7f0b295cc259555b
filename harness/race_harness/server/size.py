"""Text that makes what a server sends as large as the schedule says.

The text is random, so that compression (RFC 7692) shrinks it no more than a picture: one repeated
letter would shrink to nothing on the wire.
"""

import base64
import random
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=8)
def text(kilobytes: int) -> str:
    """Return that many times 1,000 characters, the same ones each time."""
    return base64.b64encode(random.Random(kilobytes).randbytes(750 * kilobytes)).decode()


def instructed(request: dict[str, Any], kilobytes: int) -> dict[str, Any]:
    """Return the request for a conversation with that much more text in the agent's instructions:
    `AgentContext` (context/agent_context.py), which every release since 1.0 has."""
    if not kilobytes:
        return request
    context = {"system_message_suffix": text(kilobytes)}
    return {**request, "agent": {**request.get("agent", {}), "agent_context": context}}
