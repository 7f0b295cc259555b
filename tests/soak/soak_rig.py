"""A soak without workers: its trials are a function of scenario, client and number."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement, TrialResult
from race_harness.soak.bench import Chunk, Work
from race_harness.soak.plan import Plan, PlannedClient
from race_harness.soak.work import Soak
from race_harness.store.series import Key, Series, SeriesRecord
from race_harness.store.store import CampaignRecord

Verdict = Callable[[Key, int], str]
"""`ok`, `void`, or what a trial fails with: the verdict, and after a space what it says."""

PLAN = Plan(
    (PlannedClient("a", "1.0"), PlannedClient("b", "2.0")), ("one", "two"), seed=3, reps=250
)


def all_ok(_key: Key, _number: int) -> str:
    return "ok"


def ended(key: Key, number: int, said: str) -> tuple[TrialResult, Failure | None]:
    verdict = said.partition(" ")[0]
    digest = f"{key.scenario}{key.position}-{number:05}"
    if said == "void":
        return TrialResult(number, (), "", 0.0, 1.0, void=Void("unreached", "it was void")), None
    result = TrialResult(number, (verdict,), digest, 1.0 + number % 7, 1.0)
    if said == "ok":
        return result, None
    judgement = Judgement((verdict,), (Evidence(verdict, said),))
    client = PLAN.clients[key.position]
    schedule = Schedule(key.scenario, number)
    whole = Failure(
        *(schedule, judgement, digest, client.argument, client.resolved_version, "fake", "sim"),
        happenings=(),
        stacks={},
    )
    return result, whole


class Disorderly:
    """A bench with room for so many chunks, which ends their trials in any order, and some of
    them twice."""

    def __init__(self, verdict: Verdict = all_ok, *, room: int = 1, seed: int = 0) -> None:
        self._verdict = verdict
        self._room = room
        self._coin = Random(seed)
        self.taken: list[Chunk] = []

    def server_version(self, position: int) -> str:
        return ""

    def run(self, work: Work) -> None:
        held: list[tuple[Chunk, int]] = []
        while not work.over:
            while len({chunk for chunk, _ in held}) < self._room:
                chunk = work.take()
                if chunk is None:
                    break
                self.taken.append(chunk)
                held += [(chunk, number) for number in chunk.numbers]
            if not held:
                return
            chunk, number = held.pop(self._coin.randrange(len(held)))
            for _ in range(self._coin.choice((1, 1, 2))):
                result, failure = ended(chunk.key, number, self._verdict(chunk.key, number))
                work.hear(chunk, result, failure)


def records(campaign: CampaignRecord, plan: Plan = PLAN) -> dict[Key, SeriesRecord]:
    first = Series(0, "", "", "sim", "fake", "", "", plan.seed, drawn=True, reps=plan.reps)
    return {
        key: campaign.series(
            replace(
                first,
                position=key.position,
                client=plan.clients[key.position].argument,
                resolved_version=plan.clients[key.position].resolved_version,
                scenario=key.scenario,
            )
        )
        for key in plan.keys
    }


def run(campaign: CampaignRecord, bench: Disorderly, folder: Path, plan: Plan = PLAN) -> Soak:
    soak = Soak(plan, records(campaign, plan), failures=folder)
    bench.run(soak)
    return soak
