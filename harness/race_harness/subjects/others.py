"""What others do in the client's conversation, each act by one HTTP request.

They find the conversation by its id, which is in the client's requests.
"""

import http.client
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from race_harness.model.schedule import OtherAct
from race_harness.model.trace import Happening, Trace
from race_harness.network.whose import MESSAGE

PATIENCE_S: Final = 120.0
"""How many seconds an answer may take: up to 1.6, that of a run comes at its end."""

_MESSAGE: Final = {"role": "user", "content": [{"type": "text", "text": MESSAGE}]}
_REQUESTS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "run": ("run", {}),
    "message": ("events", {**_MESSAGE, "run": False}),
    "message-and-run": ("events", {**_MESSAGE, "run": True}),
    "pause": ("pause", {}),
    "confirm": ("events/respond_to_confirmation", {"accept": True}),
    "reject": ("events/respond_to_confirmation", {"accept": False, "reason": "Not now."}),
}
"""Each act's path in the conversation, and its body."""
_CONVERSATION: Final = re.compile(r"/(?:conversations|sockets/events)/([0-9a-fA-F-]{32,36})\b")


class Others:
    """Everybody but the client. From now on, it listens for the id of the conversation."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._numbers = itertools.count(1)
        self.conversation: str | None = None
        """Its id, once the client has asked for anything in it."""
        trace.listeners.append(self._notice)

    def _notice(self, happening: Happening) -> None:
        if self.conversation is None and happening.lane == "wire":
            found = _CONVERSATION.search(str(happening.detail.get("request", "")))
            self.conversation = found and found[1]

    def act(self, url: str, act: OtherAct) -> bool:
        """Ask the server at `url`, and wait for its answer; return False if there is no
        conversation."""
        if self.conversation is None:
            return False
        route, body = _REQUESTS[act.what]
        path = f"/api/conversations/{self.conversation}/{route}"
        facts: dict[str, Any] = {"act": act.what, "number": next(self._numbers)}
        self._trace.record("other", "asked", **facts)
        try:
            status = _post(url, path, body)
        except OSError as error:
            told = f"{type(error).__name__}: {error}"
            self._trace.record("other", "unanswered", **facts, error=told)
        else:
            self._trace.record("other", "answered", **facts, status=status)
        return True


def _post(url: str, path: str, body: dict[str, Any]) -> int:
    """Send a request, and return the status of the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
