"""A hunt on one client: distinct failures, each kept, and what comes to be known of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from race_harness.campaign.campaign import examine, keep
from race_harness.campaign.elsewhere import Confirmer, try_on_real_server
from race_harness.campaign.nearest import nearest_in_words
from race_harness.campaign.progress import Progress
from race_harness.campaign.resolve import ClientUnderTest
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search.families import STALLS
from race_harness.search.for_tests import scenario_of
from race_harness.search.hunting import Finding, Tally, add_faults, hunt
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers


def in_scenarios(
    scenarios: Sequence[Scenario], families: Sequence[str]
) -> Callable[[Workers], Sequence[Scenario]]:
    """Search in these, with faults of the families added; in faults alone where there are none."""

    def chosen(workers: Workers) -> Sequence[Scenario]:
        if not families:
            return scenarios
        lines = workers.source_lines() if STALLS in families else []
        return add_faults(scenarios, families, lines)

    return chosen


def in_tests(families: Sequence[str], *, stalls: bool) -> Callable[[Workers], Sequence[Scenario]]:
    """Search in the portfolio of each test that the workers have collected."""

    def chosen(workers: Workers) -> Sequence[Scenario]:
        lines = workers.source_lines() if stalls else ()
        return [scenario_of(test, lines, families) for test in workers.tests]

    return chosen


class FailureHunt:
    """A hunt on one client. What it has found can be read after an interrupt, too.

    `confirm`: whether each failure of an openhands-sdk is tried on the real server.
    """

    def __init__(
        self,
        client: ClientUnderTest,
        record: CampaignRecord,
        progress: Progress,
        *,
        seed: int,
        confirm: bool,
    ) -> None:
        self.client = client
        self._record = record
        self._progress = progress
        self._seed = seed
        self._confirms = confirm and client.is_confirmed_beside_real
        self.findings: list[tuple[Finding, Path]] = []
        """Each with its file."""
        self.tally = Tally()
        self.not_run: list[str] = []
        """Why trials were not run at all, one entry for each."""

    def run(
        self,
        scenarios: Callable[[Workers], Sequence[Scenario]],
        *,
        examples: int | None,
        seconds: float,
        on_begin: Callable[[], None],
        on_found: Callable[[Failure, Path], None],
    ) -> None:
        """Search in the scenarios, which may depend on what workers that are ready tell.

        At most so many schedules (None: no limit), and for so many wall seconds.

        Raises:
            WorldBroken: a trial left its world.
            UsageError: a failure file or the record cannot be written.
        """
        client = self.client
        with (
            self._progress.bar(f"{client.resolved_version:>10} hunt", 0) as bar,
            client.workers() as workers,
            Confirmer(self._progress.step, record=self._record) as confirmer,
        ):
            workers.wait_ready()
            bar.begin()
            chosen = scenarios(workers)
            on_begin()
            try:
                for found in hunt(
                    chosen,
                    lambda schedule: self._examined(workers, schedule),
                    seed=self._seed,
                    examples=examples or 10**9,
                    seconds=seconds,
                    tally=self.tally,
                    in_real_time=client.combination.in_real_time,
                ):
                    path = self._kept(workers, found)
                    failure = self._looked_into(workers, confirmer, found.failure, path)
                    self.findings[-1] = replace(found, failure=failure), path
                    on_found(failure, path)
            except KeyboardInterrupt:
                if self.tally.unfinished is not None:
                    self._kept(workers, self.tally.unfinished)
                raise

    def _series(self, workers: Workers, schedule: Schedule) -> SeriesRecord:
        return self._record.series(
            self.client.series(
                workers.server_version, schedule.scenario, seed=self._seed, drawn=False
            )
        )

    def _examined(self, workers: Workers, schedule: Schedule) -> Failure:
        failure = examine(self.client, workers, schedule, self._series(workers, schedule))
        if failure.void is not None and failure.void.kind == "not-run":
            self.not_run.append(failure.void.says)
        return failure

    def _kept(self, workers: Workers, found: Finding) -> Path:
        path = keep(found.failure, series=self._series(workers, found.failure.schedule))
        self.findings.append((found, path))
        return path

    def _looked_into(
        self, workers: Workers, confirmer: Confirmer, failure: Failure, path: Path
    ) -> Failure:
        """With what comes to be known of it, which is kept as it comes."""
        series = self._series(workers, failure.schedule)
        if not self.client.combination.in_real_time:
            told = nearest_in_words(self.client, workers, failure.schedule, series)
            failure = replace(failure, neighbour=told)
            keep(failure, series=series)
        if self._confirms:
            failure = try_on_real_server(confirmer, failure, path)
            series.failure(failure, path)
        return failure
