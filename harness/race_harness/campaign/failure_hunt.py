"""A hunt on one client: keeps distinct failures, and finds out more about each."""

import shlex
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from race_harness.campaign.campaign import FAILURES, keep, whole_failure
from race_harness.campaign.drawn import drawn_ahead
from race_harness.campaign.elsewhere import Confirmer, try_on_real_server
from race_harness.campaign.progress import Progress, ProgressBar
from race_harness.campaign.resolve import ClientUnderTest
from race_harness.model.errors import WorldBroken
from race_harness.model.failure import Failure
from race_harness.model.file_names import file_name
from race_harness.model.permission import option
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search.chase import BUDGET, Ending, Finding
from race_harness.search.families import STALLS
from race_harness.search.for_tests import scenario_of
from race_harness.search.hunting import Hunting, Tally
from race_harness.search.known_times import OF_SERVERS_S, seconds_in
from race_harness.search.swarm import add_faults
from race_harness.search.turns import turns
from race_harness.server.profile import Profile
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.story.passing import describe
from race_harness.workers.pool import Workers, jobs_in
from race_harness.workers.protocol import RunTrial, TrialDone

_AHEAD = 2
"""Requests that a job has at most: the next ones depend on the results of the last."""


def in_scenarios(
    scenarios: Sequence[Scenario], families: Sequence[str]
) -> Callable[[Workers], Sequence[Scenario]]:
    """Search in these, with faults of the families added; in faults alone where there are none."""

    def chosen(workers: Workers) -> Sequence[Scenario]:
        if not families:
            return scenarios
        lines = workers.source_lines() if STALLS in families else []
        return add_faults(scenarios, families, lines, _known_times(workers))

    return chosen


def _known_times(workers: Workers) -> list[float]:
    """Durations in seconds that the client's source names, and those of its server."""
    files = {Path(place.file) for place in workers.source_places()}
    sources = [path.read_text(errors="replace") for path in files if path.is_file()]
    found = set(OF_SERVERS_S).union(*map(seconds_in, sources))
    if workers.server_version:
        found.add(Profile.of(workers.server_version).first_snapshot_s or OF_SERVERS_S[0])
    return sorted(found)


def in_tests(families: Sequence[str], *, stalls: bool) -> Callable[[Workers], Sequence[Scenario]]:
    """Search in the portfolio of each test that the workers have collected."""

    def chosen(workers: Workers) -> Sequence[Scenario]:
        lines = workers.source_lines() if stalls else ()
        return [scenario_of(test, lines, families) for test in workers.tests]

    return chosen


class FailureHunt:
    """A hunt on one client. What it has found can be read after an interrupt, too.

    `jobs`: trials at once; `budget`: trials for shrinking one failure; `confirm`: whether each
    failure of an openhands-sdk is tried on the real server.
    """

    def __init__(
        self,
        client: ClientUnderTest,
        record: CampaignRecord,
        progress: Progress,
        *,
        seed: int,
        confirm: bool,
        jobs: int | None = None,
        budget: int = BUDGET,
    ) -> None:
        self.client = client
        self._record = record
        self._progress = progress
        self._seed = seed
        self._jobs = jobs_in(client.world, jobs)
        self._budget = budget
        self._confirms = confirm and client.is_confirmed_beside_real
        self.findings: list[tuple[Finding, Path]] = []
        """The findings, each with its file."""
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
        """Search in the scenarios, which may depend on the workers once these are ready.

        It tries at most `examples` schedules (None: no limit), for at most `seconds` of wall time.

        Raises:
            WorldBroken: a trial left its world. What was found before is kept.
            UsageError: a failure file or the record cannot be written.
        """
        client = self.client
        with (
            self._progress.bar(f"{client.resolved_version:>10} hunt", 0) as bar,
            client.workers(self._jobs) as workers,
            Confirmer(self._progress.step, record=self._record) as confirmer,
        ):
            workers.wait_ready()
            bar.begin()
            drawing = turns(scenarios(workers), self._seed, examples)
            on_begin()
            with closing(drawn_ahead(lambda _turn: next(drawing, []))) as schedules:
                hunting = Hunting(
                    schedules,
                    seconds=seconds,
                    budget=self._budget,
                    tally=self.tally,
                    in_real_time=client.combination.in_real_time,
                )
                ending: Ending = "time"
                try:
                    for found in self._found(hunting, workers, bar):
                        path = self._kept(workers, found)
                        failure = self._looked_into(workers, confirmer, found, path)
                        self.findings[-1] = replace(found, failure=failure), path
                        on_found(failure, path)
                except BaseException:
                    ending = "interrupt"
                    raise
                finally:
                    for found in hunting.left(ending):
                        self._kept(workers, found)

    def _found(self, hunting: Hunting, workers: Workers, bar: ProgressBar) -> Iterator[Finding]:
        def asked() -> RunTrial | None:
            trial = hunting.ask()
            if trial is None:
                return None
            return RunTrial(trial.number, trial.schedule, trial.whole, trial.limit_s)

        try:
            for done in workers.serve(asked, _AHEAD):
                bar.advance(passed=done.result.void is not None or done.result.passed)
                schedule = hunting.schedule_of(done.result.index)
                found = hunting.came(done.result, self._noted(workers, schedule, done))
                if found is not None:
                    yield found
        except WorldBroken as error:
            if not isinstance(error.trial, RunTrial):
                raise
            raise WorldBroken(f"{error}\n{self._broken_by(error.trial.schedule)}") from None

    def _noted(self, workers: Workers, schedule: Schedule, done: TrialDone) -> Failure | None:
        """Record a trial; return it as a failure if it failed."""
        self._series(workers, schedule).next_trial(done.result, schedule)
        void = done.result.void
        if void is not None and void.kind == "not-run":
            self.not_run.append(void.says)
        if done.trial is None:
            return None
        return whole_failure(self.client, workers, schedule, done.result, done.trial)

    def _broken_by(self, schedule: Schedule) -> str:
        """Keep a schedule whose trial had no end, and say how to run it again."""
        text = schedule.to_json()
        name = f"{zlib.crc32(text.encode()):08x}"
        path = FAILURES.parent / file_name("broken", schedule.scenario, name, ending=".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        test = "" if schedule.test is None else f" {option('test', schedule.test)}"
        client = shlex.quote(self.client.argument)
        return f"again: race run {client}{test} --reps 1 --schedule {path}"

    def _series(self, workers: Workers, schedule: Schedule) -> SeriesRecord:
        return self._record.series(
            self.client.series(
                workers.server_version, schedule.scenario, seed=self._seed, drawn=False
            )
        )

    def _kept(self, workers: Workers, found: Finding) -> Path:
        path = keep(found.failure, series=self._series(workers, found.failure.schedule))
        self.findings.append((found, path))
        return path

    def _looked_into(
        self, workers: Workers, confirmer: Confirmer, found: Finding, path: Path
    ) -> Failure:
        """The failure with what is found out about it; each result is kept at once."""
        failure, series = found.failure, self._series(workers, found.failure.schedule)
        if found.looked_around:
            failure = replace(failure, neighbour=describe(found.neighbour))
            keep(failure, series=series)
        if self._confirms:
            failure = try_on_real_server(confirmer, failure, path)
            series.failure(failure, path)
        return failure
