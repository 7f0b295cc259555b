"""The WebSocket `/sockets/events/{conversation_id}`."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from race_harness.network import whose
from race_harness.network.unhurried import BUSY_IN_SCOPE
from race_harness.server.disk import StorageError
from race_harness.server.fake.event_log import Filter
from race_harness.server.fake.event_service import AgentServer, EventService
from race_harness.server.fake.pub_sub import Subscriber, TooManySubscribersError
from race_harness.server.fake.rest import canonical_id, naive_timestamp

FIRST_FRAME_TIMEOUT_S = 10.0

UNAUTHENTICATED, NOT_FOUND, TOO_MANY = 4001, 4004, 1013


async def events_socket(websocket: WebSocket) -> None:
    """Authenticate, subscribe, send a snapshot, resend what the client asks for, then listen.

    It closes with 4001 (no valid key), 4004 (no such conversation) or 1013 (too many subscribers).
    """
    server: AgentServer = websocket.app.state.server
    try:
        await _serve(websocket, server)
    except (WebSocketDisconnect, OSError):
        return  # The client left during the handshake; uvicorn then raises OSError on accepting.
    except StorageError as failure:
        # The state for the snapshot cannot be saved, and upstream catches nothing there.
        raise OSError(failure.detail) from failure
    except Exception as failure:
        server.context.note_failure(failure)
        raise


async def _serve(websocket: WebSocket, server: AgentServer) -> None:
    websocket.scope[BUSY_IN_SCOPE] = server.context.event_loop
    await server.context.loop_look()
    if not await _authenticated(websocket, server):
        return
    conversation_id = canonical_id(websocket.path_params["conversation_id"])
    conversation = server.conversations.get(conversation_id or "")
    if conversation is None:
        await websocket.close(NOT_FOUND, "Conversation not found")
        return
    peer = websocket.client.port if websocket.client else 0
    try:
        subscriber = conversation.pub_sub.subscribe(websocket, peer)
    except TooManySubscribersError:
        await websocket.close(TOO_MANY, "Too many subscribers")
        return
    why = "server error"
    try:
        # The subscription comes before the snapshot, so live frames may be ahead of it
        # (event_service.py, `subscribe_to_events`).
        snapshot = await conversation.snapshot()
        with suppress(TimeoutError):
            async with asyncio.timeout(server.profile.first_snapshot_s):
                await conversation.pub_sub.send(subscriber, snapshot)
        await _resend(websocket, subscriber, conversation)
        why = await _listen(websocket)
    except asyncio.CancelledError:
        why = "server stopped"
        raise
    finally:
        conversation.pub_sub.unsubscribe(subscriber)
        server.trace.record("socket", "disconnected", peer=peer, why=why, **whose.mark())


async def _listen(websocket: WebSocket) -> str:
    """Read until the client is gone; return why. Nothing that it sends has an effect: the server
    ignores a redundant authentication frame (sockets.py, `_is_auth_control_message`), and the
    Python client sends nothing else."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return f"code {message.get('code', 1005)}"


async def _authenticated(websocket: WebSocket, server: AgentServer) -> bool:
    """Accept, or close. With a wrong key in the query or the header, the handshake itself fails; a
    first frame can be read only after accepting (sockets.py,
    `_accept_authenticated_websocket`)."""
    keys, profile = server.session_api_keys, server.profile
    key = websocket.query_params.get("session_api_key")
    if key is None and profile.header_authentication:
        key = websocket.headers.get("x-session-api-key")
    if not keys or key in keys:
        await websocket.accept()
        return True
    if key is None and profile.first_frame_authentication:
        await websocket.accept()
        if await _first_frame_key(websocket) in keys:
            return True
    await websocket.close(UNAUTHENTICATED, "Authentication failed")
    return False


async def _first_frame_key(websocket: WebSocket) -> str | None:
    """Return the key of `{"type": "auth", "session_api_key": ...}`, if it comes within 10 s."""
    try:
        async with asyncio.timeout(FIRST_FRAME_TIMEOUT_S):
            frame: Any = json.loads(await websocket.receive_text())
    except (TimeoutError, ValueError, KeyError, WebSocketDisconnect):
        return None
    if not isinstance(frame, dict) or frame.get("type") != "auth":
        return None
    key = frame.get("session_api_key")
    return key if isinstance(key, str) else None


async def _resend(
    websocket: WebSocket, subscriber: Subscriber, conversation: EventService
) -> None:
    """Send history to a client that asks: by `resend_mode=all`, or `since` with `after_timestamp`
    (from 1.15), or by `resend_all=true` (always). Live frames may come in between."""
    query = websocket.query_params
    mode = query.get("resend_mode") if conversation.context.profile.resends_since else None
    if mode is None and query.get("resend_all", "").lower() in ("1", "true"):
        mode = "all"
    after = query.get("after_timestamp")
    if mode == "all":
        wanted = Filter()
    elif mode == "since" and after is not None:
        try:
            wanted = Filter(timestamp_gte=naive_timestamp(after))
        except HTTPException:
            return
    else:
        return
    page_id: str | None = None
    while True:
        async with conversation.reading() as log:
            items, page_id = log.search(wanted, page_id=page_id)
        for event in items:
            await conversation.pub_sub.send(subscriber, event)
        if page_id is None:
            return
