"""Which pairs of lines look promising, and in which order."""

from typing import Any

from race_harness.model.source_line import SourceLine
from race_harness.search.promising import Stalled, course_of, promising_pairs


def stalled(text: str, thread: str, *shared: str, changed: bool = False) -> Stalled:
    return Stalled(SourceLine("f", text, "f.py", 1, shared), thread, changed)


def pairs(*lines: Stalled) -> list[str]:
    return [f"{one.text} {other.text}" for one, other in promising_pairs(lines)]


def test_lines_of_one_thread_are_no_pair() -> None:
    one, other = (stalled(text, "main", "count", changed=True) for text in "ab")
    assert pairs(one, other) == []


def test_lines_that_have_nothing_to_do_with_each_other_are_none() -> None:
    assert pairs(stalled("a", "main", "x", changed=True), stalled("b", "t", "y")) == []


def test_a_name_in_common_or_another_order_of_both() -> None:
    assert pairs(stalled("a", "main", "x", "y"), stalled("b", "t", "y")) == ["a b"]
    changing = [stalled(text, text, changed=True) for text in "ab"]
    assert pairs(*changing) == ["a b"]


def test_the_most_promising_come_first() -> None:
    lines = [
        stalled("a", "main", changed=True),
        stalled("b", "t", "x"),
        stalled("c", "main", "x", "y", changed=True),
        stalled("d", "t", "y", changed=True),
    ]
    assert pairs(*lines) == ["c d", "b c", "a d"]


def happening(what: str, at_ms: float, **detail: Any) -> dict[str, Any]:
    return {"lane": "client", "what": what, "at_ms": at_ms, **detail}


def test_a_course_is_what_happened_without_its_times() -> None:
    course = course_of([happening("callback", 1.0, event="e"), happening("visible", 2.0)])
    later = [
        happening("line-stalled", 0.5, for_ms=50.0),
        happening("callback", 7.0, event="e"),
        happening("visible", 9.0),
    ]
    assert course_of(later) == course
    assert course_of(reversed(later)) != course
    assert course_of([happening("callback", 1.0, event="f"), later[-1]]) != course
