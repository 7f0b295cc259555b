"""A small client's source, for the tests of what happens at its lines. None of it ever blocks."""

import asyncio
import functools
import threading


class Counter:
    """Two threads that count without a lock lose some, if they are switched in between."""

    def __init__(self):
        self.value = 0
        self.lock = threading.Lock()

    def add(self):
        seen = self.value
        self.value = seen + 1

    def add_locked(self):
        with self.lock:
            seen = self.value
            self.value = seen + 1


def count(locked):
    """Two, unless an update is lost."""
    counter = Counter()
    both = threading.Barrier(2)

    def work():
        both.wait()
        if locked:
            counter.add_locked()
        else:
            counter.add()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counter.value


def steps(log):
    log("one")
    log("two")
    for _ in range(3):
        log("again")


def other_steps(log):
    log("one")


async def tick(log):
    for _ in range(3):
        log("tick")
        await asyncio.sleep(0.01)


async def tock(log):
    for _ in range(3):
        log("tock")
        await asyncio.sleep(0.01)


async def tick_and_tock(log):
    await asyncio.gather(tick(log), tock(log))


def numbers():
    yield 1
    yield 2


def sum_of_numbers():
    return sum(numbers())


def decorate(function):
    @functools.wraps(function)
    def decorated(*values):
        return function(*values)

    return decorated


class Everything:
    """A function of each kind, each line of which `use` runs."""

    @property
    def shown(self):
        return "shown"

    @functools.cached_property
    def kept(self):
        return "kept"

    @staticmethod
    def static():
        return "static"

    @classmethod
    def of_class(cls):
        return "class"

    @decorate
    def decorated(self, value):
        def inner():
            return (
                value,
                [item for item in range(2)],  # noqa: C416
            )

        try:
            return inner()
        finally:
            value = None

    @functools.lru_cache(1)  # noqa: B019
    def remembered(self):
        return (lambda: "remembered")()


def use(everything):
    with threading.Lock():
        found = [everything.shown, everything.kept, everything.static(), everything.of_class()]
    found.append(everything.decorated(1))
    found.append(everything.remembered())
    return found
