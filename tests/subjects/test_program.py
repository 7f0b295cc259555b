"""The caller's side, with a client that does what a test says, alone in the simulation."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from race_harness.clients import SeenEvent
from race_harness.model.outcome import Outcome, Void
from race_harness.model.schedule import Act, Caller, Moment, Schedule, Script, ServerTiming, Turn
from race_harness.model.trace import Happening
from race_harness.network.site import UvicornSite
from race_harness.oracle.judge import judge
from race_harness.server.fake.app import create_app
from race_harness.sim.serving import Simulation
from race_harness.subjects.program import Program
from race_harness.workers.trial import run_trial

FINISH = SeenEvent("e-finish", "ObservationEvent", "finish")


class Scripted:
    """A client whose every method takes and does what a test says, and is noted."""

    def __init__(self, **does: Callable[..., object]) -> None:
        self.does = does
        self.asked: list[tuple[float, str]] = []
        """Virtual seconds since connecting, and what was asked for."""
        self.options: list[dict[str, Any]] = []
        self.events: list[str] = []
        self.on_event: Callable[[SeenEvent], None] = lambda _event: None
        self.began = 0.0

    def _do(self, name: str, *arguments: object) -> None:
        self.asked.append((round(time.monotonic() - self.began, 6), name))
        do = self.does.get(name)
        if do is not None:
            do(*arguments)

    def send_message(self, text: str) -> None:
        self._do("send_message", text)

    def run(self, *, blocking: bool = True, timeout_s: float | None = None) -> None:
        self.options.append({"blocking": blocking, "timeout_s": timeout_s})
        self._do("run")

    def pause(self) -> None:
        self._do("pause")

    def interrupt(self) -> None:
        self._do("interrupt")

    def close(self) -> None:
        self._do("close")

    def count(self) -> int:
        return len(self.events)

    def visible(self) -> list[str]:
        return list(self.events)


class ScriptedAdapter:
    version = "0"
    server_version = "1.58.0"

    def __init__(self, client: Scripted) -> None:
        self.client = client

    def connect(self, url: str, on_event: Callable[[SeenEvent], None]) -> Scripted:
        self.client.on_event = on_event
        self.client.began = time.monotonic()
        return self.client


class Played:
    """What came of a program."""

    def __init__(self, client: Scripted, happenings: tuple[Happening, ...], outcome: Outcome):
        self.client = client
        self.happenings = happenings
        self.outcome = outcome

    def times(self, what: str, **detail: object) -> list[float]:
        """Virtual milliseconds of each such happening."""
        return [
            h.at_ns / 1e6
            for h in self.happenings
            if h.what == what and detail.items() <= h.detail.items()
        ]

    def time(self, what: str, **detail: object) -> float:
        (at_ms,) = self.times(what, **detail)
        return at_ms


@pytest.fixture(scope="module")
def site() -> UvicornSite:
    return UvicornSite(create_app())


@pytest.fixture
def play(site: UvicornSite) -> Callable[..., Played]:
    def played(client: Scripted, **caller: Any) -> Played:
        schedule = Schedule("test", caller=Caller(**caller))
        simulation = Simulation(schedule)
        client.does = {
            name: (lambda *a, do=do: do(simulation.trace, *a)) for name, do in client.does.items()
        }
        program = Program(schedule, ScriptedAdapter(client), simulation.trace, simulation.gate)
        ending = simulation.run(site, program.play, program.look, nothing)
        return Played(client, ending.happenings, program.outcome(ending.stopped))

    return played


async def nothing() -> None:
    pass


Play = Callable[..., Played]


def takes(seconds: float) -> Callable[..., None]:
    return lambda _trace, *_: time.sleep(seconds)


def begins_a_run(_trace: Any, *_: object) -> None:
    """As the server would have noted it: 1 s after the call, for 2 s."""
    time.sleep(1)
    _trace.record("server", "run-started", run=1)
    time.sleep(2)


def fails(error: Exception) -> Callable[..., None]:
    def fail(_trace: Any, *_: object) -> None:
        raise error

    return fail


# -- one call


def test_a_program_connects_sends_runs_settles_and_closes(play: Play) -> None:
    found = play(Scripted(run=takes(2)))
    assert found.client.asked == [(0.1, "send_message"), (0.1, "run"), (12.1, "close")]
    assert found.client.options == [{"blocking": True, "timeout_s": None}]
    (call,) = found.outcome.calls
    assert (call.number, call.ended, call.error) == (1, "returned", None)
    assert (found.outcome.void, found.outcome.stopped) == (None, None)


def test_a_client_that_cannot_limit_the_steps_makes_a_void_trial(play: Play) -> None:
    assert play(Scripted()).outcome.void is None
    void = play(Scripted(), max_iterations=7).outcome.void
    assert void is not None
    assert void.kind == "unfit"
    assert "unexpected keyword argument 'max_iterations'" in void.reason


@pytest.mark.parametrize(
    "options",
    [{"blocking": False, "timeout_s": None}, {"blocking": True, "timeout_s": 2.5}],
    ids=["not blocking", "with a timeout"],
)
def test_how_to_run_is_passed_on(play: Play, options: dict[str, Any]) -> None:
    assert play(Scripted(), **options).client.options == [options]


def test_what_run_raises_is_kept_with_its_cause(play: Play) -> None:
    error = ValueError("no")
    error.__cause__ = KeyError("why")
    found = play(Scripted(run=fails(error)))
    (call,) = found.outcome.calls
    assert (call.ended, call.error) == ("raised", "ValueError: no <- KeyError: 'why'")
    assert found.times("run-returned") == []
    assert len(found.times("close-returned")) == 1


def test_a_close_that_fails_is_told_apart(play: Play) -> None:
    found = play(Scripted(close=fails(OSError("gone"))))
    assert len(found.times("close-raised", error="OSError: gone")) == 1
    assert found.times("close-returned") == []
    assert found.outcome.calls[0].ended == "returned"


# -- sending


def test_a_first_send_that_fails_is_judged_and_told_with_what_never_happened(play: Play) -> None:
    acts = (Act("pause", Moment("run-started")),)
    found = play(Scripted(send_message=fails(OSError("refused"))), runs=2, acts=acts)
    assert found.outcome.void is None
    assert found.outcome.calls == ()
    assert found.outcome.undone == ("run() 1 of 2", "run() 2 of 2", "pause()")
    assert found.times("run-called") == []
    judgement = judge(Schedule("test"), found.happenings, found.outcome)
    assert judgement.verdicts == ("spurious-error",)
    assert judgement.evidence[0].says == (
        "send_message() raised 'OSError: refused', which nothing explains; so run() 1 of 2, "
        "run() 2 of 2, pause() did not happen"
    )


def test_a_client_that_does_not_connect_makes_the_trial_void(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> Scripted:
        raise OSError("refused")

    monkeypatch.setattr(ScriptedAdapter, "connect", connect)
    found = play(Scripted())
    assert found.outcome.void == Void("unreached", "OSError: refused")
    assert found.times("run-called") == found.times("close-called") == []


def test_a_send_that_fails_later_is_the_end_of_the_calls_and_not_void(play: Play) -> None:
    sent = 0

    def send(_trace: Any, _text: str) -> None:
        nonlocal sent
        sent += 1
        if sent == 2:
            raise OSError("refused")

    found = play(Scripted(send_message=send), runs=3)
    assert found.outcome.void is None
    assert [call.ended for call in found.outcome.calls] == ["returned"]
    assert found.outcome.undone == ("run() 2 of 3", "run() 3 of 3")
    assert len(found.times("act-raised", act="send-message", error="OSError: refused")) == 1
    assert len(found.times("close-returned")) == 1


def test_several_calls_each_with_a_message_and_a_pause_between(play: Play) -> None:
    found = play(Scripted(run=takes(1)), runs=3, between_ms=250)
    assert [name for _, name in found.client.asked] == ["send_message", "run"] * 3 + ["close"]
    times = [at_s for at_s, name in found.client.asked if name == "run"]
    assert times == pytest.approx([0.1, 1.35, 2.6])
    assert [call.number for call in found.outcome.calls] == [1, 2, 3]
    assert [found.time("run-called", call=n) for n in (1, 2, 3)] == sorted(
        found.times("run-called")
    )


def test_after_a_call_that_raises_the_next_one_comes_all_the_same(play: Play) -> None:
    found = play(Scripted(run=fails(RuntimeError("LLM"))), runs=2)
    assert [call.ended for call in found.outcome.calls] == ["raised", "raised"]


# -- meanwhile, on other threads


@pytest.mark.parametrize("what", ["pause", "interrupt", "send-message", "close"])
def test_an_act_happens_at_its_moment_while_run_goes_on(play: Play, what: str) -> None:
    act = Act(what, Moment("run-started", after_ms=500))  # type: ignore[arg-type]
    found = play(Scripted(run=begins_a_run), acts=(act,))
    called_ms = found.time("run-called")
    assert found.time("act-called", act=what, number=2) == pytest.approx(called_ms + 1_500)
    assert found.time("act-returned", act=what, number=2) == pytest.approx(called_ms + 1_500)
    assert found.time("run-returned") == pytest.approx(called_ms + 3_000)
    assert (1.6, what.replace("-", "_")) in found.client.asked


def test_a_second_run_is_a_call_of_its_own(play: Play) -> None:
    calls = 0

    def run(trace: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            begins_a_run(trace)
        else:
            time.sleep(7)
            raise RuntimeError("the second")

    found = play(Scripted(run=run), acts=(Act("run"),))
    first, second = found.outcome.calls
    assert (first.number, first.ended) == (1, "returned")
    assert (second.number, second.ended, second.error) == (2, "raised", "RuntimeError: the second")
    assert found.time("run-called", call=2) == pytest.approx(
        found.time("run-called", call=1) + 1e3
    )
    # The end waits for it, and settles after it.
    raised_ms = found.time("run-raised", call=2)
    assert raised_ms == pytest.approx(found.time("run-called", call=2) + 7_000)
    assert found.time("close-called") == pytest.approx(raised_ms + 10_000)
    assert found.times("act-called", number=2) == []


def test_an_act_whose_moment_never_comes_does_not_hold_up_the_end(play: Play) -> None:
    acts = (Act("pause", Moment("run-cleared")), Act("run", Moment("run-started", nth=2)))
    found = play(Scripted(run=begins_a_run), acts=acts)
    plain = play(Scripted(run=begins_a_run))
    assert found.time("close-called") == plain.time("close-called")
    assert found.times("act-called", number=2) == []
    assert [call.number for call in found.outcome.calls] == [1]
    assert found.outcome.undone == ("pause()", "run()")


def test_an_act_that_fails_is_recorded_and_nothing_else_ends_by_it(play: Play) -> None:
    client = Scripted(run=begins_a_run, pause=fails(OSError("no")))
    found = play(client, acts=(Act("pause"),))
    assert len(found.times("act-raised", act="pause", error="OSError: no")) == 1
    assert found.times("act-returned", act="pause") == []
    assert found.outcome.calls[0].ended == "returned"


class Lacks:
    """A method that a client of an earlier release has not, asked for in three ways."""

    @staticmethod
    def not_implemented(_trace: Any, *_: object) -> None:
        raise NotImplementedError("no such thing")

    @staticmethod
    def attribute(_trace: Any, *_: object) -> None:
        object().pause()  # type: ignore[attr-defined]

    @staticmethod
    def keyword(_trace: Any, *_: object) -> None:
        def pause() -> None:
            pass

        pause(now=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("lacks", [Lacks.not_implemented, Lacks.attribute, Lacks.keyword])
def test_an_act_that_the_client_does_not_have_makes_the_trial_void(
    play: Play, lacks: Callable[..., None]
) -> None:
    found = play(Scripted(run=begins_a_run, pause=lacks), acts=(Act("pause"),))
    assert found.outcome.void is not None
    assert found.outcome.void.kind == "unfit"
    assert found.outcome.void.reason.startswith("pause() of 0: ")


@pytest.mark.parametrize("name", ["post", "pause"])
def test_an_attribute_missing_elsewhere_is_the_clients_own_mistake(play: Play, name: str) -> None:
    def breaks(_trace: Any) -> None:
        getattr(None, name)()

    found = play(Scripted(run=begins_a_run, pause=breaks), acts=(Act("pause"),))
    assert found.outcome.void is None
    assert len(found.times("act-raised", act="pause")) == 1


def test_an_act_that_is_cancelled_has_raised(play: Play) -> None:
    client = Scripted(run=begins_a_run, pause=fails(asyncio.CancelledError()))
    found = play(client, acts=(Act("pause"),))
    assert len(found.times("act-raised", act="pause")) == 1
    assert len(found.times("close-returned")) == 1


class Showing(Scripted):
    """A client with a state."""

    def __init__(self, **fields: Callable[[], object]) -> None:
        super().__init__()
        self.fields = fields

    def state(self) -> dict[str, Callable[[], object]]:
        return self.fields


def no_such_field() -> object:
    raise KeyError("cost")


def test_each_field_of_the_state_is_read_as_json(play: Play) -> None:
    fields = {"skills": lambda: ("a",), "set": lambda: {1}, "cost": no_such_field}
    found = play(Showing(**fields))
    (read,) = [h.detail for h in found.happenings if h.what == "state-read"]
    assert read["values"] == {"skills": ["a"]}
    assert set(read["errors"]) == {"set", "cost"}


def test_who_has_no_state_after_all_is_judged_as_ever(play: Play) -> None:
    def no_state() -> dict[str, Callable[[], object]]:
        raise NotImplementedError

    client = Showing()
    client.state = no_state  # type: ignore[method-assign]
    found = play(client)
    assert found.outcome.void is None
    assert found.times("act-raised") == found.times("state-read") == []


@pytest.mark.parametrize("what", ["run", "pause"])
@pytest.mark.parametrize("after_ms", [1.0, 9_000.0, 10_500.0])
def test_an_act_whose_moment_comes_while_settling_or_closing_is_not_begun(
    play: Play, what: str, after_ms: float
) -> None:
    act = Act(what, Moment("run-returned", after_ms=after_ms))  # type: ignore[arg-type]
    found = play(Scripted(run=takes(1), close=takes(5)), acts=(act,))
    assert [call.number for call in found.outcome.calls] == [1]
    assert found.times("act-called", number=2) == []
    assert found.time("close-called") == found.time("run-returned") + 10_000


def test_an_act_between_two_calls_is_waited_for(play: Play) -> None:
    act = Act("pause", Moment("run-returned", after_ms=100))
    found = play(Scripted(run=takes(1), pause=takes(30)), runs=2, between_ms=500, acts=(act,))
    assert found.time("act-returned", act="pause") == found.time("act-called", act="pause") + 3e4
    assert found.time("close-called") == found.time("act-returned", act="pause") + 10_000


@pytest.mark.parametrize("after_ms", [9_900.0, 10_000.1])
def test_a_run_that_is_asked_for_at_the_last_moment_can_be_judged(
    site: UvicornSite, after_ms: float
) -> None:
    """Its agent works longer than the caller settles."""
    from race_harness.clients.reference import ReferenceAdapter

    schedule = Schedule(
        "test",
        script=Script(outcome="paused", later=(Turn(tool_calls=20),)),
        server=ServerTiming(think_ms=1_000.0),
        caller=Caller(acts=(Act("run", Moment("run-returned", after_ms=after_ms)),)),
    )
    trial = run_trial(schedule, ReferenceAdapter(), site)
    assert trial.judgement is not None
    assert trial.judgement.verdicts == ("ok",)


# -- the callback


def tells(*events: SeenEvent) -> Callable[..., None]:
    """A run in which the client gives events to the callback, and shows those it took."""

    def run(client: Scripted) -> None:
        for event in events:
            client.events.append(event.id)
            client.on_event(event)

    return lambda _trace: run(CLIENT[0])


CLIENT: list[Scripted] = []


def telling(*events: SeenEvent) -> Scripted:
    client = Scripted(run=tells(*events))
    CLIENT[:] = [client]
    return client


OTHER = SeenEvent("e-other", "MessageEvent")
THOUGHT = SeenEvent("e-thought", "ObservationEvent", "think")


def test_a_callback_takes_its_time_on_the_finish_events_only(play: Play) -> None:
    found = play(telling(OTHER, THOUGHT, FINISH), callback_ms=300)
    assert found.times("callback-done", event="e-finish") == [
        found.time("callback", event="e-finish") + 300
    ]
    assert len(found.times("callback-done")) == 1
    found = play(telling(OTHER, THOUGHT, FINISH), callback_ms=300, callback_on="all")
    assert len(found.times("callback-done")) == 3


def test_a_raising_callback_raises_into_the_client_after_its_time(play: Play) -> None:
    found = play(telling(FINISH), callback_ms=300, callback_raises=True)
    (call,) = found.outcome.calls
    assert (call.ended, call.error) == ("raised", "RuntimeError: the user's callback fails")
    raised_ms = found.time("callback-raised", event="e-finish")
    assert raised_ms == found.time("callback", event="e-finish") + 300
    assert play(telling(OTHER), callback_raises=True).outcome.calls[0].ended == "returned"
    on_all = play(telling(OTHER), callback_raises=True, callback_on="all")
    assert on_all.outcome.calls[0].ended == "raised"


def test_settling_lasts_as_much_longer_as_the_callbacks_take(play: Play) -> None:
    def run(trace: Any) -> None:
        for number in range(4):
            trace.record("server", "persisted", event=f"e-{number}", kind="MessageEvent")

    for callback_ms, seconds in ((0.0, 10), (500.0, 12)):
        found = play(Scripted(run=run), callback_ms=callback_ms, callback_on="all")
        settled_ms = found.time("close-called") - found.time("run-returned")
        assert settled_ms == pytest.approx(seconds * 1_000)


def test_settling_waits_for_the_events_that_the_callback_is_slow_on(play: Play) -> None:
    def run(trace: Any) -> None:
        def persist(kind: str, **detail: str) -> None:
            trace.record("server", "persisted", event=kind, kind=kind, **detail)

        persist("MessageEvent")
        persist("ActionEvent", tool_name="think")
        persist("ActionEvent", tool_name="finish")
        persist("AgentErrorEvent", tool_name="finish")
        # Of a server that does not say of which tool.
        persist("ObservationEvent")

    for on, seconds in (("finish", 11), ("all", 12.5)):
        found = play(Scripted(run=run), callback_ms=500.0, callback_on=on)
        settled_ms = found.time("close-called") - found.time("run-returned")
        assert settled_ms == pytest.approx(seconds * 1_000)


# -- a test that looks again


def showing(after_s: float) -> Scripted:
    """A client that shows the finish so long after `run()` was called, which takes 1 s."""
    client = Scripted()

    def run(_trace: Any) -> None:
        import threading

        def show() -> None:
            time.sleep(after_s)
            client.events.append(FINISH.id)
            client.on_event(FINISH)

        threading.Thread(target=show, daemon=True).start()
        time.sleep(1)

    client.does["run"] = run
    return client


@pytest.mark.parametrize(
    ("after_s", "waits_s"),
    [
        (0.5, 0),  # It is there already.
        (1.95, 1),  # Looked for every tenth of a second.
        (3.05, 2),  # No longer than it says.
    ],
)
def test_looking_again_waits_no_longer_than_needed(
    play: Play, after_s: float, waits_s: float
) -> None:
    found = play(showing(after_s), looks_again_s=2.0, runs=2)
    returned_ms = found.time("run-returned", call=1)
    assert found.time("act-called", act="send-message", number=2) == pytest.approx(
        returned_ms + waits_s * 1_000
    )


def test_looking_again_changes_no_verdict(play: Play) -> None:
    """What the caller saw is what was visible when `run()` returned."""
    plain, patient = play(showing(1.5)), play(showing(1.5), looks_again_s=2.0)
    for found in (plain, patient):
        assert found.outcome.calls[0].visible == ()
        assert found.outcome.visible_settled == (FINISH.id,)
    told = [
        judge(Schedule("test", caller=Caller(looks_again_s=s)), found.happenings, found.outcome)
        for s, found in ((0.0, plain), (2.0, patient))
    ]
    assert told[0] == told[1]
    assert told[0].verdicts == ("unrun",)


def test_what_is_visible_is_noted_at_the_end_of_run_and_not_later(play: Play) -> None:
    found = play(showing(1.0))  # In the very instant in which run() returns, in some order.
    (call,) = found.outcome.calls
    returned = next(n for n, h in enumerate(found.happenings) if h.what == "run-returned")
    seen = [h.detail["event"] for h in found.happenings[:returned] if h.what == "visible"]
    assert list(call.visible) == seen
