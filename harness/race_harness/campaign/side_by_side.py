"""The fake against the real server: the same schedules on both, in the simulation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import batched, groupby, islice
from typing import Any

from race_harness.campaign.progress import Progress
from race_harness.campaign.resolve import find_client
from race_harness.conformance.compare import Difference, compare
from race_harness.conformance.labels import delivered, labels_of, recorded, timed_labels_of
from race_harness.conformance.shapes import Bodies
from race_harness.conformance.suite import CASES, LINKS
from race_harness.model.combination import SIM_FAKE, unavailable
from race_harness.model.errors import UsageError
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening
from race_harness.model.verdict import TrialResult
from race_harness.search.draw import draw_schedules
from race_harness.server.profile import Profile
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import OUTSTANDING, Workers, jobs_in
from race_harness.workers.protocol import WholeTrial

SCENARIO = "conformance"
FAMILIES = ("latency", "socket", "rest", "caller", "script", "order", "others")


@dataclass(frozen=True)
class Compared:
    """The results of one schedule on both."""

    name: str
    fake: tuple[str, ...]
    """Verdicts; `("void",)` for a trial without any."""
    real: tuple[str, ...]
    same_order: bool
    """Whether both did and said the same in the same order."""
    same_instants: bool
    """Whether both did the same in each microsecond of virtual time, in any order within it:
    timers of an event loop are late by nanoseconds, and threads that sleep are not."""
    differences: tuple[Difference, ...]

    @property
    def same_verdicts(self) -> bool:
        return self.fake == self.real

    @property
    def matter(self) -> tuple[Difference, ...]:
        """The differences that a verdict could depend on."""
        return tuple(each for each in self.differences if each.could_matter)


def drawn(seed: int, number: int) -> Iterator[tuple[str, Schedule]]:
    """`number` schedules of the fault families that the real server can run, each with a name."""
    streams = [_of_family(family, seed, number) for family in FAMILIES]
    turns = (each for turn in zip(*streams, strict=True) for each in turn)
    fit = (named for named in turns if not unavailable(named[1], "sim", "real"))
    yield from islice(fit, number)


def _of_family(family: str, seed: int, number: int) -> Iterator[tuple[str, Schedule]]:
    from hypothesis import strategies as st

    from race_harness.search.fault_strategies import with_faults

    strategy = with_faults(st.just(Schedule(SCENARIO, network=LINKS)), [family])
    scenario = Scenario(SCENARIO, family, lambda: strategy)
    for n, schedule in enumerate(draw_schedules(scenario, seed, number), 1):
        # Who flips the status while snapshots are on their way leaves the rules behind.
        yield f"{family} {n}", replace(schedule, others=schedule.others[:1])


def conform(
    schedules: Iterable[tuple[str, Schedule]],
    fake: Workers,
    real: Workers,
    *,
    series: tuple[SeriesRecord | None, SeriesRecord | None] = (None, None),
    at_once: int = 1,
) -> Iterator[Compared]:
    """Run each schedule on both servers and compare, in order. Both workers must be ready, and of
    the same client.

    `series`: record the trials on the fake and those on the real server.
    `at_once`: how many trials are in memory at once.

    Raises:
        WorldBroken: a trial left the simulation.
    """
    profile = Profile.of(fake.server_version)
    for named in batched(schedules, at_once):
        on_fake, on_real = (
            _ran(workers, [schedule for _, schedule in named], where)
            for workers, where in zip((fake, real), series, strict=True)
        )
        for (name, _), *both in zip(named, on_fake, on_real, strict=True):
            yield _compared(name, profile, *both)


@dataclass(frozen=True)
class Conformed:
    """The results of comparing one client's servers."""

    resolved_version: str
    server_version: str
    compared: tuple[Compared, ...]


def conform_client(
    client: str,
    *,
    seed: int,
    schedules: int,
    jobs: int | None = None,
    record: CampaignRecord,
    progress: Progress,
) -> Conformed:
    """Compare the servers of a client's release on all named schedules and on drawn ones.

    `jobs`: how many trials run at once; None: one for each core.

    Raises:
        ClientUnavailable: the client, or its server, is not available.
        UsageError: the client has no agent server of its own.
        WorldBroken: a trial left the simulation.
    """
    real = find_client(client, progress.step, server="real")
    if not real.is_sdk:
        raise UsageError(f"{client} has no agent server of its own: name an openhands-sdk")
    # The same environment, so that only the server differs.
    fake = replace(real, combination=SIM_FAKE)
    compared: list[Compared] = []
    at_once = jobs_in("sim", jobs)
    with (
        progress.bar(f"{real.resolved_version} conform", len(CASES) + schedules) as bar,
        fake.workers(at_once) as on_fake,
        real.workers(at_once) as on_real,
    ):
        on_fake.wait_ready()
        on_real.wait_ready()
        series = (
            record.series(fake.series(on_fake.server_version, SCENARIO, seed=seed, drawn=False)),
            record.series(real.series(on_real.server_version, SCENARIO, seed=seed, drawn=False)),
        )
        bar.begin()
        named = [*CASES.items(), *drawn(seed, schedules)]
        for each in conform(named, on_fake, on_real, series=series, at_once=OUTSTANDING * at_once):
            compared.append(each)
            bar.advance(passed=not each.matter)
        return Conformed(real.resolved_version, on_real.server_version, tuple(compared))


class _Ran:
    """A trial on one of the servers."""

    def __init__(self, result: TrialResult, whole: WholeTrial, bodies: dict[str, Any]) -> None:
        self.verdicts = _verdicts(result)
        self.happenings = delivered(recorded(whole.happenings))
        self.labels = labels_of(self.happenings)
        self.bodies = Bodies.from_dict(bodies)


def _ran(
    workers: Workers, schedules: Sequence[Schedule], series: SeriesRecord | None
) -> list[_Ran]:
    ended = None if series is None else series.batch(schedules)
    return [_Ran(*told) for told in workers.run_with_bodies(schedules, ended)]


def _compared(name: str, profile: Profile, fake: _Ran, real: _Ran) -> Compared:
    return Compared(
        name=name,
        fake=fake.verdicts,
        real=real.verdicts,
        same_order=fake.labels == real.labels,
        same_instants=_instants(fake.happenings) == _instants(real.happenings),
        differences=compare(fake.labels, real.labels, profile, (fake.bodies, real.bodies)),
    )


def _verdicts(result: TrialResult) -> tuple[str, ...]:
    return ("void",) if result.void is not None else result.verdicts


def _instants(happenings: list[Happening]) -> list[tuple[int, list[str]]]:
    """What happened in each microsecond, sorted."""
    return [
        (at_us, sorted(str(label) for _, label in group))
        for at_us, group in groupby(
            timed_labels_of(happenings), key=lambda each: round(each[0] / 1000)
        )
    ]


def summary(compared: Iterable[Compared]) -> Mapping[str, int]:
    """How many of how many, by what is the same."""
    everything = list(compared)
    return {
        "schedules": len(everything),
        "same_verdicts": sum(each.same_verdicts for each in everything),
        "same_order": sum(each.same_order for each in everything),
        "same_instants": sum(each.same_instants for each in everything),
        "that_matter": sum(bool(each.matter) for each in everything),
    }
