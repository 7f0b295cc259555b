"""What happens at the lines of a client's source: stalls, switches, and nothing else."""

import asyncio
import gc
import importlib
import sys
import threading
import time
from dataclasses import replace

import pytest
import small_client
from alone import Alone
from lines_rig import SOURCE, play

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import Interleaving, LineStall, Schedule
from race_harness.network.site import UvicornSite
from race_harness.sim import source
from race_harness.sim.choice import choice_of
from race_harness.sim.kernel import Kernel
from race_harness.sim.line_events import line_events
from race_harness.sim.stalls import Lines
from race_harness.workers.trial import run_trial

STRATEGIES = ("random-walk", "pct", "pos")
MONITORING = sys.monitoring
EVERY_LINE = [function.code for function in source.functions(SOURCE)]


def stalls(*several, **options):
    return Interleaving(stalls=tuple(several), **options)


def nothing_is_left():
    """Neither a tool nor an event of one."""
    tools = [MONITORING.get_tool(tool) for tool in range(6)]
    events = {
        MONITORING.get_local_events(tool, code)
        for tool in (3, 4)
        for code in EVERY_LINE
        if MONITORING.get_tool(tool) or not MONITORING.use_tool_id(tool, "look")
    }
    for tool in (3, 4):
        MONITORING.free_tool_id(tool)
    return tools[3:5] == [None, None] and events == {0}


def log_of(program, interleaving):
    """What a program logs, and when: milliseconds and text."""
    log = []

    def logged():
        begin = time.monotonic_ns()
        return program(lambda text: log.append(((time.monotonic_ns() - begin) / 1e6, text)))

    return log, play(logged, interleaving)


# -- stalls


def test_the_named_line_is_stalled_and_no_other():
    stall = LineStall("steps", 'log("two")', for_ms=12.5)
    log, played = log_of(small_client.steps, stalls(stall))
    assert log == [(0, "one"), *[(12.5, text) for text in ("two", "again", "again", "again")]]
    assert played.stalls == [(0, 'log("two")', "main")]


def test_it_takes_both_the_function_and_the_text():
    stall = LineStall("other_steps", 'log("one")', for_ms=10)
    log, played = log_of(small_client.steps, stalls(stall))
    assert {at for at, _ in log} == {0}
    assert played.stalls == []
    log, _ = log_of(small_client.other_steps, stalls(stall))
    assert log == [(10, "one")]


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_it_strikes_the_nth_time_only(nth):
    stall = LineStall("steps", 'log("again")', nth=nth, for_ms=5)
    log, played = log_of(small_client.steps, stalls(stall))
    assert [at for at, _ in log[2:]] == [5 if time >= nth else 0 for time in (1, 2, 3)]
    assert len(played.stalls) == (1 if nth <= 3 else 0)


def test_several_add_up():
    several = [LineStall("steps", 'log("again")', nth, 5) for nth in (1, 1, 3)]
    log, played = log_of(small_client.steps, stalls(*several))
    assert [at for at, _ in log] == [0, 0, 10, 10, 15]
    assert len(played.stalls) == 3


def test_times_are_counted_over_all_threads():
    def program():
        threads = [
            threading.Thread(
                target=small_client.other_steps, args=(void,), name=f"thread {number}"
            )
            for number in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    played = play(program, stalls(LineStall("other_steps", 'log("one")', nth=2, for_ms=7)))
    assert played.stalls == [(0, 'log("one")', "thread 1")]
    assert played.alone.now_s == 0.007


def void(_text):
    pass


def test_others_go_on_meanwhile():
    """And so an update is lost that needs a thread to rest between reading and writing."""
    stall = LineStall("Counter.add", "self.value = seen + 1", for_ms=1)
    assert play(lambda: small_client.count(locked=False)).value == 2
    assert play(lambda: small_client.count(locked=False), stalls(stall)).value == 1
    locked = LineStall("Counter.add_locked", "self.value = seen + 1", for_ms=1)
    played = play(lambda: small_client.count(locked=True), stalls(locked))
    assert (played.value, len(played.stalls)) == (2, 1)


def test_a_stalled_coroutine_holds_up_its_loop():
    stall = LineStall("tick", 'log("tick")', nth=2, for_ms=100)
    log, played = log_of(lambda log: asyncio.run(small_client.tick_and_tock(log)), stalls(stall))
    assert played.stalls == [(10, 'log("tick")', "main")]
    assert log == [
        (0, "tick"), (0, "tock"), (110, "tick"), (110, "tock"), (120, "tick"), (120, "tock"),
    ]  # fmt: skip


def test_generators_are_stalled_as_well():
    played = play(small_client.sum_of_numbers, stalls(LineStall("numbers", "yield 2", 1, 3)))
    assert (played.value, played.alone.now_s) == (3, 0.003)


def test_a_function_within_a_function_has_a_name_of_its_own():
    name = "Everything.decorated.<locals>.inner"
    played = play(
        lambda: small_client.use(small_client.Everything()),
        stalls(LineStall(name, "value,", 1, 3)),
    )
    assert played.stalls == [(0, "value,", "main")]


@pytest.mark.parametrize(
    "absent",
    [
        LineStall("steps", 'log("three")', for_ms=10),
        LineStall("no_steps", 'log("one")', for_ms=10),
        LineStall("steps", 'log("one")', nth=2, for_ms=10),
        LineStall("play", "value = alone.run(watched)", for_ms=10),
        LineStall("SimLock.acquire", "kernel = kernels.active", for_ms=10),
    ],
    ids=["text", "function", "nth", "tests", "harness"],
)
def test_a_line_that_is_not_there_changes_nothing(absent):
    def program():
        small_client.steps(void)
        return small_client.count(locked=True)

    plain, with_absent = play(program), play(program, stalls(absent))
    assert plain.digest == with_absent.digest
    assert plain.value == with_absent.value


def test_a_line_that_is_there_changes_the_digest():
    stall = LineStall("steps", 'log("one")', for_ms=10)
    digests = {
        play(lambda: small_client.steps(void), one).digest
        for one in (stalls(), stalls(stall), stalls(replace(stall, for_ms=11)))
    }
    assert len(digests) == 3


def test_nothing_stalls_in_the_middle_of_an_import(tmp_path, monkeypatch):
    """Its lock is a real one: another thread that imports the module would stop the world."""
    (tmp_path / "imports_steps.py").write_text("import small_client\nsmall_client.steps(str)\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def program():
        def load():
            importlib.import_module("imports_steps")

        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        small_client.steps(void)

    stall = LineStall("steps", 'log("one")', for_ms=10)
    for interleaving in (stalls(stall), stalls(stall, seed=1, at_lines=True)):
        sys.modules.pop("imports_steps", None)
        played = play(program, interleaving)
        assert [thread for _, _, thread in played.stalls] == ["main"]


def test_an_import_that_failed_before_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "fails_to_load.py").write_text("raise ImportError('no')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    kept = None
    try:
        importlib.import_module("fails_to_load")
    except ImportError as error:
        kept = error
    played = play(
        lambda: small_client.steps(void), stalls(LineStall("steps", 'log("one")', for_ms=1))
    )
    assert kept is not None
    assert len(played.stalls) == 1


# -- switches


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_switches_at_lines_show_a_lost_update(strategy):
    def values(locked, at_lines):
        for seed in range(400):
            interleaving = Interleaving(seed, strategy, at_lines=at_lines)
            yield play(lambda: small_client.count(locked), interleaving).value

    assert 1 in values(locked=False, at_lines=True)
    assert 1 not in values(locked=True, at_lines=True)
    # There is no lock and so no scheduling point between reading and writing.
    assert 1 not in values(locked=False, at_lines=False)


def test_threads_that_run_until_they_block_never_show_it():
    for interleaving in (Interleaving(), Interleaving(at_lines=True)):
        assert play(lambda: small_client.count(locked=False), interleaving).value == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_switches_and_stalls_at_once_are_decided_by_the_schedule(strategy):
    stall = LineStall("Counter.add", "self.value = seen + 1", 2, 1)

    def digests():
        return [
            play(
                lambda: small_client.count(locked=False),
                stalls(stall, seed=seed, strategy=strategy, at_lines=True),
            ).digest
            for seed in range(20)
        ]

    found = digests()
    assert digests() == found
    assert len(set(found)) > 3


# -- no trace of it outside


def test_monitoring_is_off_after_a_trial():
    every = stalls(LineStall("steps", 'log("one")', for_ms=1), seed=1, at_lines=True)
    assert nothing_is_left()
    play(lambda: small_client.steps(void), every)
    assert nothing_is_left()


def test_monitoring_is_off_after_a_trial_that_failed():
    every = stalls(LineStall("steps", 'log("one")', for_ms=1), seed=1, at_lines=True)

    def raising(_text):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        play(lambda: small_client.steps(raising), every)
    assert nothing_is_left()


def test_monitoring_is_off_after_a_trial_that_was_stopped():
    """The thread that is still stalled is ended like any that waits."""
    stall = LineStall("other_steps", 'log("one")', for_ms=50_000)
    logged = []

    def program():
        threading.Thread(target=small_client.other_steps, args=(logged.append,)).start()
        while True:
            time.sleep(1)

    played = play(program, stalls(stall), max_steps=30)
    assert "step limit" in (played.alone.kernel.stop_reason or "")
    assert "waits: a line's stall" in " ".join(played.alone.kernel.stacks)
    assert (len(played.stalls), logged) == (1, [])
    assert nothing_is_left()


def test_nothing_is_monitored_when_no_line_is_needed(monkeypatch):
    def refuse(*_args):
        raise AssertionError("monitoring was asked for")

    monkeypatch.setattr("race_harness.sim.line_events.free_tool", refuse)
    for interleaving in (Interleaving(), Interleaving(1), Interleaving(at_lines=True)):
        play(lambda: small_client.steps(void), interleaving)
    with pytest.raises(AssertionError):
        play(lambda: small_client.steps(void), Interleaving(1, at_lines=True))


def test_other_tools_keep_their_ids():
    stall = stalls(LineStall("steps", 'log("one")', for_ms=1))
    taken = [tool for tool in range(6) if MONITORING.get_tool(tool) is None]
    for tool in taken[:-1]:
        MONITORING.use_tool_id(tool, "another")
    try:
        assert len(play(lambda: small_client.steps(void), stall).stalls) == 1
        MONITORING.use_tool_id(taken[-1], "another")
        with pytest.raises(WorldBroken, match="no tool id left"):
            play(lambda: small_client.steps(void), stall)
    finally:
        for tool in taken:
            if MONITORING.get_tool(tool) is not None:
                MONITORING.free_tool_id(tool)
    assert nothing_is_left()


def test_lines_that_another_tool_asked_for_are_let_alone():
    """CPython goes on telling of them in frames that were running when it gave up its id."""
    reached = []
    functions = [one for one in source.functions(SOURCE) if one.name == "steps"]
    with line_events(functions, lambda function, number: reached.append((function, number))):
        tool = next(n for n in range(6) if MONITORING.get_tool(n) == "race-harness")
        told = MONITORING.register_callback(tool, MONITORING.events.LINE, None)
    (steps,) = functions
    assert told(stalls.__code__, 1) is MONITORING.DISABLE
    assert told(steps.code, 1) is None
    assert reached == [(steps, 1)]


def test_a_tool_that_had_our_id_before_does_not_matter():
    def with_every_line_told():
        for tool in (3, 4):
            MONITORING.use_tool_id(tool, "another")
            MONITORING.register_callback(tool, MONITORING.events.LINE, lambda *_: None)
            MONITORING.set_events(tool, MONITORING.events.LINE)
        yield
        for tool in (3, 4):
            MONITORING.set_events(tool, 0)
            MONITORING.free_tool_id(tool)
        yield

    running = with_every_line_told()
    next(running)
    next(running)
    played = play(
        lambda: small_client.steps(void),
        stalls(LineStall("steps", 'log("one")', for_ms=1), seed=1, at_lines=True),
    )
    assert len(played.stalls) == 1


def test_a_thread_that_is_not_under_control_is_let_alone():
    interleaving = stalls(LineStall("steps", 'log("one")', for_ms=1), seed=1, at_lines=True)
    kernel = Kernel(choice_of(interleaving), limit_ns=1)
    with Lines(kernel, interleaving, SOURCE).watched():
        small_client.steps(void)
    assert (kernel.steps, kernel.trace.happenings, kernel.violations) == (0, [], [])


def test_a_stall_does_not_use_up_the_trials_time():
    """An absent line leaves the limit as it was, so one that is there has to move it."""
    stall = LineStall("steps", 'log("one")', for_ms=50_000)
    played = play(lambda: small_client.steps(void), stalls(stall), limit_s=20)
    assert played.alone.kernel.stop_reason is None
    assert played.alone.now_s == 50


def test_a_finalizer_that_runs_inside_the_kernel_is_let_alone():
    """It may have been in the middle of deciding who goes on."""
    interleaving = stalls(seed=1, at_lines=True)
    alone = Alone(choice=choice_of(interleaving))
    lines = Lines(alone.kernel, interleaving, SOURCE)
    logged = []

    class Finalized:
        def __del__(self):
            small_client.steps(logged.append)

    def program():
        with lines.watched():
            kept = [Finalized()]
            alone.at(5, kept.clear)
            time.sleep(0.01)

    alone.run(program)
    gc.collect()
    assert alone.kernel.violations == []
    assert len(logged) == 5


# -- the lines that there are


def test_the_lines_are_those_that_events_tell_of():
    """`use` runs each line of `Everything`, and of itself."""
    found = []
    tool = 3
    MONITORING.use_tool_id(tool, "count")
    line = MONITORING.events.LINE
    try:
        MONITORING.register_callback(
            tool, line, lambda code, number: found.append((code.co_qualname, number))
        )
        for code in EVERY_LINE:
            MONITORING.set_local_events(tool, code, line)
        small_client.use(small_client.Everything())
        list(small_client.numbers())
        small_client.count(locked=False)
        small_client.count(locked=True)
        asyncio.run(small_client.tick_and_tock(void))
        small_client.steps(void)
    finally:
        for code in EVERY_LINE:
            MONITORING.set_local_events(tool, code, 0)
        MONITORING.register_callback(tool, line, None)
        MONITORING.free_tool_id(tool)
    # 3.12 tells of a lambda beside its own beginning, 3.13 does not: it is not listed.
    told = {(name, number) for name, number in found if not name.endswith("<lambda>")}
    listed = {
        (function.name, number)
        for function in source.functions(SOURCE)
        for number in function.lines
        if function.name not in ("other_steps", "sum_of_numbers", "decorate")
    }
    assert told == listed


def test_the_lines_come_in_the_order_of_the_file():
    lines = source.lines(SOURCE)
    assert lines[:3] == [
        ("Counter.__init__", "self.value = 0"),
        ("Counter.__init__", "self.lock = threading.Lock()"),
        ("Counter.add", "seen = self.value"),
    ]
    assert len(set(lines)) == len(lines)
    assert ("steps", 'log("again")') in lines
    assert ("Everything.remembered.<locals>.<lambda>",) not in {line[:1] for line in lines[:10]}
    assert all(function and text == text.strip() != "" for function, text in lines)


def test_a_module_that_is_not_loaded_has_no_lines():
    assert source.lines(("no_such_module", "race_harness.no_such_module")) == []


def test_a_package_stands_for_its_modules():
    found = source.lines(("race_harness.sim.choice",))
    assert found == list(
        dict.fromkeys(source.lines(("race_harness.sim.choice", "race_harness.sim.choice.pct")))
    )
    assert ("PCT.choose", "self.reached += 1") in found
    assert ("Kernel.pause", "self._step()") not in found


def test_what_a_line_works_on():
    add, locked = (
        next(f for f in source.functions(SOURCE) if f.name == name)
        for name in ("Counter.add", "Counter.add_locked")
    )
    assert set(add.shared_names.values()) - {frozenset()} == {frozenset({"value"})}
    assert set(locked.shared_names.values()) - {frozenset()} == {
        frozenset({"value"}),
        frozenset({"lock"}),
    }
    # Modules, functions and methods that are called are not data; what a closure shares is.
    (count,) = (f for f in source.functions(SOURCE) if f.name == "count")
    names = {text: count.shared_names[number] for number, text in count.lines.items()}
    assert names["counter = Counter()"] == {"counter"}
    assert names["thread.start()"] == frozenset()


# -- in a whole trial


@pytest.fixture(scope="module")
def whole_site():
    return UvicornSite()


LISTED = source.lines(ReferenceAdapter.source)


def whole(site, interleaving):
    return run_trial(Schedule("test", interleaving=interleaving), ReferenceAdapter(), site)


def test_a_whole_trial_with_stalls_passes_and_says_where(whole_site):
    line = next(one for one in LISTED if one[0].endswith("run"))
    trial = whole(whole_site, stalls(LineStall(*line, for_ms=40)))
    struck = [entry.detail for entry in trial.happenings if entry.what == "line-stalled"]
    assert struck == [{"function": line[0], "line": line[1], "thread": "main", "for_ms": 40}]
    assert trial.judgement.verdicts == ("ok",)
    assert nothing_is_left()


def test_to_look_at_the_client_is_not_the_clients_doing(whole_site):
    """The harness looks at every scheduling point and when `run()` returns."""
    looking = [one for one in LISTED if one[0].endswith((".count", ".visible"))]
    assert looking
    several = [LineStall(*line, nth, 100) for line in looking for nth in (1, 2)]
    plain, disturbed = whole(whole_site, stalls()), whole(whole_site, stalls(*several))
    assert [entry for entry in disturbed.happenings if entry.what == "line-stalled"] == []
    assert plain.digest == disturbed.digest


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_right_client_survives_switches_at_its_lines(whole_site, strategy):
    for seed in range(10):
        trial = whole(whole_site, Interleaving(seed, strategy, at_lines=True))
        assert trial.judgement.verdicts == ("ok",)
    assert nothing_is_left()
