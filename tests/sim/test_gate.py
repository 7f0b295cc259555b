"""Gates: what holds a thread until a moment of the trial has come."""

import threading
import time

import pytest

from race_harness.model.schedule import Moment


class Gated:
    """Threads that each wait at a gate, and when they came through (virtual seconds)."""

    def __init__(self, *moments):
        self.moments = moments
        self.through = {}

    def prepare(self, simulation):
        self.simulation = simulation
        self.gates = [simulation.gate(moment) for moment in self.moments]

    def wait(self, number, first_sleep=0.0):
        time.sleep(first_sleep)
        self.gates[number]()
        self.through[number] = round(time.monotonic() - self.began, 9)

    def play(self, site, *, happens_at, first_sleep=0.0, seconds=10):
        def program(_url):
            self.began = time.monotonic()
            for number in range(len(self.moments)):
                threading.Thread(target=self.wait, args=(number, first_sleep), daemon=True).start()
            time.sleep(happens_at)
            self.simulation.trace.record("server", "run-started", run=1)
            time.sleep(seconds)

        self.visit = site.visit(program, prepare=self.prepare)
        return self.through


STARTED = Moment("run-started")


def test_a_gate_opens_at_its_moment_and_not_before(site):
    assert Gated(STARTED).play(site, happens_at=3) == {0: 3}


@pytest.mark.parametrize("after_ms", [0.1, 500, 2_500])
def test_a_gate_opens_so_long_after_it(site, after_ms):
    gated = Gated(Moment("run-started", after_ms=after_ms))
    assert gated.play(site, happens_at=3) == {0: 3 + after_ms / 1000}


@pytest.mark.parametrize(
    ("after_ms", "at_s"),
    [
        (0, 5),  # Passed long ago: it goes through at once.
        (1_000, 5),  # So has the time after it.
        (4_000, 7),  # Some of it is left, counted from the moment.
    ],
)
def test_who_comes_after_the_moment_waits_for_the_rest_only(site, after_ms, at_s):
    gated = Gated(Moment("run-started", after_ms=after_ms))
    assert gated.play(site, happens_at=3, first_sleep=5) == {0: at_s}


def test_several_gates_open_each_by_itself(site):
    gated = Gated(STARTED, Moment("run-started", after_ms=1_000), Moment("run-started", nth=2))
    assert gated.play(site, happens_at=3) == {0: 3, 1: 4}


def test_who_still_waits_at_the_end_is_killed_without_a_word(site, every_word):
    gated = Gated(Moment("run-cleared"), Moment("run-started", after_ms=600_000))
    assert gated.play(site, happens_at=1, seconds=5) == {}
    assert gated.visit.ending.stopped is None
    assert gated.visit.simulation.kernel.violations == []
    assert all(strand.done for strand in gated.visit.simulation.kernel.strands[1:])
    assert every_word() == []


def test_a_moment_that_was_before_the_gate_was_made_is_not_seen(site):
    """Gates are made before a trial begins, so that counting begins there."""
    found = []

    def prepare(simulation):
        simulation.trace.record("server", "run-started", run=1)
        gate = simulation.gate(STARTED)
        found.append((simulation, gate))

    def program(_url):
        simulation, gate = found[0]
        thread = threading.Thread(target=gate, daemon=True)
        thread.start()
        thread.join(5)
        waits = thread.is_alive()
        simulation.trace.record("server", "run-started", run=2)
        thread.join(5)
        return waits, thread.is_alive()

    assert site.visit(program, prepare=prepare).value == (True, False)
