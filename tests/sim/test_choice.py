"""Each strategy: decided by its seed, different over seeds, and as good as its paper says."""

import threading
from collections import deque
from itertools import pairwise

import pytest
from alone import Alone, run_alone
from scipy.stats import binom

from race_harness.model.schedule import Interleaving
from race_harness.sim import kernel as kernels
from race_harness.sim.choice import (
    PCT,
    PartialOrderSampling,
    RandomWalk,
    RunUntilBlocked,
    choice_of,
)
from race_harness.sim.choice.partial_order import race
from race_harness.sim.strands import Strand

STRATEGIES = ("random-walk", "pct", "pos")
ALL_BUT_IMPOSSIBLE = 1e-6


def pause(works_on=None):
    kernels.active.pause(works_on)


def together(*bodies):
    """Run these on a thread each, started by the kernel: `threading` has points of its own."""
    kernel = kernels.active
    for strand in [kernel.spawn(body) for body in bodies]:
        kernel.join(strand)


def order_of_three():
    """Three threads with five steps each: the order in which they make them."""
    order = []

    def steps(name):
        for _ in range(5):
            pause()
            order.append(name)

    together(*(lambda name=name: steps(name) for name in "abc"))
    return "".join(order)


@pytest.mark.parametrize(
    ("interleaving", "kind"),
    [
        (Interleaving(), RunUntilBlocked),
        (Interleaving(None, "pct"), RunUntilBlocked),
        (Interleaving(0), RandomWalk),
        (Interleaving(0, "pct"), PCT),
        (Interleaving(0, "pos"), PartialOrderSampling),
    ],
)
def test_the_schedule_says_which(interleaving, kind):
    assert type(choice_of(interleaving)) is kind


def test_without_a_seed_nobody_is_interrupted():
    assert run_alone(order_of_three) == "aaaaabbbbbccccc"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_seed_decides(strategy):
    def orders():
        return [
            run_alone(order_of_three, choice=choice_of(Interleaving(seed, strategy)))
            for seed in range(20)
        ]

    found = orders()
    assert orders() == found
    assert all(sorted(order) == sorted("aaaaabbbbbccccc") for order in found)
    assert len(set(found)) > 5
    assert {order[0] for order in found} == {order[-1] for order in found} == set("abc")


# -- PCT


def switches(order):
    return sum(one != other for one, other in pairwise(order))


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_pct_interrupts_as_often_as_its_depth_allows(depth):
    """Without a change three threads run one after another: two switches."""
    found = [
        switches(run_alone(order_of_three, choice=PCT(seed, depth, points=12)))
        for seed in range(100)
    ]
    # Who is interrupted is taken up again later, so a change costs two switches at most.
    assert max(found) <= 2 + 2 * (depth - 1)
    assert (max(found) > 2) == (depth > 1)


STEPS = 8


def rests_for_all_of_the_other():
    """A bug of depth two: one thread rests between its first two steps until the other is done."""
    done = []
    seen = []

    def one():
        for _ in range(STEPS):
            pause()
            seen.append(len(done))

    def other():
        for _ in range(STEPS):
            pause()
            done.append(1)

    together(one, other)
    return seen[:2] == [0, STEPS]


THREADS = 3  # the main thread waits, but is one of them
POINTS = 2 * STEPS + 4  # the steps, and the beginnings and ends of threads
SEEDS = 1_500


def is_as_likely_as(found, probability):
    """Whether so many finds in all seeds do not refute this probability, or a higher one."""
    return bool(binom.cdf(found, SEEDS, probability) > ALL_BUT_IMPOSSIBLE)


def finds(choice_for):
    return sum(
        run_alone(rests_for_all_of_the_other, choice=choice_for(seed)) for seed in range(SEEDS)
    )


GUARANTEE = 1 / (THREADS * POINTS ** (2 - 1))


def test_pct_keeps_its_guarantee():
    counted = [PCT(seed, 2, points=POINTS) for seed in range(50)]
    for choice in counted:
        run_alone(rests_for_all_of_the_other, choice=choice)
    assert max(choice.reached for choice in counted) <= POINTS
    assert is_as_likely_as(finds(lambda seed: PCT(seed, 2, points=POINTS)), GUARANTEE)


def test_others_would_not_keep_it():
    """Without a change of priority it is never found, by random walk in one of 2^9."""
    assert not is_as_likely_as(finds(lambda seed: PCT(seed, 1, points=POINTS)), GUARANTEE)
    assert not is_as_likely_as(finds(RandomWalk), GUARANTEE)


def test_pct_finds_it_without_being_told_how_many_points_there_are():
    scaled = 1 / (7 * THREADS * 2 * POINTS)
    assert is_as_likely_as(finds(lambda seed: PCT(seed, 2)), scaled)
    assert finds(lambda seed: PCT(seed, 2)) > 0


@pytest.mark.parametrize("seed", [0, 1])
def test_pct_does_not_let_a_loop_that_looks_again_starve_whom_it_looks_for(seed):
    def program():
        lock, done = threading.Lock(), []

        def look():
            while not done:
                with lock:
                    pass

        def finish():
            for _ in range(3):
                with lock:
                    pass
            done.append(True)

        threads = [threading.Thread(target=each) for each in (look, look, finish)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return done

    assert run_alone(program, choice=PCT(seed, 3)) == [True]


def test_pct_takes_more_changes_than_points():
    order = run_alone(order_of_three, choice=PCT(0, 20, points=3))
    assert sorted(order) == sorted("aaaaabbbbbccccc")


# -- partial-order sampling


def strand(index, works_on):
    made = Strand(index, str(index))
    made.works_on = works_on
    return made


def test_pos_draws_anew_for_what_races_and_for_nothing_else():
    lock, stream = object(), object()
    for seed in range(50):
        choice = PartialOrderSampling(seed)
        ready = deque(
            [strand(0, lock), strand(1, lock), strand(2, stream), strand(3, None), strand(4, None)]
        )
        first = choice.choose(ready)
        chosen = ready[first]
        before = [one.lot for one in ready]
        chosen.lot = None  # as the kernel does when it goes on
        for one, lot in zip(ready, before, strict=True):
            races = one is not chosen and one.works_on is chosen.works_on is lock
            assert (lot is None) == (races or (one is chosen and chosen.works_on is not None))
        choice.choose(ready)
        assert all(
            one.lot == lot
            for one, lot in zip(ready, before, strict=True)
            if lot is not None and one is not chosen and one.lot is not None
        )


@pytest.mark.parametrize(
    ("one", "other", "races"),
    [
        ("lock", "lock", True),
        ("lock", "other", False),
        (None, None, False),
        (None, "lock", False),
        (frozenset({"a", "b"}), frozenset({"b"}), True),
        (frozenset({"a"}), frozenset({"b"}), False),
        (frozenset(), frozenset(), False),
        (frozenset({"lock"}), "lock", False),
    ],
)
def test_what_races(one, other, races):
    assert race(one, other) == race(other, one) == races


OTHERS = 10
RESTS = 1 / 2 / (OTHERS + 2)


def rests(others_work_on):
    """Whether one event rests until another thread has done ten."""
    shared = object()
    done = []
    seen = []

    def one():
        seen.append(len(done))
        pause(shared)
        seen.append(len(done))

    def many():
        for _ in range(OTHERS):
            pause(others_work_on or shared)
            done.append(1)

    together(one, many)
    return seen == [0, OTHERS]


def test_pos_lets_an_event_rest_while_unrelated_ones_happen():
    """It has to be pending before them, and to have drawn lower than all ten."""
    unrelated = sum(rests_with(PartialOrderSampling(seed), object()) for seed in range(SEEDS))
    racing = sum(rests_with(PartialOrderSampling(seed), None) for seed in range(SEEDS))
    walk = sum(rests_with(RandomWalk(seed), object()) for seed in range(SEEDS))
    assert is_as_likely_as(unrelated, RESTS)
    assert not is_as_likely_as(racing, RESTS)
    assert not is_as_likely_as(walk, RESTS)


def rests_with(choice, others_work_on):
    return run_alone(lambda: rests(others_work_on), choice=choice)


def test_a_lot_is_gone_when_the_strand_goes_on():
    lots = []

    def program():
        lock = threading.Lock()

        def look():
            with lock:
                lots.append(kernels.active.strand_of_caller().lot)
            pause()
            lots.append(kernels.active.strand_of_caller().lot)

        together(look, look)

    alone = Alone(choice=PartialOrderSampling(1))
    alone.run(program)
    assert lots == [None] * 4
