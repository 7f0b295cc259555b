"""A worker stays on one core while it has it for itself, and leaves a crowded one."""

import os

import pytest

from race_harness.workers import affinity
from race_harness.workers.affinity import OneCore


class Machine:
    """Four cores, and a CPU clock that the test sets."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.pinned: list[set[int]] = []


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {2, 3, 5, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _pid, cores: made.pinned.append(cores))
    monkeypatch.setattr(affinity.time, "process_time", lambda: made.cpu_s)
    return made


def work(machine: Machine, core: OneCore, *, cpu_s: float, wall_s: float) -> None:
    machine.cpu_s += cpu_s
    core.settle(wall_s)


def test_jobs_begin_on_different_cores(machine: Machine) -> None:
    for job in range(100, 104):
        OneCore(job).settle(0.0)
    assert sorted(core for pinned in machine.pinned for core in pinned) == [2, 3, 5, 7]


def test_a_core_of_its_own_is_kept(machine: Machine) -> None:
    core = OneCore(0)
    for _ in range(50):
        work(machine, core, cpu_s=1.0, wall_s=1.1)
    assert machine.pinned == [{2}] * 50


def test_a_crowded_core_is_left_sooner_or_later(machine: Machine) -> None:
    core = OneCore(0)
    for _ in range(50):
        work(machine, core, cpu_s=1.0, wall_s=2.0)
    assert len({frozenset(pinned) for pinned in machine.pinned}) == 4


def test_waiting_for_requests_is_not_being_crowded(machine: Machine) -> None:
    """Only the time that trials took counts."""
    core = OneCore(0)
    for _ in range(50):
        work(machine, core, cpu_s=1.0, wall_s=0.0)
    assert machine.pinned == [{2}] * 50


def test_where_it_is_forbidden_trials_go_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_pid: int, _cores: set[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    OneCore(0).settle(1.0)
