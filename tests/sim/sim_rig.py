"""Little programs run inside a trial, as the client of a small site."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from alone import void
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from starlette.responses import Response, StreamingResponse

from race_harness.model.schedule import Interleaving, Link, Schedule
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.network.site import UvicornSite
from race_harness.sim.kernel import SECOND
from race_harness.sim.serving import Simulation
from race_harness.sim.world import Ending


@dataclass
class Visit:
    """A program that was run as the client of the small site."""

    value: Any
    ending: Ending
    simulation: Simulation
    site: "SmallSite"

    @property
    def seconds(self) -> float:
        """Virtual seconds from the trial's begin to the end of all of it."""
        return self.simulation.kernel.now_ns / SECOND


class SmallSite:
    """Answers what the tests of the network ask for. Built once, emptied before each visit."""

    def __init__(self) -> None:
        self.farewells: list[int] = []
        """The close codes that the server's sockets saw."""
        self.bodies: list[bytes] = []
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.get("/peer")(self._peer)
        app.post("/echo")(self._echo)
        app.get("/slow")(self._slow)
        app.get("/drip")(self._drip)
        app.websocket("/echo")(self._socket)
        self.uvicorn = UvicornSite(app)

    async def _peer(self, request: Request) -> Response:
        assert request.client is not None
        return Response(str(request.client.port))

    async def _echo(self, request: Request) -> Response:
        body = await request.body()
        self.bodies.append(body)
        return Response(body)

    async def _slow(self, seconds: float) -> Response:
        await asyncio.sleep(seconds)
        return Response("at last")

    async def _drip(self) -> Response:
        async def drops() -> Any:
            for number in range(5):
                yield f"{number}\n"
                await asyncio.sleep(0.001)

        return StreamingResponse(drops())

    async def _socket(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect as goodbye:
            self.farewells.append(goodbye.code)

    def visit(
        self,
        program: Callable[[str], Any],
        *,
        network: NetworkSchedule | None = None,
        seed: int | None = None,
        entropy: int = 0,
        prepare: Callable[[Simulation], object] = void,
        shutdown: Callable[[], Awaitable[None]] | None = None,
    ) -> Visit:
        """Run a program against the site's URL; `prepare` gets the simulation before."""
        self.farewells.clear()
        self.bodies.clear()
        schedule = Schedule(
            scenario="test",
            entropy=entropy,
            network=network or NetworkSchedule(),
            interleaving=Interleaving(seed),
        )
        simulation = Simulation(schedule)
        prepare(simulation)
        values: list[Any] = [None]
        ending = simulation.run(
            self.uvicorn,
            lambda url: values.append(program(url)),
            lambda: None,
            shutdown or _nothing,
        )
        return Visit(values[-1], ending, simulation, self)


async def _nothing() -> None:
    pass


def both(latency_ms: float, jitter_ms: float = 0.0) -> NetworkSchedule:
    """The same link for REST and the socket."""
    link = Link(latency_ms, jitter_ms)
    return NetworkSchedule(rest=link, socket=link)


def rest(url: str, timeout: float | None = 30) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=timeout, trust_env=False)
