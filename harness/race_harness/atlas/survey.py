"""The survey: runs, release by release, what the record does not have yet."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from packaging.version import InvalidVersion, Version

from race_harness.atlas.cells import HEAD, Cell
from race_harness.atlas.known import recorded_cell
from race_harness.campaign.campaign import run_campaign
from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.environments.ahead import Ahead
from race_harness.environments.releases import published
from race_harness.model.errors import (
    ClientUnavailable,
    OutOfReach,
    UsageError,
    WorldBroken,
)
from race_harness.model.schedule import Schedule
from race_harness.store.series import Series
from race_harness.store.store import CampaignRecord


def releases_between(text: str) -> list[str]:
    """The final releases of `A..B`, oldest first, ends included; an end that is left out is open.

    Raises:
        UsageError: it is no such range, or none is in it.
        ClientUnavailable: the index does not answer.
    """
    first, dots, last = text.partition("..")
    try:
        low, high = (Version(end) if end else None for end in (first, last if dots else first))
    except InvalidVersion:
        raise UsageError(f"{text!r} is no range of releases: write 1.10.0..1.24.0") from None
    found = sorted(
        release.version
        for release in published()
        if not release.version.is_prerelease
        and not release.yanked
        and (low is None or low <= release.version)
        and (high is None or release.version <= high)
    )
    if not found:
        raise UsageError(f"no release is in {text}")
    return [str(version) for version in found]


class Survey:
    """What is the same for all its cells.

    Args:
        schedules: those of each scenario, the same for every release.
        record: where each trial goes, so that a survey that ends early goes on where it was.
        seed: that of the schedules.
        own: scenarios whose schedules go into the record with each trial, since no seed gives
            them to whoever has not their file.
        jobs: how many trials run at once.
        progress: hears of environments that are built.
    """

    def __init__(
        self,
        schedules: Mapping[str, Sequence[Schedule]],
        record: CampaignRecord,
        *,
        seed: int,
        own: Collection[str] = (),
        jobs: int,
        progress: Callable[[str], None],
    ) -> None:
        self._schedules = schedules
        self._record = record
        self._seed = seed
        self._own = own
        self._jobs = jobs
        self._progress = progress

    def cells(self, releases: Sequence[str], known: Sequence[Cell] = ()) -> Iterator[Cell]:
        """Those of all scenarios on all releases, in this order; `known` ones are not run.

        A release that cannot be had, or that breaks the simulation, has cells that say why.

        Raises:
            OutOfReach: the index does not answer, or the cache cannot be written.
            UsageError: the record cannot be written.
        """
        found = {(cell.release, cell.scenario): cell for cell in known}
        missing = {
            release: [name for name in self._schedules if (release, name) not in found]
            for release in releases
        }
        with Ahead() as ahead:
            # The builder is at the release that is needed next, which is then waited for, or
            # beyond it.
            ahead.want([release for release in releases if missing[release]])
            for position, release in enumerate(releases):
                run = self._run(release, position, missing[release])
                found.update(((release, cell.scenario), cell) for cell in run)
                yield from (found[release, name] for name in self._schedules)

    def _run(self, release: str, position: int, names: Sequence[str]) -> Iterator[Cell]:
        if not names:
            return
        try:
            client = find_client(release, self._progress)
        except OutOfReach:
            # It says nothing of the release: the survey ends, and goes on another time.
            raise
        except ClientUnavailable as error:
            for name in names:
                yield self._skipped(self._never_begun(release, position, name), str(error))
            return
        left = list(names)
        while left:
            for cell in self._until_broken(client, release, position, tuple(left)):
                left.remove(cell.scenario)
                yield cell

    def _until_broken(
        self, client: ClientUnderTest, release: str, position: int, names: Sequence[str]
    ) -> Iterator[Cell]:
        """Cells as they come. After one that breaks the simulation, the workers are no good."""
        under_way = None
        try:
            with client.workers(self._jobs) as workers:
                workers.wait_ready()
                for name in names:
                    drawn = self._schedules[name]
                    under_way = client.series(
                        workers.server_version,
                        name,
                        seed=self._seed,
                        position=position,
                        drawn=True,
                        reps=len(drawn),
                    )
                    series = self._record.series(under_way)
                    place = self._record.store, series.id, release, name
                    own = name in self._own
                    run_campaign(
                        *(client, drawn[:HEAD], workers),
                        failures=None,
                        series=series,
                        keeps_schedules=own,
                    )
                    head = recorded_cell(*place, len(drawn))
                    if len(drawn) > HEAD and not head.hangs:
                        run_campaign(
                            *(client, drawn, workers),
                            start=HEAD,
                            failures=None,
                            series=series,
                            keeps_schedules=own,
                        )
                    yield recorded_cell(*place, len(drawn))
        except (ClientUnavailable, WorldBroken) as error:
            # The last line of a traceback is the one that says what happened.
            reason = str(error).strip().splitlines()[-1]
            if under_way is not None:
                yield self._skipped(under_way, reason)
            else:
                for name in names:
                    yield self._skipped(self._never_begun(release, position, name), reason)

    def _never_begun(self, release: str, position: int, name: str) -> Series:
        return Series(
            *(position, release, release, "sim", "fake", release, name),
            seed=self._seed,
            drawn=True,
            reps=len(self._schedules[name]),
        )

    def _skipped(self, series: Series, reason: str) -> Cell:
        self._record.skip(series, reason)
        return Cell(series.client, series.scenario, skipped=reason)
