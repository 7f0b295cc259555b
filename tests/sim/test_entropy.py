"""The entropy of a trial: all randomness from one number, for each thread its own."""

import os
import random
import secrets
import tempfile
import threading
import uuid

import pytest
from alone import run_alone

SOURCES = {
    "os.urandom": lambda: os.urandom(16),
    "uuid4": lambda: uuid.uuid4().hex,
    "secrets": lambda: secrets.token_hex(16),
    "secrets.choice": lambda: [secrets.choice(range(1_000)) for _ in range(8)],
    "system-random": lambda: random.SystemRandom().random(),
    "new-random": lambda: random.Random().random(),
    "new-random-seeded-none": lambda: random.Random(None).random(),
    "file-name": lambda: next(tempfile._RandomNameSequence()),
}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


@every_source
def test_the_same_number_gives_the_same(source):
    answers = [run_alone(source, entropy=7) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]


@every_source
def test_another_number_gives_another(source):
    assert len({repr(run_alone(source, entropy=number)) for number in range(10)}) == 10


@every_source
def test_outside_a_trial_it_is_as_random_as_ever(source):
    run_alone(source, entropy=7)
    assert repr(source()) != repr(source())


@every_source
def test_it_does_not_repeat_itself(source):
    one, other = run_alone(lambda: (source(), source()))
    assert repr(one) != repr(other)


def test_the_common_random_numbers_come_from_the_schedule(site):
    def program(url):
        random.seed()  # as some libraries do
        return random.random(), random.sample(range(1000), 5)

    one, same, other = (site.visit(program, entropy=number).value for number in (1, 1, 2))
    assert one == same != other


def test_a_seeded_generator_of_the_client_keeps_its_own_numbers():
    expected = random.Random(5).random()
    assert run_alone(lambda: random.Random(5).random()) == expected


def test_a_threads_use_does_not_shift_what_another_gets():
    def program(busy):
        def work():
            for _ in range(busy):
                os.urandom(8)
            given.append(os.urandom(8))

        given = []
        threads = [threading.Thread(target=work) for _ in range(2)]
        threads[0].start()
        threads[0].join()
        busy = 0
        threads[1].start()
        threads[1].join()
        return given[1], os.urandom(8)

    quiet, busy = run_alone(lambda: program(0)), run_alone(lambda: program(50))
    assert quiet == busy


def test_threads_get_different_numbers():
    def program():
        given = []
        threads = [threading.Thread(target=lambda: given.append(os.urandom(8))) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return given

    assert len(set(run_alone(program))) == 5


@pytest.mark.parametrize("size", [0, 1, 7, 4096])
def test_as_many_bytes_come_as_asked_for(size):
    data = run_alone(lambda: os.urandom(size))
    assert isinstance(data, bytes)
    assert len(data) == size
