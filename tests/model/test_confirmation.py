"""What counts as confirmed, and what comes first."""

import pytest

from race_harness.model.combination import REAL_FAKE, REAL_REAL, SIM_FAKE, SIM_REAL, Combination
from race_harness.model.confirmation import (
    Confirmation,
    by_itself,
    decides,
    rank,
    reproduced_where_it_counts,
    tally,
)


def tried(reproduced: int, tries: int = 5) -> Confirmation:
    return Confirmation(tries, reproduced, {"late": reproduced}, "1.58.0", "1.58.0")


NOT_TRIED = Confirmation(0, 0, {}, "1.58.0", reason="no server")


def test_the_json_form_has_the_rate() -> None:
    assert tried(2).to_dict() == {
        "tries": 5,
        "reproduced": 2,
        "verdicts": {"late": 2},
        "resolved_version": "1.58.0",
        "server_version": "1.58.0",
        "reason": None,
        "rate": 0.4,
    }
    assert NOT_TRIED.to_dict()["rate"] is None
    for one in (tried(2), NOT_TRIED):
        assert Confirmation.from_dict(one.to_dict()) == one


@pytest.mark.parametrize(
    ("combination", "counts"),
    [
        (SIM_REAL, True),
        (REAL_REAL, True),
        (SIM_FAKE, False),
        (REAL_FAKE, False),
        (Combination("real", "own"), True),
        (Combination("sim", "own"), False),
    ],
    ids=str,
)
def test_only_where_no_model_is_at_work_it_counts(combination: Combination, counts: bool) -> None:
    assert decides(combination) == counts
    assert reproduced_where_it_counts({str(combination): tried(1)}) == counts


def test_one_of_many_tries_is_enough_and_none_is_not() -> None:
    assert reproduced_where_it_counts({"sim×real": tried(0), "real×real": tried(1)})
    assert not reproduced_where_it_counts({"sim×real": tried(0)})
    assert not reproduced_where_it_counts({"sim×real": NOT_TRIED, "real×fake": tried(5)})
    assert not reproduced_where_it_counts({})


def test_confirmed_first_and_refuted_last() -> None:
    confirmed, unknown, refuted = {"sim×real": tried(5)}, {}, {"sim×real": tried(0)}
    lacking = {"sim×real": NOT_TRIED}
    assert sorted([refuted, lacking, confirmed, unknown], key=rank) == [
        confirmed, lacking, unknown, refuted,
    ]  # fmt: skip


def test_a_failure_that_was_found_there_needs_no_other_try() -> None:
    found = by_itself(SIM_REAL, ("late", "early"), "1.58.0", "1.58.0")
    assert found == {"sim×real": Confirmation(1, 1, {"late": 1, "early": 1}, "1.58.0", "1.58.0")}
    assert by_itself(REAL_FAKE, ("late",), "1.58.0", None).keys() == {"real×fake"}
    for usual in (SIM_FAKE, Combination("sim", "own")):
        assert by_itself(usual, ("late",), "1.58.0", "1.58.0") == {}


def test_every_verdict_of_every_try_is_counted() -> None:
    assert tally([("late", "early"), ("ok",), ("late",)]) == {"late": 2, "early": 1, "ok": 1}
