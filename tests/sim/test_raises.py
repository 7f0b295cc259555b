"""Where in a trial an exception was raised first."""

import threading

from alone import Alone

from race_harness.sim.raises import RaisedAt, Raises


def fails():
    raise KeyError("missing")


def passed_on():
    try:
        fails()
    except KeyError:
        raise


def looked_at(program):
    """What was raised in a trial, as told at once, and what each exception says of itself."""
    alone = Alone()
    told, caught = [], []

    def watched():
        with Raises(
            alone.kernel, lambda at, frame, _error: told.append((at, frame.f_lineno))
        ).watched():
            program(caught)

    alone.run(watched)
    return told, [RaisedAt.of(error) for error in caught]


def test_an_exception_is_told_once_and_knows_where_it_came_from():
    def program(caught):
        for _ in range(2):
            try:
                passed_on()
            except KeyError as error:
                caught.append(error)

    told, marked = looked_at(program)
    assert [at for at, _ in told] == marked
    assert [(at.function, at.nth, at.line == line) for at, line in told] == [
        ("fails", 1, True),
        ("fails", 2, True),
    ]


def test_threads_count_for_themselves():
    def program(caught):
        def body():
            try:
                fails()
            except KeyError as error:
                caught.append(error)

        threads = [threading.Thread(target=body) for _ in range(2)]
        for thread in threads:
            thread.start()
            thread.join()

    _, marked = looked_at(program)
    assert [(at.strand, at.nth) for at in marked] == [(1, 1), (2, 1)]


def test_what_was_raised_unseen_is_not_known():
    assert RaisedAt.of(KeyError()) is None
