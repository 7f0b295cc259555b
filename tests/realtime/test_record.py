"""What two processes and many threads record becomes one trace, in the order of time."""

import threading

from race_harness.model.trace import Happening
from race_harness.realtime.record import SharedTrace, digest_of, in_order


def at(at_ns, what, **detail):
    return Happening(at_ns, "client", what, detail)


def names(happenings):
    return [happening.what for happening in happenings]


def test_happenings_are_sorted_by_time():
    told = [at(1, "one"), at(5, "five"), at(3, "three, told late"), at(7, "seven")]
    assert names(in_order(told, 9)) == ["one", "three, told late", "five", "seven"]


def test_what_was_recorded_first_is_first_among_equals():
    told = [at(5, "b"), at(5, "a"), at(2, "x"), at(5, "c")]
    assert names(in_order(told, 9)) == ["x", "b", "a", "c"]


def test_what_happens_after_the_end_is_of_no_trial():
    told = [at(1, "in time"), at(5, "just in time"), at(6, "after it")]
    assert names(in_order(told, 5)) == ["in time", "just in time"]


def test_a_stamp_of_before_counts_not_the_time_of_telling():
    now = iter(range(10, 20))
    trace = SharedTrace(lambda: next(now))
    returned_ns = trace.now_ns()
    trace.record("server", "persisted")
    trace.record("client", "run-returned", at_ns=returned_ns)
    assert names(in_order(trace.happenings, 99)) == ["run-returned", "persisted"]


def test_listeners_are_called_one_at_a_time_and_may_record():
    trace, inside, most = SharedTrace(lambda: 0), [], []

    def listen(happening):
        inside.append(happening)
        most.append(len(inside))
        if happening.what == "first":
            trace.record("network", "of a listener")
            inside.pop()
            return
        inside.pop()

    trace.listeners.append(listen)
    threads = [
        threading.Thread(target=lambda: [trace.record("client", "first") for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Two: what a listener records itself is told within its call.
    assert max(most) == 2
    assert names(trace.happenings).count("of a listener") == 800


def test_the_digest_is_of_what_happened_and_in_which_order():
    first = [at(1, "persisted", event="a", kind="X"), at(2, "visible", event="a", peer=1)]
    again = [at(4, "persisted", event="b", kind="X"), at(9, "visible", event="b", peer=7)]
    assert digest_of(first) == digest_of(again)
    other = [at(4, "persisted", event="b", kind="Y"), again[1]]
    assert len({digest_of(first), digest_of(other), digest_of(again[::-1])}) == 3
