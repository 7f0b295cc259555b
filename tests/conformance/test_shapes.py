"""Shapes of bodies, and how they are captured."""

import asyncio

import httpx

from race_harness.conformance.shapes import Bodies, Capture, is_read, shape
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.server.fake.app import FakeServer

HELLO = {"role": "user", "content": [{"type": "text", "text": "Hello"}], "run": False}


def test_a_shape_is_paths_and_types() -> None:
    body = {"items": [{"id": "x", "n": 1}, {"id": None}], "ok": True, "stats": {}}
    assert shape(body) == {
        ("items", "array"),
        ("items[]", "object"),
        ("items[].id", "string"),
        ("items[].id", "null"),
        ("items[].n", "number"),
        ("ok", "boolean"),
        ("stats", "object"),
    }


def test_names_that_are_data_are_taken_together() -> None:
    one, two = ({"tags": {name: "x"}} for name in ("a", "b"))
    assert shape(one) == shape(two) == {("tags", "object"), ("tags{}", "string")}


def test_what_clients_read() -> None:
    assert is_read("GET conversation 200", "execution_status")
    assert not is_read("GET conversation 200", "title")
    assert is_read("GET events/search 200", "items[].llm_message.content[].text")
    assert is_read("frame full_state", "value.execution_status")
    assert not is_read("frame full_state", "value.agent.kind")
    assert is_read("frame execution_status", "value")
    assert not is_read("POST run 200", "success")


def test_events_of_a_page_are_told_apart_by_their_kind() -> None:
    """Or a field of one kind would stand for that of another."""
    page = {"items": [{"kind": "A", "n": 1}, {"kind": "B", "n": None}]}
    assert {("items[A].n", "number"), ("items[B].n", "null")} < shape(page)
    assert is_read("GET events/search 200", "items[A].n")
    assert not is_read("GET events/search 200", "items[A].value.n")


def test_every_body_of_the_fake_is_captured() -> None:
    bodies = Bodies()

    async def trial() -> None:
        server = FakeServer("1.58.0", Schedule("shapes"), Trace(lambda: 0))
        app = Capture(server.app, bodies)
        transport = httpx.ASGITransport(app)
        sent: list[dict[str, object]] = []
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            created = await client.post("/api/conversations", json={"agent": {"kind": "Agent"}})
            base = f"/api/conversations/{created.json()['id']}"
            incoming: asyncio.Queue[dict[str, object]] = asyncio.Queue()
            incoming.put_nowait({"type": "websocket.connect"})
            scope = {
                "type": "websocket",
                "path": f"/sockets/events/{created.json()['id']}",
                "query_string": b"",
                "headers": [],
                "client": ("127.0.0.1", 50_000),
                "subprotocols": [],
            }

            async def send(message: dict[str, object]) -> None:
                sent.append(message)

            socket = asyncio.create_task(app(scope, incoming.get, send))  # type: ignore[arg-type]
            await client.post(f"{base}/events", json=HELLO)
            await client.get(f"{base}/events/search")
            await client.get(base)
            incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
            await socket
        await server.aclose()

    asyncio.run(trial())
    assert bodies.merged("GET conversation 200")["execution_status"] == {"string"}
    assert bodies.merged("GET events/search 200")["items[MessageEvent].kind"] == {"string"}
    assert bodies.merged("frame full_state")["value.execution_status"] == {"string"}
    assert "frame MessageEvent" in bodies.shapes
