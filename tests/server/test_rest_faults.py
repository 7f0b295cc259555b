"""What becomes of single requests: which, in what way, and what both sides know of it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from server_rig import BASE, CONVERSATION, HELLO, NEW, plain_run, rig, run

from race_harness.model.errors import WorldBroken
from race_harness.model.requests import with_numbers
from race_harness.model.schedule import Caller, RestFault, Schedule
from race_harness.model.trace import Happening, Trace
from race_harness.network.dialect import ROUTES
from race_harness.network.site import UvicornSite
from race_harness.server.fake.app import create_app
from race_harness.server.fake.event_service import AgentServer
from race_harness.server.profile import Profile
from race_harness.server.rest_faults import RestFaults
from race_harness.server.wire import AgentServerDialect
from race_harness.sim.serving import Simulation

# -- which request


class Counting:
    """Asks, request by request, which fault would strike; `None` calls `run()`."""

    def __init__(self, *faults: RestFault) -> None:
        self.trace = Trace(lambda: 0)
        self.faults = RestFaults(faults, self.trace)

    def of(self, *requests: str | None) -> list[RestFault | None]:
        found = []
        for name in requests:
            if name is None:
                self.trace.record("client", "run-called", call=1)
            else:
                found.append(self.faults.of_request(name))
        return found


POLL, PAGE, RUN = "GET conversation", "GET events/search", "POST run"


@pytest.mark.parametrize(("name", "route"), ROUTES.items())
def test_every_route_is_counted_by_itself(name: str, route: Any) -> None:
    fault = RestFault("status", route, nth=2)
    others = [other for other in ROUTES if other != name]
    assert Counting(fault).of(None, *others, *others, *others) == [None] * (3 * len(others))
    found = Counting(fault).of(None, *others, name, *others, name, *others, name)
    assert [n for n, each in enumerate(found) if each] == [2 * len(others) + 1]


@pytest.mark.parametrize(
    ("nth", "times", "struck"),
    [(1, 1, [1]), (3, 1, [3]), (1, 3, [1, 2, 3]), (2, 2, [2, 3]), (4, 9, [4, 5]), (6, 1, [])],
)
def test_the_nth_and_so_many_after_it(nth: int, times: int, struck: list[int]) -> None:
    fault = RestFault("status", nth=nth, times=times)
    found = Counting(fault).of(None, *[POLL] * 5)
    assert [n for n, each in enumerate(found, 1) if each is fault] == struck


def test_since_run_counts_from_the_first_call_of_run() -> None:
    late = RestFault("status", nth=2, since="run-called")
    assert Counting(late).of(POLL, POLL, None, POLL, POLL, POLL) == [
        None, None, None, late, None,
    ]  # fmt: skip
    # A second call of run() begins nothing anew.
    assert Counting(late).of(None, POLL, None, POLL, POLL) == [None, late, None]
    first = RestFault("status", nth=2, since="start")
    assert Counting(first).of(POLL, POLL, None, POLL, POLL) == [None, first, None, None]
    assert Counting(late).of(*[POLL] * 5) == [None] * 5


def test_any_counts_all_requests_also_of_routes_without_a_name() -> None:
    fault = RestFault("status", "any", nth=3)
    assert Counting(fault).of(None, POLL, "GET server_info", PAGE, POLL) == [
        None, None, fault, None,
    ]  # fmt: skip
    assert Counting(RestFault("status", "any")).of(None, "DELETE conversation") != [None]


def test_the_first_of_two_faults_of_one_request_wins_and_both_count_on() -> None:
    one, other = RestFault("status", "any", nth=2), RestFault("timeout", nth=2, times=2)
    assert Counting(one, other).of(None, POLL, POLL, POLL, POLL) == [None, one, other, None]


def test_without_faults_nothing_listens_and_nothing_strikes() -> None:
    counting = Counting()
    assert counting.trace.listeners == []
    assert counting.of(POLL, RUN) == [None, None]


# -- what becomes of it, with a client in the same loop


def strikes(route: Any, action: Any, **options: Any) -> RestFault:
    return RestFault(action, route, since="start", **options)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("acted", [True, False])
def test_a_status_takes_the_place_of_the_answer(status: int, acted: bool) -> None:
    async def trial() -> None:
        fault = strikes("send-message", "status", status=status, acted=acted)
        async with rig(rest_faults=(fault,)) as subject:
            await subject.create()
            answer = await subject.post("events", HELLO)
            assert answer.status_code == status
            assert answer.json() == {"detail": "The proxy says no."}
            # Whether the server had acted is the schedule's to say.
            assert bool(subject.all("persisted", kind="MessageEvent")) is acted
            assert (await subject.post("events", HELLO)).json() == {"success": True}
            assert len(subject.all("persisted", kind="MessageEvent")) == 1 + acted
            (struck,) = subject.all("fault")
            assert (struck.lane, struck.detail) == (
                "rest",
                {"action": "status", "peer": 123, "status": status},
            )
            (told,) = subject.all("answer", number=2)
            assert told.detail == {"number": 2, "status": status}

    run(trial())


@pytest.mark.parametrize("acted", [True, False])
def test_a_run_that_is_refused_by_the_proxy_may_have_begun(acted: bool) -> None:
    async def trial() -> None:
        async with rig(rest_faults=(strikes("run", "status", acted=acted),)) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            assert (await subject.post("run")).status_code == 503
            assert len(subject.all("run-requested")) == acted
            assert len(subject.all("run-accepted")) == acted
            if acted:
                await subject.happened("run-cleared")
            assert (await subject.post("run")).status_code == 200

    run(trial())


@pytest.mark.parametrize("acted", [True, False])
def test_a_delay_comes_after_the_act_or_before_it(acted: bool) -> None:
    async def trial() -> None:
        fault = strikes("send-message", "delay", delay_ms=30, acted=acted)
        async with rig(rest_faults=(fault,)) as subject:
            await subject.create()
            answer = await subject.post("events", HELLO)
            # Late, and else as it was.
            assert (answer.status_code, answer.json()) == (200, {"success": True})
            (struck,) = subject.all("fault")
            assert struck.detail == {"action": "delay", "peer": 123, "delay_ms": 30}
            (done,) = subject.all("persisted", kind="MessageEvent")
            (told,) = subject.all("answer", number=2)
            wait_ms = 30 - 1  # A loop's clock may be short by its resolution.
            before, after = done.at_ns - struck.at_ns, told.at_ns - done.at_ns
            waited, other = (after, before) if acted else (before, after)
            assert waited >= wait_ms * 1e6
            assert told.at_ns - struck.at_ns >= wait_ms * 1e6
            assert other < waited

    run(trial())


def test_a_delayed_poll_tells_the_status_of_when_the_server_acted() -> None:
    async def told(acted: bool) -> str:
        fault = RestFault("delay", delay_ms=60, acted=acted)
        async with rig(rest_faults=(fault,), think_ms=20) as subject:
            await subject.create()
            await subject.post("events", HELLO)
            subject.trace.record("client", "run-called", call=1)
            await subject.post("run")
            await subject.happened("status-readable", status="running")
            return await subject.status()

    assert asyncio.run(told(acted=True)) == "running"
    assert asyncio.run(told(acted=False)) == "finished"


@pytest.mark.parametrize("acted", [True, False])
def test_an_empty_page_holds_nothing_and_says_it_is_the_last(acted: bool) -> None:
    async def trial() -> None:
        async with rig(rest_faults=(strikes("events", "empty", acted=acted),)) as subject:
            await subject.create()
            await plain_run(subject)
            assert await subject.events() == {"items": [], "next_page_id": None}
            assert len((await subject.events())["items"]) > 5

    run(trial())


def test_the_status_is_not_told_for_an_answer_that_the_client_did_not_get() -> None:
    async def trial() -> None:
        faults = (strikes("conversation", "status"), strikes("conversation", "delay", nth=3))
        async with rig(rest_faults=faults) as subject:
            await subject.create()
            for _ in range(3):
                await subject.rest.get(BASE)
            told = [h.detail.get("execution_status") for h in subject.all("answer")]
            # The creation, the refused poll, a plain one, one that was held up.
            assert told == ["idle", None, "idle", "idle"]

    run(trial())


def test_a_wrong_key_is_still_a_wrong_key() -> None:
    """The proxy stands before the check of it."""

    async def trial() -> None:
        keys = frozenset({"secret"})
        faults = (strikes("conversation", "delay", delay_ms=1),)
        async with rig(keys=keys, rest_faults=faults) as subject:
            assert (await subject.rest.get(BASE)).status_code == 401
            assert subject.all("fault")

    run(trial())


# -- over the simulated network, with httpx


@pytest.fixture(scope="module")
def site() -> UvicornSite:
    return UvicornSite(create_app())


Program = Callable[[httpx.Client], Any]
Visit = Callable[..., tuple[Any, list[Happening], AgentServer]]


@pytest.fixture
def visit(site: UvicornSite) -> Visit:
    """Runs a program with a client whose requests may take 30 s."""

    def run(
        program: Program, *faults: RestFault, broken: str = ""
    ) -> tuple[Any, list[Happening], AgentServer]:
        schedule = Schedule("test", rest=faults, caller=Caller(settle_s=0))
        simulation = Simulation(schedule, dialect=AgentServerDialect())
        trace = simulation.trace
        if broken:
            trace.listeners.append(lambda h: 1 / 0 if h.what == broken else None)
        site.app.state.server = server = AgentServer(
            Schedule("test", rest=faults), trace, Profile.of(NEW)
        )
        values = []

        def body(url: str) -> None:
            with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
                client.post("/api/conversations", json={"conversation_id": CONVERSATION})
                values.append(program(client))

        ending = simulation.run(site, body, lambda: None, server.aclose)
        assert ending.stopped is None
        return values[0], list(with_numbers(ending.happenings)), server

    return run


def error_of(client: httpx.Client, path: str = BASE) -> tuple[str, float]:
    """The name of what a request raises, and the virtual seconds it took."""
    began = time.monotonic()
    with pytest.raises(httpx.HTTPError) as raised:
        client.get(path)
    return type(raised.value).__name__, time.monotonic() - began


def what(happenings: list[Happening], *names: str) -> list[tuple[str, dict[str, Any]]]:
    return [(h.what, h.detail) for h in happenings if h.what in names and h.lane == "rest"]


@pytest.mark.parametrize("acted", [True, False])
def test_a_truncated_answer_breaks_off_in_its_body(visit: Visit, acted: bool) -> None:
    fault = strikes("conversation", "truncate", acted=acted)
    (error, _), happenings, server = visit(error_of, fault)
    assert error == "RemoteProtocolError"
    assert what(happenings, "fault", "answer", "unanswered")[1:] == [
        ("fault", {"action": "truncate", "number": 2, "peer": 50_001}),
        # Its head came, and with it the HTTP status, but no status of the conversation.
        ("answer", {"number": 2, "status": 200, "cut": True}),
    ]
    # It is the proxy's, and no failure of the fake.
    assert server.context._failures == []


def test_what_the_fake_itself_fails_with_is_noted(visit: Visit) -> None:
    """The control: such a request breaks the trial, which a truncated one does not."""
    with pytest.raises(WorldBroken, match="ZeroDivisionError"):
        visit(lambda client: client.post(f"{BASE}/run"), broken="run-requested")


def test_after_a_truncated_answer_the_next_request_is_served(visit: Visit) -> None:
    def program(client: httpx.Client) -> str:
        error_of(client)
        return str(client.get(BASE).json()["execution_status"])

    status, happenings, _ = visit(program, strikes("conversation", "truncate"))
    assert status == "idle"
    assert len(what(happenings, "fault")) == 1


def test_a_truncated_message_was_taken_in(visit: Visit) -> None:
    def program(client: httpx.Client) -> int:
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(f"{BASE}/events", json=HELLO)
        return int(client.get(f"{BASE}/events/count", params={"kind": "MessageEvent"}).json())

    assert visit(program, strikes("send-message", "truncate"))[0] == 1


@pytest.mark.parametrize("acted", [True, False])
def test_a_timeout_lasts_until_the_client_gives_up(visit: Visit, acted: bool) -> None:
    def program(client: httpx.Client) -> tuple[Any, Any]:
        began = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            client.post(f"{BASE}/events", json=HELLO)
        took = time.monotonic() - began
        sent = client.get(f"{BASE}/events/count", params={"kind": "MessageEvent"}).json()
        return took, sent

    fault = strikes("send-message", "timeout", acted=acted)
    (took, sent), happenings, server = visit(program, fault)
    assert took == pytest.approx(30, abs=0.1)
    assert sent == acted
    told = what(happenings, "fault", "answer", "unanswered")
    assert ("fault", {"action": "timeout", "number": 2, "peer": 50_001}) in told
    assert ("unanswered", {"number": 2}) in told
    assert ("answer", {"number": 2}) not in [(w, {"number": d["number"]}) for w, d in told]
    # Nothing waits any more: the server's end awaits every task, and notes failures.
    assert server.context._failures == []
    assert server.context._tasks == {}


def test_a_client_that_hangs_up_ends_the_timeout_at_once(visit: Visit) -> None:
    def program(client: httpx.Client) -> float:
        with pytest.raises(httpx.ReadTimeout):
            client.get(BASE, timeout=1.5)
        time.sleep(1)
        return time.monotonic()

    _, happenings, _ = visit(program, strikes("conversation", "timeout"))
    asked, gone = (
        next(h.at_ns for h in happenings if h.what == name and h.detail["number"] == 2)
        for name in ("request", "unanswered")
    )
    assert gone - asked == pytest.approx(1.5e9, abs=5e6)


def test_a_delay_past_the_clients_patience_is_an_answer_nobody_gets(visit: Visit) -> None:
    def program(client: httpx.Client) -> tuple[str, float]:
        found = error_of(client)
        time.sleep(20)
        return found

    fault = strikes("conversation", "delay", delay_ms=40_000)
    (error, took), happenings, server = visit(program, fault)
    assert (error, took) == ("ReadTimeout", pytest.approx(30, abs=0.1))
    # The proxy has nobody to send it to by then: nothing of it is on the wire.
    assert not [h for h in happenings if h.what == "answer" and h.detail["number"] == 2]
    (unanswered,) = [h for h in happenings if h.what == "unanswered"]
    assert unanswered.detail == {"number": 2}
    assert unanswered.at_ns == pytest.approx(30e9, abs=1e8)
    assert server.context._failures == []
