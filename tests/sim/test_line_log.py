"""The log of a test's lines, in the order in which they ran."""

import sys

from race_harness.model.trace import Happening
from race_harness.sim.choice.run_until_blocked import RunUntilBlocked
from race_harness.sim.kernel import SECOND, Kernel
from race_harness.sim.line_log import LineLog
from race_harness.sim.source import Function


def work(thing):
    thing.count = thing.count + 1
    thing.items.append(1)
    return thing.other


FUNCTION = Function(work.__code__, sys.modules[__name__])
FIRST, *_, LAST = FUNCTION.lines


def logged(tell):
    """What is in the log after `tell` was called with it in a trial's main thread."""
    kernel = Kernel(RunUntilBlocked(), limit_ns=SECOND)
    log = LineLog(kernel)
    kernel.run(lambda: tell(kernel, log))
    return log.among(tuple(kernel.trace.happenings))


def lines(happenings):
    return [one for one in happenings if one.what == "line"]


def test_lines_stand_between_the_happenings_of_their_time():
    def tell(kernel, log):
        log.tell(FUNCTION, FIRST)
        kernel.trace.record("client", "test-called", call=1)
        log.tell(FUNCTION, LAST)

    first, called, last = logged(tell)
    assert (first.by, first.detail["line"]) == ("MainThread", "thing.count = thing.count + 1")
    assert isinstance(called, Happening)
    assert called.what == "test-called"
    assert last.detail["line"] == "return thing.other"


def test_what_a_line_names_and_what_it_changes():
    def tell(_kernel, log):
        for number in FUNCTION.lines:
            log.tell(FUNCTION, number)

    told = [(one.detail["names"], one.detail["stores"]) for one in logged(tell)]
    assert told == [(["count"], ["count"]), (["items"], ["items"]), (["other"], [])]


def test_another_round_begins_where_a_thread_goes_back():
    def tell(_kernel, log):
        for number in (FIRST, LAST, FIRST, FIRST):
            log.tell(FUNCTION, number)

    assert [one.detail["round"] for one in logged(tell)] == [0, 0, 1, 2]


def test_of_a_loop_the_begin_and_the_end_are_kept():
    def tell(_kernel, log):
        for _ in range(10_000):
            log.tell(FUNCTION, FIRST)

    told = logged(tell)
    assert len(told) == 12
    assert [one.detail.get("skipped", 0) for one in told] == [0] * 6 + [9_988] + [0] * 5


def test_it_is_bounded_and_says_so():
    def tell(_kernel, log):
        for _ in range(50):
            # Each is a function of its own.
            one = Function(work.__code__, sys.modules[__name__])
            functions.append(one)
            for _ in range(10):
                log.tell(one, FIRST)

    functions: list[Function] = []
    told = logged(tell)
    assert len(lines(told)) == 300
    (left_out,) = [one for one in told if one.what == "lines-left-out"]
    assert left_out.detail == {"count": 200}
