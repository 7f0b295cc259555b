"""How large things are that a server tells, where the schedule says so.

The text is random, so that compression (RFC 7692) takes no more of it than of a picture: a row of
one letter would come to nothing on the wire.
"""

import base64
import random
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=8)
def text(kilobytes: int) -> str:
    """So many times 1,000 characters, the same ones each time."""
    return base64.b64encode(random.Random(kilobytes).randbytes(750 * kilobytes)).decode()


def instructed(request: dict[str, Any], kilobytes: int) -> dict[str, Any]:
    """A request for a conversation whose agent has so long instructions: `AgentContext`
    (context/agent_context.py), which every release since 1.0 has."""
    if not kilobytes:
        return request
    context = {"system_message_suffix": text(kilobytes)}
    return {**request, "agent": {**request.get("agent", {}), "agent_context": context}}
