"""Signals are raised in the main thread: held where that would do harm, and never lost."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from race_harness.upkeep.interrupts import SIGNALS, Interrupted, held, raising


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_is_told_as_an_interrupt_with_its_status(number: int) -> None:
    with raising() as interrupts, pytest.raises(KeyboardInterrupt):
        send(number)
    assert interrupts.first == number
    assert interrupts.status == 128 + number


def test_without_any_nothing_is_told() -> None:
    with raising() as interrupts:
        pass
    assert interrupts.status is None


def test_afterwards_all_is_as_it_was() -> None:
    before = [signal.getsignal(number) for number in SIGNALS], sys.unraisablehook
    with pytest.raises(Interrupted), raising():
        send(signal.SIGTERM)
    assert ([signal.getsignal(number) for number in SIGNALS], sys.unraisablehook) == before


def test_one_that_is_to_be_ignored_still_is() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raising() as interrupts:
            send(signal.SIGHUP)
        assert interrupts.first is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_is_held_is_raised_at_the_end() -> None:
    through = []

    def hold() -> None:
        with held():
            with held():
                send(signal.SIGINT)
            through.append("the inner one")
            send(signal.SIGTERM)
            through.append("the outer one")
        through.append("what follows")

    with raising(), pytest.raises(Interrupted):
        hold()
    assert through == ["the inner one", "the outer one"]


def test_only_the_main_thread_holds_them() -> None:
    inside, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with held():
            inside.set()
            let_go.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    try:
        with raising(), pytest.raises(Interrupted):
            send(signal.SIGTERM)
    finally:
        let_go.set()
        thread.join()


class Finalized:
    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def __del__(self) -> None:
        self._act()


def lose(act: Callable[[], object]) -> None:
    """Do what a signal is lost in, and go on."""
    act()
    signal.sigtimedwait([], 20)
    pytest.fail("it was lost")


def test_one_that_is_lost_in_a_finalizer_comes_again(capfd: pytest.CaptureFixture[str]) -> None:
    with raising(), pytest.raises(Interrupted):
        lose(lambda: Finalized(lambda: send(signal.SIGTERM)))
    assert capfd.readouterr() == ("", "")


def test_one_that_is_lost_in_the_garbage_collector_comes_again(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As Hypothesis hooks into it."""
    sent = []

    def hook(phase: str, _about: object) -> None:
        if phase == "start" and not sent:
            sent.append(phase)
            send(signal.SIGINT)

    gc.callbacks.append(hook)
    try:
        with raising(), pytest.raises(Interrupted):
            lose(gc.collect)
    finally:
        gc.callbacks.remove(hook)
    assert capfd.readouterr() == ("", "")


def test_what_else_is_lost_is_still_told() -> None:
    told = []
    before, sys.unraisablehook = sys.unraisablehook, told.append
    try:
        with raising():
            Finalized(lambda: [][1])
    finally:
        sys.unraisablehook = before
    assert [each.exc_type for each in told] == [IndexError]
