"""Child processes talk to their parents, and none outlives them."""

import itertools
import os
import signal
import time

import pytest

from race_harness.model.errors import WorldBroken
from race_harness.realtime import processes
from race_harness.realtime.processes import Parent, await_stop, fork


def test_parent_and_child_hear_each_other():
    def body(parent: Parent):
        parent.line.send(parent.line.receive() * 2)

    child = fork(body)
    child.line.send(21)
    assert child.line.receive() == 42
    child.end(10)
    assert child.status == 0
    child.close()


def test_the_end_of_a_child_is_the_end_of_its_line():
    child = fork(lambda parent: None)
    with pytest.raises(EOFError):
        child.line.receive()
    child.line.send("nobody is there, and nothing happens")
    child.close()


def test_a_child_that_fails_says_so_and_ends(capfd):
    def body(parent: Parent):
        raise ValueError("a mistake")

    child = fork(body)
    child.end(10)
    assert os.waitstatus_to_exitcode(child.status) == 1
    assert "a mistake" in capfd.readouterr().err
    child.close()


@pytest.mark.parametrize("leads_group", [True, False])
def test_a_child_that_does_not_end_is_killed(leads_group):
    child = fork(lambda parent: time.sleep(600), leads_group=leads_group)
    child.end(0.1)
    assert os.waitstatus_to_exitcode(child.status) == -signal.SIGKILL
    child.close()


def test_when_its_leader_is_killed_so_is_the_group():
    def body(parent: Parent):
        # The grandchild has its parent's line, too, and never looks whether it is alone.
        fork(lambda _: time.sleep(600))
        parent.line.send("forked")
        time.sleep(600)

    child = fork(body, leads_group=True)
    assert child.line.receive() == "forked"
    child.end()
    with pytest.raises(EOFError):
        child.line.receive()
    child.close()


def test_a_child_ends_with_its_parent(tmp_path):
    """The line from the grandchild ends only when nobody has it any more."""
    left = tmp_path / "left"

    def grandchild(parent: Parent):
        parent.watch(left.touch)
        parent.line.send("watching")
        time.sleep(600)

    def body(parent: Parent):
        own = fork(grandchild)
        assert own.line.receive() == "watching"
        parent.line.send("ready")
        os.kill(os.getpid(), signal.SIGKILL)

    child = fork(body)
    assert child.line.receive() == "ready"
    assert child.line.waits(10)
    with pytest.raises(EOFError):
        child.line.receive()
    assert left.exists()
    child.close()


def test_a_child_that_is_stopped_does_nothing_more():
    """Not by the time at which the signal was sent, but by that at which all threads stand."""

    def body(parent: Parent):
        for number in itertools.count():
            parent.line.send(number)

    child = fork(body)
    child.line.receive()
    child.stop()
    await_stop(child._pid)
    while child.line.waits():
        child.line.receive()
    assert not child.line.waits(0.05)
    child.resume()
    assert child.line.waits(10)
    child.kill()
    child.end(10)
    assert os.waitstatus_to_exitcode(child.status) == -signal.SIGKILL
    await_stop(child._pid)  # Nobody is there any more.
    child.close()


def test_a_child_that_does_not_stop_is_told(monkeypatch):
    monkeypatch.setattr(processes, "_STOPS_S", 0.01)
    child = fork(lambda parent: time.sleep(600))
    with pytest.raises(WorldBroken, match="does not stop within"):
        await_stop(child._pid)
    child.close()


def test_what_is_forked_later_holds_nothing_of_those_before():
    """So the one before notices at once when the parent has closed its descriptors."""
    before = fork(lambda parent: os.read(parent._life, 1))

    def body(parent: Parent):
        before.forget()
        parent.line.receive()

    later = fork(body)
    before.forget()
    before.end(10)
    assert os.waitstatus_to_exitcode(before.status) == 0
    later.close()
