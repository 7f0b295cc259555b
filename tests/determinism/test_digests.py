"""A schedule decides a trial: every byte, every switch and every instant of it.

The digest of a trial covers all three, so equal digests are equal trials.
"""

import importlib.util
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import strategies as st

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import (
    Act,
    Caller,
    ConnectionLink,
    Fault,
    Gateway,
    Interleaving,
    LineStall,
    Link,
    Moment,
    Network,
    OtherAct,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
    Turn,
    Watcher,
)
from race_harness.model.trace import LOG_VARIABLE, Trace
from race_harness.network.site import UvicornSite
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.search.fault_strategies import FAMILIES
from race_harness.search.swarm import add_faults
from race_harness.sim import source
from race_harness.workers.pool import Workers
from race_harness.workers.trial import run_trial


def drawn(seed, count, scenario="final-events"):
    return list(draw_schedules(library.load(scenario), seed, count))


def digests(workers, schedules):
    results = workers.run(schedules, lambda result: None)
    assert [result.void for result in results] == [None] * len(schedules)
    return [result.digest for result in results]


def workers_of_each_kind(adapter, monkeypatch, stack):
    """Two sets of workers with other hash seeds, other numbers of jobs, other environments."""
    made = []
    for jobs, hash_seed, zone in ((1, "0", "UTC"), (2, "4321", "Asia/Tokyo")):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("BALLAST", "x" * 1_000 * jobs)
        # Both start at once: importing the client is slow.
        made.append(stack.enter_context(Workers(sys.executable, adapter, jobs)))
    for workers in made:
        workers.wait_ready()
    return made


# -- the reference client


@pytest.fixture(scope="module")
def reference_workers():
    with pytest.MonkeyPatch.context() as monkeypatch, ExitStack() as stack:
        yield workers_of_each_kind("reference", monkeypatch, stack)


@pytest.mark.slow
def test_two_processes_run_the_same_trials(reference_workers):
    """Whatever ran before in them, and in whatever order: each digest belongs to its schedule."""
    one, other = reference_workers
    schedules = drawn(seed=1, count=40)
    first = digests(one, schedules)
    digests(other, drawn(seed=9, count=7, scenario="cut-at-run"))
    assert digests(other, schedules) == first
    assert digests(other, schedules[::-1]) == first[::-1]
    assert digests(one, schedules[20:]) == first[20:]


def test_another_seed_gives_other_trials(reference_workers):
    one, _ = reference_workers
    found = [digests(one, drawn(seed=seed, count=20)) for seed in (1, 2)]
    assert len({digest for several in found for digest in several}) == 40


def interleaved(schedules, lines):
    """Each strategy, with and without switches at lines, and with stalls at some lines."""
    changed = []
    for number, schedule in enumerate(schedules):
        stalls = tuple(
            LineStall(*lines[(37 * number + 11 * nth) % len(lines)], nth, 700.5 * nth)
            for nth in range(1, number % 4)
        )
        strategy = ("random-walk", "pct", "pos")[number % 3]
        interleaving = Interleaving(number, strategy, 3, number % 2 == 0, stalls)
        changed.append(replace(schedule, interleaving=interleaving))
    return changed


def test_interleavings_are_decided_as_well(reference_workers):
    one, other = reference_workers
    lines = one.source_lines()
    assert lines == other.source_lines()
    schedules = interleaved(drawn(seed=4, count=24), lines)
    first = digests(one, schedules)
    assert digests(other, schedules[::-1]) == first[::-1]
    assert len(set(first)) == 24


@pytest.mark.parametrize("scenario", ["cut-at-run", "clean", "delayed-callback"])
def test_the_other_scenarios_are_decided_as_well(reference_workers, scenario):
    one, other = reference_workers
    schedules = drawn(seed=3, count=8, scenario=scenario)
    assert digests(one, schedules) == digests(other, schedules)


def test_acts_spoiled_answers_and_whole_scripts_are_decided_as_well(reference_workers):
    one, other = reference_workers
    schedules = [replace(BUSY, entropy=entropy) for entropy in range(3)]
    schedules += [
        replace(BUSY, interleaving=Interleaving(seed, strategy, at_lines=at_lines))
        for seed, strategy, at_lines in (
            (5, "random-walk", False),
            (6, "random-walk", True),
            (7, "pct", False),
            (8, "pct", True),
            (9, "pos", False),
            (10, "pos", True),
        )
    ]
    first = digests(one, schedules)
    assert digests(other, schedules[::-1]) == first[::-1]
    assert len(set(first)) == len(schedules)


@pytest.mark.slow
def test_drawn_families_are_decided_as_well(reference_workers):
    """Some of them break the client or the trial: they do so everywhere."""
    one, other = reference_workers
    plain = Scenario("x", "x", lambda: st.just(Schedule("x")))
    (scenario,) = add_faults([plain], list(FAMILIES))
    schedules = [quick(schedule) for schedule in draw_schedules(scenario, 4, 25)]
    first, second = (
        [(result.digest, result.void, result.verdicts) for result in workers.run(schedules, id)]
        for workers in (one, other)
    )
    assert first == second
    assert len({digest for digest, *_ in first}) == 25


def quick(schedule):
    """Without the long scripts, which only take long."""
    turns = [replace(turn, tool_calls=min(turn.tool_calls, 3)) for turn in schedule.script.later]
    script = replace(
        schedule.script, tool_calls=min(schedule.script.tool_calls, 3), later=tuple(turns)
    )
    return replace(schedule, script=script)


BUSY = Schedule(
    "busy",
    script=Script(
        tool_calls=4,
        calls_each=2,
        failing_calls=1,
        stop_hook_denials=1,
        later=(Turn(outcome="paused"), Turn(outcome="error"), Turn(says="message")),
    ),
    server=ServerTiming(status_overtakes=2, clock_ms=15.6, other_subscriber_ms=40.0),
    network=Network(
        Link(0.5, 3.0),
        Link(2.0, 9.0),
        (ConnectionLink(20.0),),
        (
            Fault("stall", Moment("persisted", 3, since="run-called"), for_ms=120.0),
            Fault("refuse", Moment("run-ended"), for_ms=300.0),
            Fault("reject", Moment("run-started"), code=4001),
            Fault("close", Moment("run-called", 2), code=1012),
        ),
    ),
    rest=(
        RestFault("delay", "run", times=2, delay_ms=33.3),
        RestFault("truncate", "pause", acted=False),
        RestFault("status", "send-message", status=502),
        RestFault("timeout", "events", nth=3),
    ),
    caller=Caller(
        runs=3,
        between_ms=3_000.0,
        acts=(
            Act("send-message", Moment("run-started", 1, 40.0)),
            Act("pause", Moment("persisted", 8)),
            Act("run", Moment("run-ended", 1, 5.0)),
            Act("interrupt", Moment("run-started", 2, 90.0)),
        ),
        callback_ms=4.0,
        callback_on="all",
        looks_again_s=1.0,
        settle_s=15.0,
    ),
)
"""Everything that can happen, at once."""


def test_the_busy_schedule_is_busy(site):
    """Else it would say little that two processes agree on it."""
    trial = run_trial(BUSY, ReferenceAdapter(), site)
    told = [(h.lane, h.what, h.detail) for h in trial.happenings]
    acts = {detail["act"] for _, what, detail in told if what == "act-called"}
    assert acts == {"send-message", "pause", "interrupt", "state"}
    faults = {detail["action"] for _, what, detail in told if what == "fault"}
    assert {"stall", "refuse", "close", "delay", "truncate", "status"} <= faults
    assert len(trial.outcome.calls) == 4
    assert any(what == "callback-done" for _, what, _ in told)


def test_the_whole_trial_is_the_same_and_not_its_digest_only(reference_workers):
    one, other = reference_workers
    schedule = drawn(seed=1, count=3)[2]
    (first, whole), (second, same) = one.run_whole(schedule), other.run_whole(schedule)
    assert whole == same
    assert replace(first, wall_ms=0) == replace(second, wall_ms=0)


ALONE = """
import json, sys
from race_harness.sim import early
early.install()
from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import Schedule
from race_harness.network.site import UvicornSite
from race_harness.workers.trial import run_trial

site = UvicornSite()
for line in sys.stdin:
    print(run_trial(Schedule.from_dict(json.loads(line)), ReferenceAdapter(), site).digest)
"""


def test_a_process_without_a_worker_runs_the_same_trials_as_well(reference_workers):
    schedules = drawn(seed=1, count=10)
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        input="".join(f"{schedule.to_json()}\n" for schedule in schedules),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.split() == digests(reference_workers[0], schedules)


# -- the real client


@pytest.mark.slow
def test_two_processes_run_the_same_trials_of_the_sdk(monkeypatch):
    if importlib.util.find_spec("openhands") is None:
        pytest.skip("openhands-sdk is not installed in this environment")
    with ExitStack() as stack:
        one, other = workers_of_each_kind("openhands", monkeypatch, stack)
        schedules = drawn(seed=1, count=30)
        first = digests(one, schedules)
        cut = drawn(seed=5, count=10, scenario="cut-at-run")
        first_cut = digests(one, cut)
        assert digests(other, cut) == first_cut
        assert digests(other, schedules) == first
        assert len(set(first + first_cut)) == 40
        assert digests(one, drawn(seed=2, count=30)) != first
        lines = one.source_lines()
        assert lines == other.source_lines()
        changed = interleaved(drawn(seed=4, count=24), lines)
        assert digests(one, changed) == digests(other, changed[::-1])[::-1]


# -- controls: the digest sees what differs


@pytest.fixture(scope="module")
def site():
    return UvicornSite()


PLAIN = Schedule("test")
SWITCHING = replace(PLAIN, interleaving=Interleaving(1))

LINE_OF_RUN = next(
    line for line in source.lines(ReferenceAdapter.source) if line[0] == "ReferenceClient.run"
)

DIFFERENT = {
    "entropy": replace(PLAIN, entropy=1),
    "rest latency": replace(PLAIN, network=Network(rest=Link(0.6))),
    "socket latency": replace(PLAIN, network=Network(socket=Link(0.6))),
    "jitter": replace(PLAIN, network=Network(socket=Link(0.5, 0.1))),
    "publication": replace(PLAIN, server=ServerTiming(publish_ms=0.6)),
    "thinking": replace(PLAIN, server=ServerTiming(think_ms=200.1)),
    "script": replace(PLAIN, script=Script(tool_calls=1)),
    "callback": replace(PLAIN, caller=Caller(callback_ms=0.1)),
    "fault": replace(PLAIN, network=Network(faults=(Fault("stall", Moment(), for_ms=1),))),
    "one way alone": replace(
        PLAIN, network=Network(faults=(Fault("stall", Moment(), for_ms=1, way="up"),))
    ),
    "somebody else": replace(PLAIN, others=(OtherAct("pause", Moment("subscribed")),)),
    "who looks on": replace(PLAIN, watchers=(Watcher(),)),
    "gateway that gives up": replace(PLAIN, network=Network(gateway=Gateway(answer_s=0.0005))),
    "gateway that closes": replace(PLAIN, network=Network(gateway=Gateway(idle_s=0.1))),
    "history": replace(PLAIN, script=Script(history=1)),
    "unknown kind": replace(PLAIN, script=Script(strange="kind")),
    "unknown field": replace(PLAIN, script=Script(strange="field")),
    "interjection": replace(PLAIN, network=Network(faults=(Fault("interject", Moment()),))),
    "refusal": replace(
        PLAIN, network=Network(faults=(Fault("refuse", Moment("run-ended"), for_ms=1.0),))
    ),
    "held-up answer": replace(PLAIN, rest=(RestFault("delay", "run", delay_ms=0.1),)),
    "held-up request": replace(
        PLAIN, rest=(RestFault("delay", "run", delay_ms=0.1, acted=False),)
    ),
    "act": replace(PLAIN, caller=Caller(acts=(Act("pause"),))),
    "two calls": replace(PLAIN, caller=Caller(runs=2)),
    "answer": replace(PLAIN, script=Script(says="message")),
    "clock": replace(PLAIN, server=ServerTiming(clock_ms=15.6)),
    "other subscriber": replace(PLAIN, server=ServerTiming(other_subscriber_ms=1.0)),
    "overtaking": replace(PLAIN, server=ServerTiming(status_overtakes=1)),
    "a connection's link": replace(
        PLAIN, network=Network(connections=(ConnectionLink(0.6, nth=1),))
    ),
    "switches": SWITCHING,
    "other switches": replace(PLAIN, interleaving=Interleaving(2)),
    "strategy": replace(PLAIN, interleaving=Interleaving(1, "pct")),
    "another strategy": replace(PLAIN, interleaving=Interleaving(1, "pos")),
    "switches at lines": replace(PLAIN, interleaving=Interleaving(1, at_lines=True)),
    "line stall": replace(
        PLAIN, interleaving=Interleaving(stalls=(LineStall(*LINE_OF_RUN, for_ms=0.1),))
    ),
}


@pytest.mark.parametrize("schedule", DIFFERENT.values(), ids=list(DIFFERENT))
def test_whatever_a_schedule_changes_changes_the_digest(schedule, site):
    one, same, other = (
        run_trial(each, ReferenceAdapter(), site).digest for each in (PLAIN, PLAIN, schedule)
    )
    assert one == same != other


class Wordy(ReferenceAdapter):
    """Sends a text of its own before each run."""

    def __init__(self, text):
        super().__init__()
        self._text = text

    def connect(self, url, on_event):
        made = super().connect(url, on_event)
        send = made.send_message
        made.send_message = lambda _text: send(self._text())
        return made


def test_one_other_byte_changes_the_digest(site):
    texts = ("Please finish.", "Please finish.", "Please finish!")
    one, same, other = (
        run_trial(PLAIN, Wordy(lambda text=text: text), site).digest for text in texts
    )
    assert one == same != other


def test_logs_show_where_two_trials_parted(site, tmp_path, monkeypatch):
    logs = []
    for text in ("Please finish.", "Please finish.", "Please finish!"):
        path = tmp_path / f"{len(logs)}.log"
        monkeypatch.setenv(LOG_VARIABLE, str(path))
        digest = run_trial(PLAIN, Wordy(lambda text=text: text), site).digest
        logs.append(path.read_text(encoding="utf-8").splitlines())
        assert logs[-1][-1] == f"digest {digest}"
    one, same, other = logs
    assert one == same
    parted = next(pair for pair in zip(one, other, strict=False) if len(set(pair)) > 1)
    assert "Please finish." in parted[0]
    assert "Please finish!" in parted[1]


def test_one_more_thread_changes_the_digest(site):
    """It does nothing, but the scheduler has switched to it."""

    def text_by_way_of_a_thread():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        return "Please finish."

    plain, more = (
        run_trial(PLAIN, Wordy(text), site).digest
        for text in (lambda: "Please finish.", text_by_way_of_a_thread)
    )
    assert plain != more


counter = itertools.count()
kept_objects: list[object] = []


def address():
    kept_objects.append(object())
    return id(kept_objects[-1])


@pytest.mark.parametrize(
    "source",
    [lambda: next(counter), lambda: os.times(), address],
    ids=["state of the process", "CPU time", "addresses"],
)
def test_a_client_that_is_not_decided_by_the_schedule_shows(source, site):
    """What the tests of equal digests would look like if something escaped."""
    found = {run_trial(PLAIN, Wordy(lambda: str(source())), site).digest for _ in range(4)}
    assert len(found) > 1


@pytest.mark.parametrize(
    "source",
    [
        lambda: time.time_ns(),
        lambda: time.perf_counter(),
        lambda: time.process_time_ns(),
        lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        lambda: time.strftime("%c"),
        lambda: datetime.now(),
        lambda: datetime.now(UTC),
        lambda: date.today(),
        lambda: os.urandom(8).hex(),
        lambda: random.random(),
        lambda: random.Random().random(),
        lambda: ThreadPoolExecutor(3, "pool").submit(time.monotonic).result(),
    ],
    ids=[
        *("time", "performance counter", "CPU time", "clock_gettime", "strftime", "datetime"),
        *("datetime in UTC", "date", "urandom", "random", "new generator", "executor"),
    ],
)
def test_a_client_that_uses_clocks_and_randomness_is_decided(source, site):
    found = {run_trial(SWITCHING, Wordy(lambda: str(source())), site).digest for _ in range(4)}
    assert len(found) == 1


# -- the digest itself


def _digest(*acts):
    trace = Trace(lambda: 0)
    for act in acts:
        act(trace)
    return trace.digest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda t: t.note_bytes("0up", b"abc"), lambda t: t.note_bytes("0up", b"abd")),
        (lambda t: t.note_bytes("0up", b"abc"), lambda t: t.note_bytes("1up", b"abc")),
        (lambda t: t.note_bytes("0up", b"abc"), lambda t: t.note_bytes("0down", b"abc")),
        (lambda t: t.note(1, 2), lambda t: t.note(2, 1)),
        (lambda t: t.record("client", "a"), lambda t: t.record("server", "a")),
        (lambda t: t.record("client", "a", x=1), lambda t: t.record("client", "a", x=2)),
    ],
)
def test_what_is_noted_counts(one, other):
    assert _digest(one) == _digest(one) != _digest(other)
    assert _digest(one, other) != _digest(other, one)


def test_when_it_happens_counts():
    def digest(now):
        trace = Trace(lambda: now)
        trace.record("client", "run-called")
        return trace.digest()

    assert digest(1) != digest(2)


def test_how_bytes_are_cut_into_chunks_counts():
    whole = _digest(lambda t: t.note_bytes("0up", b"abcd"))
    cut = _digest(lambda t: t.note_bytes("0up", b"ab"), lambda t: t.note_bytes("0up", b"cd"))
    assert whole != cut
