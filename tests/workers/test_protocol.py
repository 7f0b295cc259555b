"""What the two sides tell each other arrives as it was, whatever it quotes."""

import pytest

from race_harness.model.errors import UsageError, WorldBroken
from race_harness.model.evidence import Evidence
from race_harness.model.outcome import Void
from race_harness.model.schedule import Fault, Network, Schedule
from race_harness.model.verdict import TrialResult
from race_harness.workers.protocol import (
    Answer,
    ListLines,
    Ready,
    Request,
    RunTrial,
    SourceLines,
    TrialDone,
    Trouble,
    WholeTrial,
    answer_of,
    encode,
    request_of,
)

SCHEDULE = Schedule("any", network=Network(faults=(Fault("reset"),)))
WHOLE = WholeTrial(
    happenings=({"at_ms": 0.5, "lane": "client", "what": "run-called", "call": 1},),
    evidence=(Evidence("late", "seen-late", ({"id": "e", "visible_ms": 2.5},), call=1),),
    notes=("a note",),
    stacks={"main": "File ..."},
)


@pytest.mark.parametrize("request_", [RunTrial(3, SCHEDULE, "failed"), ListLines()])
def test_a_request_arrives_as_it_was(request_: Request) -> None:
    assert request_of(encode(request_)) == request_


@pytest.mark.parametrize(
    "answer",
    [
        Ready("1.58.0", ""),
        Trouble("a lock", 4),
        SourceLines((("Client.run", "return"),)),
        TrialDone(TrialResult(3, ("late",), "d", 1.5, 2.0), WHOLE, {"shapes": [1, None]}),
        TrialDone(TrialResult(3, ("late",), "d", 1.5, 2.0, concerned={"late": 13})),
        TrialDone(TrialResult(4, (), "", 0.0, 0.1, Void("unfit", "pause"))),
    ],
    ids=lambda answer: answer.kind,
)
def test_an_answer_arrives_as_it_was(answer: Answer) -> None:
    assert answer_of(encode(answer)) == answer


def test_what_is_no_text_is_escaped() -> None:
    """Such as an error that quotes a file name in another encoding."""
    assert answer_of(encode(Trouble("no file '\udcff'", 3))) == Trouble("no file '\\udcff'", 3)


def test_a_schedule_that_cannot_be_is_refused() -> None:
    data = encode(RunTrial(0, SCHEDULE)).replace(b'"reset"', b'"explode"')
    with pytest.raises(UsageError, match=r"faults\[0\]\.action"):
        request_of(data)


def test_an_answer_that_is_none_is_an_error_with_a_name() -> None:
    with pytest.raises(WorldBroken, match="a worker sent an answer that cannot be read"):
        answer_of(b'{"kind": "trial-done"}')
