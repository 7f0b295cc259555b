"""How much a failure needs."""

from race_harness.model.grade import grade_of, lesser, strategy_of
from race_harness.model.schedule import (
    Fault,
    Interleaving,
    LineStall,
    Link,
    Network,
    RestFault,
    Schedule,
)

STALL = LineStall("f", "x = 1", 1, 5.0)
SLOW = Network(rest=Link(50))
BROKEN = Network(rest=Link(50), faults=(Fault("reset"),))
STALLED = Interleaving(stalls=(STALL,))


def test_grades():
    assert grade_of(Schedule("t", network=SLOW, interleaving=Interleaving(3))) == "order"
    assert grade_of(Schedule("t", network=SLOW, interleaving=STALLED)) == "stall"
    assert grade_of(Schedule("t", network=BROKEN, interleaving=STALLED)) == "fault"
    assert grade_of(Schedule("t", rest=(RestFault("status"),))) == "fault"


def test_what_is_tried_with_less_keeps_all_else():
    slow, stalled, broken, calm = (
        Schedule("t", network=network, interleaving=interleaving)
        for network, interleaving in (
            (SLOW, Interleaving(3)),
            (SLOW, STALLED),
            (BROKEN, STALLED),
            (SLOW, Interleaving()),
        )
    )
    assert list(lesser(slow)) == []
    assert list(lesser(stalled)) == [("order", calm)]
    assert list(lesser(broken)) == [("order", calm), ("stall", stalled)]


def test_strategies_have_names():
    def of(*args, **kwargs):
        return strategy_of(Schedule("t", interleaving=Interleaving(*args, **kwargs)))

    assert of() == "as it is"
    assert of(step_us=10.0) == "as it is"
    assert of(1) == "random walk"
    assert of(1, "pct") == "PCT"
    assert of(1, "pos", at_lines=True) == "POS at lines"
    assert of(stalls=(STALL,)) == "stalls"
