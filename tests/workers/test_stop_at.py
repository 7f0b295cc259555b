"""The grammar of `race debug --at`."""

import sys
from types import ModuleType

import pytest

from race_harness.model.errors import UsageError
from race_harness.sim.source import Function
from race_harness.workers.stop_at import StopAt


class Counter:
    value = 0

    def add(self, amount):
        before = self.value
        self.value = before + amount


@pytest.fixture
def function() -> Function:
    module = sys.modules[__name__]
    assert isinstance(module, ModuleType)
    return Function(Counter.add.__code__, module)


def number_of(function: Function, text: str) -> int:
    return next(number for number, one in function.lines.items() if one == text)


@pytest.mark.parametrize(
    ("written", "is_meant"),
    [
        ("before = self.value", True),
        ("add: before = self.value", True),
        ("Counter.add: before = self.value", True),
        ("Counter.add: before = self.value#2", True),
        ("sub: before = self.value", False),
        ("before = self", False),
        ("self.value = before + amount", False),
    ],
)
def test_a_line_by_its_text(function: Function, written: str, is_meant: bool) -> None:
    at = StopAt.parse(written)
    assert at.is_at(function, number_of(function, "before = self.value"), 0.0) == is_meant


def test_a_line_by_its_number(function: Function) -> None:
    number = number_of(function, "before = self.value")
    for file in ("test_stop_at.py", "workers/test_stop_at.py", __file__):
        at = StopAt.parse(f"{file}:{number}")
        assert at.names(function, number)
        assert not at.names(function, number + 1)
    assert not StopAt.parse(f"stop_at.py:{number}").names(function, number)


@pytest.mark.parametrize("written", ["12.5", "12.5ms", "12.5 ms"])
def test_a_time_is_that_of_the_story_which_is_rounded(function: Function, written: str) -> None:
    at = StopAt.parse(written)
    assert not at.is_at(function, 1, 12.44)
    assert at.is_at(function, 1, 12.46)
    assert at.is_at(function, 1, 99.0)


def test_which_time_it_is(function: Function) -> None:
    assert StopAt.parse("x()").nth == 1
    assert (StopAt.parse("x() #3").nth, StopAt.parse("x() #3").text) == (3, "x()")
    assert StopAt.parse("a.py:7#2").nth == 2


@pytest.mark.parametrize("written", [" ", "x()#0"])
def test_what_means_nothing_is_one_line(written: str) -> None:
    with pytest.raises(UsageError, match="is no moment: write milliseconds"):
        StopAt.parse(written)
