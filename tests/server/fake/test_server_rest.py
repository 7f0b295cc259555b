"""The REST side: paging, filters, unknown things, keys, and what the trace tells of requests."""

import asyncio

import httpx
import pytest
from server_rig import (
    APP,
    BASE,
    CONVERSATION,
    HELLO,
    MAX_ITERATIONS,
    NEW,
    conversation,
    instant,
    plain_run,
    rig,
    run,
)

from race_harness.model.schedule import Script
from race_harness.server.wire import route_name


@instant
async def test_pages_begin_with_the_id_they_are_asked_for() -> None:
    async with conversation(script=Script(tool_calls=3)) as subject:
        await plain_run(subject)
        everything = (await subject.events())["items"]
        ids = [item["id"] for item in everything]
        assert (await subject.events(limit=len(ids)))["next_page_id"] is None
        page = await subject.events(limit=4)
        assert [item["id"] for item in page["items"]] == ids[:4]
        assert page["next_page_id"] == ids[4]
        page = await subject.events(limit=4, page_id=ids[4])
        assert [item["id"] for item in page["items"]] == ids[4:8]
        page = await subject.events(limit=2, page_id="unknown")
        assert [item["id"] for item in page["items"]] == ids[:2]
        page = await subject.events(limit=3, sort_order="TIMESTAMP_DESC")
        assert [item["id"] for item in page["items"]] == ids[:-4:-1]
        assert page["next_page_id"] == ids[-4]
        page = await subject.events(page_id=ids[1], sort_order="TIMESTAMP_DESC")
        assert [item["id"] for item in page["items"]] == [ids[1], ids[0]]


@instant
async def test_the_hundred_and_first_event_is_on_the_second_page() -> None:
    async with conversation(script=Script(tool_calls=60, calls_each=20)) as subject:
        await plain_run(subject)
        first = await subject.events()
        assert len(first["items"]) == 100
        second = await subject.events(page_id=first["next_page_id"])
        count = (await subject.rest.get(f"{BASE}/events/count")).json()
        assert 100 + len(second["items"]) == count == 3 + 1 + 120 + 2 + 1


@instant
async def test_filters() -> None:
    async with conversation(think_ms=1) as subject:
        await plain_run(subject)
        everything = (await subject.events())["items"]
        at = everything[4]["timestamp"]
        assert (await subject.events(timestamp__gte=at))["items"] == everything[4:]
        assert (await subject.events(timestamp__lt=at))["items"] == everything[:4]
        assert (await subject.events(timestamp__gte=at + "Z"))["items"] == everything[4:]
        actions = [item for item in everything if item["kind"] == "ActionEvent"]
        for kind in ("ActionEvent", "openhands.sdk.event.ActionEvent"):
            assert (await subject.events(kind=kind))["items"] == actions
        users = (await subject.events(source="user"))["items"]
        assert [item["kind"] for item in users] == ["MessageEvent"]
        count = f"{BASE}/events/count?kind=ActionEvent"
        assert (await subject.rest.get(count)).json() == 1
        one = await subject.rest.get(f"{BASE}/events/{everything[2]['id']}")
        assert one.json() == everything[2]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=many", "timestamp__gte=today", "timestamp__lt=x"]
)
def test_impossible_queries(query: str) -> None:
    async def trial() -> int:
        async with conversation() as subject:
            return (await subject.rest.get(f"{BASE}/events/search?{query}")).status_code

    assert run(trial()) == 422


@instant
async def test_what_is_unknown_is_not_found() -> None:
    async with rig() as subject:
        for method, name in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/run"),
            ("POST", "/events"),
            ("POST", "/pause"),
            ("GET", "/events/search"),
        ]:
            answer = await subject.rest.request(method, BASE + name, json=HELLO)
            assert answer.status_code == 404, name
        assert subject.all("run-refused", status=404)
        assert (await subject.rest.get("/api/conversations/no-uuid")).status_code == 422
        await subject.create()
        assert (await subject.rest.get(f"{BASE}/events/unknown")).status_code == 404
        assert (await subject.rest.get("/api/unknown")).status_code == 404
        assert (await subject.post("events", {"role": "user"})).status_code == 422
        raw = await subject.rest.post(f"{BASE}/events", content=b"{")
        assert raw.status_code == 422


@instant
async def test_creating() -> None:
    async with conversation() as subject:
        info = (await subject.rest.get(BASE)).json()
        assert info["id"] == CONVERSATION
        assert info["agent"] == {"kind": "Agent"}
        assert info["max_iterations"] == MAX_ITERATIONS
        assert info["execution_status"] == "idle"
        again = await subject.rest.post(
            "/api/conversations", json={"conversation_id": CONVERSATION.replace("-", "")}
        )
        assert (again.status_code, again.json()) == (200, info)
        made_up = (await subject.rest.post("/api/conversations", json={})).json()["id"]
        assert set(subject.server.conversations) == {CONVERSATION, made_up}
        acp = await subject.rest.get(f"/api/acp/conversations/{made_up}")
        assert acp.json()["id"] == made_up


@instant
async def test_deleting_stops_the_run_and_the_frames() -> None:
    async with conversation(think_ms=60_000) as subject:
        socket = await subject.connect()
        await subject.begin()
        assert (await subject.rest.delete(BASE)).json() == {"success": True}
        assert (await subject.rest.get(BASE)).status_code == 404
        assert socket.close_code is None
        assert not subject.all("run-cleared")


@instant
async def test_settings_are_accepted() -> None:
    async with conversation() as subject:
        for name in ("secrets", "confirmation_policy", "security_analyzer"):
            assert (await subject.post(name, {})).json() == {"success": True}
        assert (await subject.rest.get("/health")).status_code == 200
        assert (await subject.rest.get("/ready")).status_code == 200
        info = (await subject.rest.get("/server_info")).json()
        assert info["version"] == NEW


def test_the_key_of_rest() -> None:
    async def trial(headers: dict[str, str]) -> tuple[int, int]:
        async with rig(keys=frozenset({"secret"}), headers=headers) as subject:
            api = await subject.rest.get(BASE)
            return api.status_code, (await subject.rest.get("/health")).status_code

    assert run(trial({})) == (401, 200)
    assert run(trial({"X-Session-API-Key": "wrong"})) == (401, 200)
    assert run(trial({"X-Session-API-Key": "secret"})) == (404, 200)


@instant
async def test_requests_and_answers_are_recorded() -> None:
    async with conversation() as subject:
        await subject.post("run")
        await subject.happened("snapshot")
        await subject.status()
        await subject.rest.get(f"{BASE}/unheard-of")
        requests = [h.detail for h in subject.all("request")]
        assert requests == [
            {"method": "POST", "route": "POST conversations", "number": 1, "peer": 123},
            {"method": "POST", "route": "POST run", "number": 2, "peer": 123},
            {"method": "GET", "route": "GET conversation", "number": 3, "peer": 123},
            {"method": "GET", "route": "GET unheard-of", "number": 4, "peer": 123},
        ]
        assert [h.detail for h in subject.all("answer")] == [
            {"number": 1, "status": 201, "execution_status": "idle"},
            {"number": 2, "status": 200},
            {"number": 3, "status": 200, "execution_status": "finished"},
            {"number": 4, "status": 404},
        ]


@instant
async def test_a_request_that_is_cut_off_is_unanswered() -> None:
    async with conversation(answer_run_ms=60_000) as subject:
        asking = asyncio.create_task(subject.post("run"))
        await subject.happened("run-accepted")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        number = subject.all("request", route="POST run")[0].detail["number"]
        assert [h.detail for h in subject.all("unanswered")] == [{"number": number}]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/api/conversations", "POST conversations"),
        ("GET", BASE, "GET conversation"),
        ("GET", f"{BASE}/events/search", "GET events/search"),
        ("GET", f"{BASE}/events/count", "GET events/count"),
        ("GET", f"{BASE}/events/{CONVERSATION}", "GET event"),
        ("POST", f"{BASE}/events/respond_to_confirmation", "POST events/respond_to_confirmation"),
        ("POST", f"/api/acp/conversations/{CONVERSATION}/run", "POST run"),
        ("GET", "/health", "GET health"),
    ],
)
def test_route_names(method: str, path: str, name: str) -> None:
    assert route_name(method, path) == name


def test_without_a_trial_everything_is_unavailable() -> None:
    async def trial() -> int:
        transport = httpx.ASGITransport(APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as rest:
            return (await rest.get("/health")).status_code

    assert APP.state.server is None
    assert run(trial()) == 503


def test_two_servers_with_one_schedule_make_the_same_ids() -> None:
    async def trial() -> list[str]:
        async with conversation() as subject:
            await plain_run(subject)
            return [item["id"] for item in (await subject.events())["items"]]

    assert run(trial()) == run(trial())


@instant
async def test_a_mistake_of_the_fake_is_not_lost() -> None:
    async with conversation() as subject:
        subject.server.conversations[CONVERSATION].log = None  # type: ignore[assignment]
        with pytest.raises(AttributeError):
            await subject.events()
        with pytest.raises(AttributeError):
            await subject.server.aclose()
        subject.server.context._failures.clear()
