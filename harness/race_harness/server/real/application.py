"""The published agent server of one trial, as an ASGI application."""

import asyncio
import functools
import json
import os
import sys
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.network import whose
from race_harness.server.between import release_seen
from race_harness.server.bodies import body_of, replayed
from race_harness.server.disk import Disk
from race_harness.server.handover import Handover
from race_harness.server.process import tell_restarted
from race_harness.server.profile import Profile
from race_harness.server.real import dates, full_disk, home, hooks
from race_harness.server.real.observer import Observer
from race_harness.server.rest_faults import RestFaults
from race_harness.server.rest_proxy import spoiled
from race_harness.server.shown import State, state_in, tell_when_asked
from race_harness.server.size import instructed
from race_harness.server.wire import route_name

SETTINGS = {
    "session_api_keys": [],
    "enable_vscode": False,
    "enable_vnc": False,
    "preload_tools": False,
    "webhooks": [],
    "static_files_path": None,
}
"""No editor, no desktop, no browser, no terminal, and no other listeners."""


@functools.cache
def application() -> Any:
    """Return the server's FastAPI application; a process imports and makes it once."""
    for name in [name for name in os.environ if name.startswith(("OH_", "SESSION_API_KEY"))]:
        del os.environ[name]
    from openhands.agent_server import api, config

    known = config.Config.model_fields
    chosen = {name: value for name, value in SETTINGS.items() if name in known}
    settings = config.Config.model_validate(chosen)
    # The services that the application creates read this one.
    config._default_config = settings
    app = api.create_app(settings)
    hooks.install()
    # Clients ask for the list of tools, which would load all of them in the first trial.
    usable = getattr(sys.modules["openhands.sdk.tool.registry"], "list_usable_tools", list)
    usable()
    return app


class RealServer:
    """The server of one trial, in the state of a server that has just started.

    It starts with the first request, because it has to start in the server's own event loop.
    """

    def __init__(self, version: str, schedule: Schedule, trace: Trace) -> None:
        self._app = application()
        self._schedule = schedule
        profile = Profile.of(release_seen(version))
        self._observer = Observer(schedule, trace, profile)
        self._waits_for_run = profile.answers_when_run_ends
        self._trace = trace
        self._faults = RestFaults(schedule.rest, trace)
        self._requests = 0
        self._conversations: Conversations | None = None
        self._home = home.enter()
        dates.ServerDatetime.start(schedule.server, trace)
        self._disk = Disk(schedule.server, trace)
        full_disk.start(self._disk, self._home)
        hooks.observe(self._observer)
        tell_when_asked(trace, self._state)

    @property
    def app(self) -> ASGIApp:
        return self._serve

    def _state(self) -> State | None:
        services = self._conversations.event_services() if self._conversations is not None else []
        return state_in(_info(services[0])) if services else None

    def keep(self, handover: Handover) -> None:
        """The home of all processes of a trial is below the handover's folder."""
        home.leave(self._home)
        self._home = home.enter(handover.folder / "server")
        full_disk.start(self._disk, self._home)
        self._requests += sum(1 for _ in handover.entries("asked"))
        self._faults.keep(handover)
        self._observer.keep(handover)

    async def restart(self) -> None:
        """Start again in the home of the process that died. That one's memory stands still with
        its threads, and nothing refers to it any more."""
        with self._observer.recovering():
            self._conversations = Conversations(self._app)
            await self._conversations.started()
        tell_restarted(self._trace, self._conversations.status())

    async def aclose(self) -> None:
        """Shut the server down and remove what it wrote."""
        self._disk.full = False
        try:
            if self._conversations is not None:
                await self._conversations.end()
        finally:
            home.leave(self._home)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._conversations is None:
            self._conversations = Conversations(self._app)
        await self._conversations.started()
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif whose.asks.get():
            # It bypasses the client's proxy, and does not count among its requests.
            await self._request(0, scope, receive, send)
        else:
            self._requests += 1
            number = self._requests
            route = route_name(scope["method"], scope["path"])
            request = functools.partial(self._request, number)
            await spoiled(request, self._faults, scope, route)(scope, receive, send)

    async def _request(self, number: int, scope: Scope, receive: Receive, send: Send) -> None:
        route = route_name(scope["method"], scope["path"])
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                await self._late("answer", number)
                if route == "POST run":
                    await self._run_answered(message["status"])
            await send(message)

        await self._late("request", number)
        if route == "POST run":
            self._trace.record("server", "run-requested", **whose.mark())
        elif route == "POST conversations" and self._schedule.script.state_kb:
            receive = await self._instructed(receive)
        try:
            await self._app(scope, receive, answer)
        except Exception:
            # Starlette raises again what it has answered with 500. Only a request that waits for
            # its run may fail like that, or one whose data cannot be written.
            waits = route in ("POST run", "POST events/respond_to_confirmation")
            if not (status == 500 and ((waits and self._waits_for_run) or self._disk.may_fill)):
                raise

    async def _instructed(self, receive: Receive) -> Receive:
        """Return the request for a conversation, with an agent as the schedule wants it."""
        request = json.loads(await body_of(receive))
        request = instructed(request, self._schedule.script.state_kb)
        return replayed(json.dumps(request).encode(), receive)

    async def _late(self, what: str, number: int) -> None:
        late_ms = self._observer.late_ms_of(what, number)
        if late_ms:
            await asyncio.sleep(late_ms / 1000)

    async def _run_answered(self, status: int) -> None:
        if status == 500 and self._waits_for_run:
            return
        if status >= 400:
            self._trace.record("server", "run-refused", status=status, **whose.mark())
        else:
            await asyncio.sleep(self._schedule.server.answer_run_ms / 1000)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope["client"][1]
        why = "closed by the server"

        async def received() -> Message:
            nonlocal why
            message = await receive()
            if message["type"] == "websocket.disconnect":
                why = f"code {message.get('code', 1005)}"
            return message

        try:
            await self._app(scope, received, send)
        finally:
            self._observer.disconnected(peer, why)


class Conversations:
    """The server's conversations from its start to its end, in a separate task.

    The application's own lifespan does more: it looks for terminals, starts an editor, loads tools
    and reports to its makers. No conversation needs that.
    """

    def __init__(self, app: Any) -> None:
        self._service: Any = None
        self._started = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._live(app), name="conversations")

    async def started(self) -> None:
        """Wait for the start; raises the server's error if it does not start."""
        if not self._started.is_set():
            await self._started.wait()
        if self._task.done():
            self._task.result()

    def event_services(self) -> list[Any]:
        """Return the service of each conversation in memory."""
        services = self._service and self._service._event_services
        return [*(services or {}).values()]

    def status(self) -> str | None:
        """Return the conversation's status; None if there is no conversation. From 1.37 on it may
        not be in memory yet."""
        records = getattr(self._service, "_conversation_records", {}).values()
        known = [service._conversation._state for service in self.event_services()] or [*records]
        return str(known[0].execution_status.value) if known else None

    async def end(self) -> None:
        """End the server; raises its error if it failed."""
        self._stopping.set()
        await self._task

    async def _live(self, app: Any) -> None:
        try:
            async with _new_service() as service:
                app.state.conversation_service = self._service = service
                self._started.set()
                await self._stopping.wait()
        finally:
            self._started.set()


def _info(service: Any) -> dict[str, Any]:
    """Return what a `ConversationInfo` (models.py) would say, read from live memory without any
    lock."""
    state = service._conversation._state
    return {
        "execution_status": state.execution_status.value,
        "stats": {
            "usage_to_metrics": {
                usage: {
                    "accumulated_cost": metrics.accumulated_cost,
                    "accumulated_token_usage": metrics.accumulated_token_usage.model_dump(),
                }
                for usage, metrics in state.stats.usage_to_metrics.items()
            }
        },
        "confirmation_policy": {"kind": type(state.confirmation_policy).__name__},
        "activated_knowledge_skills": [*state.activated_knowledge_skills],
        "title": service.stored.title,
    }


def _new_service() -> Any:
    """Make a new service for each trial, since one that was killed halfway cannot be used again.
    The server has one for the whole process, under several names."""
    from openhands.agent_server.config import get_default_config
    from openhands.agent_server.conversation_service import ConversationService

    service = ConversationService.get_instance(get_default_config())
    for module, name in _names_of_service():
        setattr(module, name, service)
    return service


@functools.cache
def _names_of_service() -> list[tuple[Any, str]]:
    """Return the modules and names under which the server keeps its service."""
    from openhands.agent_server.conversation_service import (
        ConversationService,
        get_default_conversation_service,
    )

    get_default_conversation_service()
    return [
        (module, name)
        for module_name, module in list(sys.modules.items())
        if module_name.startswith("openhands.agent_server")
        for name, value in list(vars(module).items())
        if isinstance(value, ConversationService)
    ]
