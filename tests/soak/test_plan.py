"""Plans: what belongs to which part, and what stays the same in the record."""

import json
from dataclasses import replace
from itertools import islice

import pytest

from race_harness.model.errors import UsageError
from race_harness.soak.plan import Plan, PlannedClient, Shard, sequential_test
from race_harness.statistics.sequential import SequentialTest
from race_harness.store.series import Key

PLAN = Plan(
    (PlannedClient("latest", "1.58.2"), PlannedClient("reference", "0.1.0")),
    ("clean", "final-events", "cut-at-run"),
    seed=7,
    reps=650,
)
TEST = SequentialTest(0.001, 0.02)


def trials(plan: Plan) -> set[tuple[Key, int]]:
    return {
        (key, number)
        for key in plan.keys
        for batch in plan.batches()
        for number in plan.numbers(batch)
    }


@pytest.mark.parametrize("test", [None, TEST])
@pytest.mark.parametrize("parts", [1, 3, 20])
def test_parts_are_the_whole_and_have_nothing_in_common(
    parts: int, test: SequentialTest | None
) -> None:
    plan = replace(PLAN, test=test)
    shares = [trials(replace(plan, shard=Shard(n, parts))) for n in range(1, parts + 1)]
    assert sum(map(len, shares)) == len(trials(plan)) == 2 * 3 * 650
    assert set().union(*shares) == trials(plan)


def test_a_series_that_is_tested_is_in_one_part_whole() -> None:
    for part in (1, 2):
        plan = replace(PLAN, test=TEST, shard=Shard(part, 2))
        assert len(plan.keys) == 3
        assert list(plan.batches()) == list(range(7))


def test_without_a_number_of_repetitions_there_is_no_end() -> None:
    plan = replace(PLAN, reps=None, test=TEST)
    assert list(islice(plan.batches(), 5)) == [0, 1, 2, 3, 4]
    assert plan.numbers(4) == range(400, 500)


@pytest.mark.parametrize("test", [None, TEST])
def test_it_is_read_as_it_was_written(test: SequentialTest | None) -> None:
    plan = replace(PLAN, test=test)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_parts_are_one_campaign_and_others_are_others() -> None:
    one, two = (replace(PLAN, shard=Shard(n, 2)) for n in (1, 2))
    assert one.identity("tonight") == two.identity("tonight")
    others = [
        one.identity("tomorrow"),
        one.identity(None),
        replace(one, seed=8).identity("tonight"),
        replace(one, shard=Shard(1, 3)).identity("tonight"),
    ]
    assert len({one.identity("tonight"), *others}) == 5
    assert PLAN.identity("tonight") is None


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "a/b", "1/3/5", "-1/3"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)
    assert Shard.parse("2/3") == Shard(2, 3)


def test_the_test_is_about_the_rate_that_is_asked_for() -> None:
    assert sequential_test(None) == sequential_test(1.0) == SequentialTest(0.001, 0.01)
    assert sequential_test(0.9).unacceptable == pytest.approx(0.1)
    assert sequential_test(0.0).unacceptable == 1.0
