"""Repetitions in real time: what is kept of a schedule, and how they end."""

import queue
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from race_harness.model.repetition import PhaseReport
from race_harness.model.schedule import Interleaving, LineStall, Schedule
from race_harness.model.trace import Trace
from race_harness.workers import native
from race_harness.workers.native import NativeEnding, NativeRepetition

PASSED = (PhaseReport("setup", "passed"), PhaseReport("call", "passed"))


def visit() -> int:
    return 1


class FakePlayer:
    """Plays `body` as the call of a test."""

    def __init__(self, body: Callable[[], object], *, in_setup: bool = False) -> None:
        self._body = body
        self._in_setup = in_setup

    def play(
        self, item: object, begin: Callable[[], None], trace: Trace
    ) -> tuple[PhaseReport, ...]:
        if not self._in_setup:
            begin()
        self._body()
        return PASSED


def played(
    body: Callable[[], object], schedule: Schedule | None = None, *, in_setup: bool = False
) -> NativeEnding:
    told: queue.SimpleQueue[NativeEnding] = queue.SimpleQueue()
    repetition = NativeRepetition(schedule or Schedule("t::t"), [__name__], told.put)
    player: Any = FakePlayer(body, in_setup=in_setup)
    threading.Thread(
        target=repetition.play, args=[player, cast(Any, None)], name="test", daemon=True
    ).start()
    return told.get(timeout=60)


def test_a_stall_holds_the_thread_up_at_its_line() -> None:
    stall = LineStall("visit", "return 1", nth=2, for_ms=1.0)
    ending = played(
        lambda: [visit(), visit(), visit()],
        Schedule("t::t", interleaving=Interleaving(stalls=(stall,))),
    )
    assert ending.repetition.phases == PASSED
    (stalled,) = [one for one in ending.happenings if one.what == "line-stalled"]
    assert (stalled.detail["line"], stalled.detail["thread"]) == ("return 1", "test")
    assert [one.what for one in played(visit).happenings] == ["test-called"]


def test_what_never_ends_is_told_with_its_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "LIMIT_S", 0.05)
    never = threading.Event()
    ending = played(never.wait)
    assert ending.repetition.stopped == "wall-time limit: 0.05 s"
    assert [report.outcome for report in ending.repetition.phases] == ["passed", "failed"]
    assert any("never.wait" in stack or "in wait" in stack for stack in ending.stacks.values())
    # Without its call there is nothing to judge.
    assert played(never.wait, in_setup=True).repetition.phases == ()
    never.set()


def test_threads_that_are_left_behind_are_noted() -> None:
    never = threading.Event()

    def leave_one() -> None:
        threading.Thread(target=never.wait, name="left", daemon=True).start()

    assert "left" in played(leave_one).repetition.left
    never.set()
