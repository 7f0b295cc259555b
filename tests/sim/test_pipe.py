"""One direction of a connection: when bytes arrive, and what else its end hears."""

import random
import time

import pytest
from alone import DAY_S, Alone

from race_harness.model.schedule import Link
from race_harness.network.pipe import SEGMENT, Pipe
from race_harness.sim.kernel import MILLISECOND


class Ear:
    """An end of a pipe that notes what it hears, and when (in virtual milliseconds)."""

    def __init__(self, alone):
        self._alone = alone
        self.heard = []

    def _note(self, what):
        self.heard.append((self._alone.now_s * 1000, what))

    def received(self, data):
        self._note(bytes(data))

    def ended(self):
        self._note("end")

    def broken(self):
        self._note("reset")


def pipe(alone, *, latency_ms=10.0, jitter_ms=0.0, attach=True, **link):
    made = Pipe(alone.kernel, "pipe", Link(latency_ms, jitter_ms, **link), random.Random(1))
    ear = Ear(alone)
    if attach:
        made.attach(ear)
    return made, ear


def let_pass(alone, seconds=10):
    alone.run(lambda: time.sleep(seconds))


def test_bytes_arrive_after_the_latency():
    alone = Alone()
    line, ear = pipe(alone, latency_ms=25)
    line.send(b"now")
    alone.at(100, lambda: line.send(b"later"))
    let_pass(alone)
    assert ear.heard == [(25, b"now"), (125, b"later")]


def test_jitter_delays_and_never_reorders():
    alone = Alone()
    line, ear = pipe(alone, latency_ms=10, jitter_ms=50)
    for number in range(100):
        alone.at(number, lambda number=number: line.send(bytes([number])))
    let_pass(alone)
    assert [data for _, data in ear.heard] == [bytes([number]) for number in range(100)]
    delays = [at_ms - number for number, (at_ms, _) in enumerate(ear.heard)]
    assert all(10 <= delay <= 60 for delay in delays)
    assert len(set(delays)) > 10


def test_a_narrow_link_carries_one_chunk_after_another():
    """1,000 bytes take 10 ms at 800 kbit/s."""
    alone = Alone()
    line, ear = pipe(alone, latency_ms=25, kbit_s=800)
    one, other, late = b"1" * 1_000, b"2" * 1_000, b"3" * 1_000
    alone.at(0, lambda: line.send(one))
    alone.at(5, lambda: line.send(other))
    alone.at(5, line.finish)
    alone.at(100, lambda: line.send(late))
    let_pass(alone)
    assert ear.heard == [(35, one), (45, other), (45, "end")]
    assert line.busy_ns == 20 * MILLISECOND

    wide, ear = pipe(alone := Alone(), latency_ms=25)
    wide.send(one)
    let_pass(alone)
    assert (ear.heard, wide.busy_ns) == ([(25, one)], 0)


def test_a_narrow_link_delivers_what_is_large_in_parts():
    alone = Alone()
    line, ear = pipe(alone, latency_ms=0, kbit_s=8 * SEGMENT / 1_000)
    data = random.Random(1).randbytes(2 * SEGMENT + SEGMENT // 2)
    line.send(data)
    let_pass(alone)
    assert [at_ms for at_ms, _ in ear.heard] == [1_000, 2_000, 2_500]
    assert b"".join(part for _, part in ear.heard) == data


def test_a_sender_has_room_for_what_the_buffers_hold():
    class Patient:
        told = 0

        def has_room(self):
            self.told += 1

    alone = Alone()
    line, _ = pipe(alone, buffer_kb=5)
    line.sender = sender = Patient()
    line.send(bytes(4_000))
    assert line.room() == 1_000
    line.taken(500)
    assert (line.room(), sender.told) == (1_500, 0), "it has not waited"
    line.send(bytes(1_500))
    line.taken(1)
    assert (line.room(), sender.told) == (1, 1)


def test_an_empty_write_is_no_end_of_stream():
    """httpcore writes b"" after a body; delivered, h11 takes it for the end of the stream."""
    alone = Alone()
    line, ear = pipe(alone)
    line.send(b"")
    line.send(b"a")
    line.send(b"")
    line.send(b"b")
    let_pass(alone)
    assert [what for _, what in ear.heard] == [b"a", b"b"]


def test_the_end_comes_after_the_data_and_nothing_after_it():
    alone = Alone()
    line, ear = pipe(alone, jitter_ms=30)
    line.send(b"a")
    line.send(b"b")
    line.finish()
    line.finish()
    line.send(b"too late")
    let_pass(alone)
    assert [what for _, what in ear.heard] == [b"a", b"b", "end"]


def test_a_stall_delivers_all_of_it_later():
    alone = Alone()
    line, ear = pipe(alone)
    alone.at(0, lambda: line.send(b"under way"))
    alone.at(5, lambda: line.stall(500 * MILLISECOND))
    alone.at(100, lambda: line.send(b"meanwhile"))
    alone.at(495, lambda: line.send(b"at last"))
    alone.at(600, lambda: line.send(b"as ever"))
    let_pass(alone)
    assert ear.heard == [
        (500, b"under way"),
        (500, b"meanwhile"),
        (505, b"at last"),
        (610, b"as ever"),
    ]


def test_a_second_stall_does_not_shorten_the_first():
    alone = Alone()
    line, ear = pipe(alone)
    line.stall(500 * MILLISECOND)
    line.stall(100 * MILLISECOND)
    line.send(b"a")
    let_pass(alone)
    assert ear.heard == [(500, b"a")]


def test_a_stall_may_be_prolonged():
    alone = Alone()
    line, ear = pipe(alone)
    line.stall(500 * MILLISECOND)
    line.send(b"a")
    alone.at(400, lambda: line.stall(900 * MILLISECOND))
    let_pass(alone)
    assert ear.heard == [(900, b"a")]


def test_a_half_open_pipe_delivers_nothing_and_tells_nobody():
    alone = Alone()
    line, ear = pipe(alone)
    alone.at(0, lambda: line.send(b"delivered"))
    alone.at(20, lambda: line.send(b"under way"))
    alone.at(25, line.drop)
    alone.at(30, lambda: line.send(b"after"))
    alone.at(40, line.finish)
    let_pass(alone)
    assert ear.heard == [(10, b"delivered")]


def test_a_reset_is_told_at_once_and_loses_what_was_under_way():
    alone = Alone()
    line, ear = pipe(alone)
    alone.at(0, lambda: line.send(b"delivered"))
    alone.at(20, lambda: line.send(b"under way"))
    alone.at(25, line.reset)
    alone.at(30, lambda: line.send(b"after"))
    let_pass(alone)
    assert ear.heard == [(10, b"delivered"), (25, "reset")]


def test_bytes_that_come_before_the_accept_wait_for_it():
    alone = Alone()
    line, ear = pipe(alone, attach=False)
    line.send(b"early")
    line.finish()
    alone.at(70, lambda: line.attach(ear))
    let_pass(alone)
    assert ear.heard == [(70, b"early"), (70, "end")]


def test_a_reset_before_the_accept_is_told_after_it():
    alone = Alone()
    line, ear = pipe(alone, attach=False)
    line.reset()
    alone.at(70, lambda: line.attach(ear))
    let_pass(alone)
    assert ear.heard == [(70, "reset")]


def test_a_mark_is_reached_with_the_last_byte_before_it():
    alone = Alone()
    line, _ = pipe(alone)
    reached = []
    line.mark(lambda _: reached.append(("nothing sent", alone.now_s)))
    line.send(b"a")
    line.mark(lambda _: reached.append(("a", alone.now_s)))
    alone.at(5, lambda: line.send(b"b"))
    let_pass(alone)
    assert reached == [("nothing sent", 0), ("a", 0.010)]


@pytest.mark.parametrize("end", ["drop", "reset", "finish"])
def test_what_is_sent_too_late_is_never_delivered(end):
    alone = Alone()
    line, _ = pipe(alone)
    reached = []
    line.send(b"a")
    alone.at(20, getattr(line, end))
    alone.at(21, lambda: line.send(b"b"))
    alone.at(22, lambda: line.mark(lambda _: reached.append("b")))
    let_pass(alone)
    assert reached == []


def test_a_day_on_the_line_is_no_trouble():
    alone = Alone()
    line, ear = pipe(alone, latency_ms=3_600_000)
    line.send(b"slow")
    let_pass(alone, DAY_S - 1)
    assert ear.heard == [(3_600_000, b"slow")]
