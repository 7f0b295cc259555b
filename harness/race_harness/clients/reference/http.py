"""The reference client's REST requests, which fail in only one way."""

import time
from typing import Any, Final

import httpx

Event = dict[str, Any]

PAGE = 100
"""Events on a page, the most that the server gives."""
PATIENCE_S = 3.0
"""How many seconds an answer may take at first, and so what one that never comes costs."""
MOST_PATIENCE_S = 60.0

AGENT: Final = {
    "kind": "Agent",
    "llm": {"model": "openai/scripted", "api_key": "unused", "usage_id": "agent"},
    "tools": [],
}
"""An agent that the real server accepts. What it does is up to the server's script."""

WORKSPACE: Final = {"kind": "LocalWorkspace", "working_dir": "workspace/project"}


class LostError(Exception):
    """There is no usable answer. The server may have acted on the request or not."""


class Rest:
    """The routes of one conversation. Every method raises `LostError`, for any reason: an answer
    that is late, cut short, or a proxy's own.

    Patience grows with the network's delays: after a timeout, the next answer may take twice as
    long.
    """

    patience_s: float | None = PATIENCE_S
    """How long the next answer may take."""

    def __init__(self, url: str, conversation_id: str) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False)
        self._id = conversation_id
        self._path = f"/api/conversations/{conversation_id}"

    def create(self, max_iterations: int | None = None) -> None:
        """Create the conversation. The client chooses the id, so that it may ask twice."""
        body: dict[str, Any] = {
            "conversation_id": self._id,
            "agent": AGENT,
            "workspace": WORKSPACE,
        }
        if max_iterations is not None:
            body["max_iterations"] = max_iterations
        self._answer("POST", "/api/conversations", json=body)

    def status(self) -> str:
        """Return the conversation's status, which may lag behind the log."""
        return str(self.info()["execution_status"])

    def info(self) -> dict[str, Any]:
        """Return everything that the server shows of the conversation, except its events."""
        found: dict[str, Any] = self._answer("GET", self._path).json()
        return found

    def page(
        self, page_id: str | None, limit: int = PAGE, **filters: str
    ) -> tuple[list[Event], str | None]:
        """Return events in the log's order from `page_id` on, and the id with which the next page
        begins."""
        query = {"limit": str(limit), **filters} | ({"page_id": page_id} if page_id else {})
        page = self._answer("GET", f"{self._path}/events/search", params=query).json()
        return page["items"], page.get("next_page_id")

    def post(
        self, route: str, body: dict[str, Any] | None = None, accepted: tuple[int, ...] = ()
    ) -> int:
        """Return the status of the answer: a success or one of `accepted`."""
        answer = self._answer("POST", f"{self._path}/{route}", accepted, json=body or {})
        return answer.status_code

    def close(self) -> None:
        self._http.close()

    def _answer(
        self, method: str, path: str, accepted: tuple[int, ...] = (), **content: Any
    ) -> httpx.Response:
        began = time.monotonic()
        try:
            answer = self._http.request(method, path, timeout=self.patience_s, **content)
            if answer.status_code not in accepted:
                answer.raise_for_status()
            answer.json()
        except httpx.TimeoutException as error:
            self._adapt(2 * (time.monotonic() - began))
            raise LostError(f"{method} {path}: no answer in time") from error
        except (httpx.HTTPError, ValueError, RuntimeError) as error:
            # RuntimeError means that the client was closed meanwhile.
            raise LostError(f"{method} {path}: {error}") from error
        self._adapt(2 * (time.monotonic() - began))
        return answer

    def _adapt(self, seconds: float) -> None:
        self.patience_s = min(max(PATIENCE_S, seconds), MOST_PATIENCE_S)
