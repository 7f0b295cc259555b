"""The REST handlers for the requests of `RemoteConversation` and the SDK's workspaces.

They read bodies as plain JSON, since a client under test sends what its own models made.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from race_harness.network import whose
from race_harness.server.disk import StorageError
from race_harness.server.fake.event_log import Filter
from race_harness.server.fake.event_service import (
    AgentServer,
    AlreadyRunningError,
    EventService,
    FailedRunError,
)
from race_harness.server.size import instructed
from race_harness.server.wire import encode

Handler = Callable[[Request], Awaitable[Response]]

_MAX_PAGE = 100


class JsonAnswer(Response):
    """A JSON body."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return encode(content).encode()


def _success() -> JsonAnswer:
    return JsonAnswer({"success": True})


def server_of(request: Request) -> AgentServer:
    server: AgentServer = request.app.state.server
    return server


def canonical_id(text: str) -> str | None:
    """Return a conversation's id with hyphens; None if it is no UUID."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _conversation_of(request: Request) -> EventService:
    conversation_id = canonical_id(request.path_params["conversation_id"])
    if conversation_id is None:
        raise HTTPException(422, "not a UUID")
    conversation = server_of(request).conversations.get(conversation_id)
    if conversation is None:
        raise HTTPException(404)
    return conversation


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise HTTPException(422, "not JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(422, "not an object")
    return body


# Conversations


async def create_conversation(request: Request) -> Response:
    """Answer 201, or 200 for a known `conversation_id`; without one, make up an id."""
    body = await _body(request)
    if body.get("conversation_id") is not None:
        body["conversation_id"] = canonical_id(str(body["conversation_id"]))
        if body["conversation_id"] is None:
            raise HTTPException(422, "not a UUID")
    server = server_of(request)
    conversation, new = server.create(instructed(body, server.context.script.state_kb))
    if new:
        await conversation.open()
    status = await conversation.read_status()
    return JsonAnswer(conversation.info(status), 201 if new else 200)


async def get_conversation(request: Request) -> Response:
    conversation = _conversation_of(request)
    return JsonAnswer(conversation.info(await conversation.read_status()))


async def delete_conversation(request: Request) -> Response:
    conversation = _conversation_of(request)
    server_of(request).forget(conversation.id)
    await conversation.close()
    return _success()


async def run(request: Request) -> Response:
    server = server_of(request)
    server.trace.record("server", "run-requested", **whose.mark())
    try:
        conversation = _conversation_of(request)
        if server.profile.answers_when_run_ends:
            await conversation.run_to_end()
        else:
            await conversation.start_run()
    except HTTPException as error:
        server.trace.record("server", "run-refused", status=error.status_code, **whose.mark())
        raise
    except AlreadyRunningError:
        server.trace.record("server", "run-refused", status=409, **whose.mark())
        raise HTTPException(409, "The conversation runs already.") from None
    except StorageError:
        server.trace.record("server", "run-refused", status=500, **whose.mark())
        raise
    except FailedRunError:
        return _failed()
    # The task is created before the answer is written, so the run may already be over.
    await server.context.wait(server.context.timing.answer_run_ms)
    return _success()


def _failed() -> JsonAnswer:
    """Answer 500, as upstream does for all but HTTPException (api.py,
    `_unhandled_exception_handler`)."""
    return JsonAnswer({"detail": "Internal Server Error", "exception": "The run failed."}, 500)


async def storage_failed(_request: Request, _failure: Exception) -> Response:
    """Whatever a handler cannot write."""
    return _failed()


async def respond_to_confirmation(request: Request) -> Response:
    """Take a body `{"accept": true}`, or `{"accept": false, "reason": "..."}`."""
    conversation = _conversation_of(request)
    body = await _body(request)
    try:
        if body.get("accept") is True:
            await conversation.confirm()
        else:
            await conversation.reject(str(body.get("reason", "User rejected the action.")))
    except FailedRunError:
        return _failed()
    return _success()


async def pause(request: Request) -> Response:
    await _conversation_of(request).pause()
    return _success()


async def interrupt(request: Request) -> Response:
    if not server_of(request).profile.runs_on_loop:
        raise HTTPException(404)
    await _conversation_of(request).interrupt()
    return _success()


async def change_setting(request: Request) -> Response:
    """Accept the setting, which has no effect on the scripted agent."""
    await _conversation_of(request).change_setting()
    return _success()


# Events


async def send_message(request: Request) -> Response:
    """Take a body `{"role": "user", "content": [...], "run": false}`."""
    conversation = _conversation_of(request)
    body = await _body(request)
    content = body.get("content")
    if not isinstance(content, list):
        raise HTTPException(422, "content is not a list")
    await conversation.send_message(content, run=body.get("run") is True)
    return _success()


async def search_events(request: Request) -> Response:
    conversation = _conversation_of(request)
    query = request.query_params
    limit = query.get("limit", str(_MAX_PAGE))
    if not (limit.isdecimal() and 1 <= int(limit) <= _MAX_PAGE):
        raise HTTPException(422, f"limit is not between 1 and {_MAX_PAGE}")
    wanted = _filter(request)
    async with conversation.reading() as log:
        items, next_page_id = log.search(
            wanted,
            page_id=query.get("page_id"),
            limit=int(limit),
            descending=query.get("sort_order") == "TIMESTAMP_DESC",
        )
    return JsonAnswer({"items": items, "next_page_id": next_page_id})


async def count_events(request: Request) -> Response:
    wanted = _filter(request)
    async with _conversation_of(request).reading() as log:
        return JsonAnswer(log.count(wanted))


async def get_event(request: Request) -> Response:
    async with _conversation_of(request).reading() as log:
        event = log.get(request.path_params["event_id"])
    if event is None:
        raise HTTPException(404)
    return JsonAnswer(event)


def _filter(request: Request) -> Filter:
    query = request.query_params
    return Filter(
        kind=query.get("kind"),
        source=query.get("source"),
        timestamp_gte=naive_timestamp(query.get("timestamp__gte")),
        timestamp_lt=naive_timestamp(query.get("timestamp__lt")),
    )


def naive_timestamp(text: str | None) -> str | None:
    """Return a timestamp in the log's form. The fake's local time is UTC (event_router.py,
    `normalize_datetime_to_server_timezone`)."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(422, "not an ISO timestamp") from None
    if at.tzinfo is not None:
        at = at.astimezone(UTC).replace(tzinfo=None)
    return at.isoformat(timespec="microseconds")


# The server itself


async def alive(request: Request) -> Response:
    return JsonAnswer({"status": "ok"})


async def server_info(request: Request) -> Response:
    version = server_of(request).profile.version
    return JsonAnswer({"uptime": 0.0, "idle_time": 0.0, "version": version})


_SETTINGS = (
    "secrets",
    "confirmation_policy",
    "security_analyzer",
    "title",
    "generate_title",
    "condense",
    "load_plugin",
    "navigate",
)

_ONE = "/api/conversations/{conversation_id}"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/health", alive),
    ("GET", "/alive", alive),
    ("GET", "/ready", alive),
    ("GET", "/server_info", server_info),
    ("POST", "/api/conversations", create_conversation),
    ("GET", _ONE, get_conversation),
    ("GET", f"{_ONE}/events/search", search_events),
    ("POST", f"{_ONE}/events", send_message),
    ("POST", f"{_ONE}/run", run),
    ("POST", f"{_ONE}/events/respond_to_confirmation", respond_to_confirmation),
    ("POST", f"{_ONE}/pause", pause),
    ("POST", f"{_ONE}/interrupt", interrupt),
    ("GET", f"{_ONE}/events/count", count_events),
    ("GET", f"{_ONE}/events/{{event_id}}", get_event),
    ("PATCH", _ONE, change_setting),
    ("DELETE", _ONE, delete_conversation),
    *(("POST", f"{_ONE}/{name}", change_setting) for name in _SETTINGS),
]
