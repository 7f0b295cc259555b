"""Judging one client: its environment, its workers, the question's trials."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from race_harness.bisect.judged import Judged, Point, Times
from race_harness.bisect.questions import Conclusion, Question
from race_harness.campaign.campaign import examine
from race_harness.campaign.finding import Finder, ForScenarios
from race_harness.campaign.resolve import ClientUnderTest
from race_harness.model.errors import (
    ClientUnavailable,
    OutOfReach,
    UsageError,
    WorldBroken,
    in_one_line,
)
from race_harness.model.failure import Failure
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers
from race_harness.workers.protocol import WholeTrial

_LONGEST: Final = 80
"""Characters of an error that are shown; a table has little room."""


class Judge:
    """Asks one client after another the same question, in the simulation.

    `finder` finds them. A client that is not available, cannot be imported or breaks out of the
    simulation cannot tell. `jobs` trials run at once, which only decides how long it takes.
    `on_installed` is called when the environment is ready and trials are about to begin.
    `record` gets the trials.
    """

    def __init__(
        self,
        question: Question,
        *,
        finder: Finder | None = None,
        jobs: int = 1,
        progress: Callable[[str], None] = lambda _line: None,
        on_installed: Callable[[], None] = lambda: None,
        record: CampaignRecord | None = None,
    ) -> None:
        self.question = question
        """The question for the next client."""
        self._finder = finder or ForScenarios()
        self._jobs = jobs
        self._progress = progress
        self._on_installed = on_installed
        self._record = record
        self._judged = 0
        self.failures: dict[str, Failure] = {}
        """For each bad client, the first failure that shows it, whole."""

    def __call__(self, point: Point) -> Judged:
        """Judge the client.

        Raises:
            OutOfReach: the index does not answer, or the cache cannot be written.
            UsageError: there is no such server.
        """
        began = time.monotonic()
        try:
            client = self._finder.find(point.client, self._progress)
        except OutOfReach:
            raise
        except (ClientUnavailable, WorldBroken) as error:
            return Judged("unclear", in_one_line(error), times=Times(_since(began)))
        times = Times(install=_since(began))
        self._on_installed()
        began = time.monotonic()
        try:
            with client.workers(self._jobs) as workers:
                _start(workers)
                times = replace(times, start=_since(began))
                began = time.monotonic()
                judged = self._tried(client, workers)
        except (ClientUnavailable, WorldBroken) as error:
            # If nothing could be imported, this is the time until that was known.
            part = "trials" if times.start else "start"
            times = replace(times, **{part: _since(began)})
            return Judged("unclear", in_one_line(error), times=times)
        return replace(judged, times=replace(times, trials=_since(began)))

    def _tried(self, client: ClientUnderTest, workers: Workers) -> Judged:
        schedules: list[Schedule] = []
        results: list[TrialResult] = []
        answer: Conclusion | None = None
        series = self._series(client, workers)
        for asked in self.question.chunks():
            chunk = [self._finder.named(schedule, workers) for schedule in asked]
            found = self._run(chunk, workers, None if series is None else series.batch(chunk))
            results += [replace(each, index=each.index + len(schedules)) for each in found]
            schedules += chunk
            answer = self.question.answer(results, all_run=False)
            if answer is not None:
                break
        answer = answer or self.question.answer(results, all_run=True)
        assert answer is not None
        answer = _with_lines(answer, schedules, workers)
        shown_by = schedules[answer.shown_by] if answer.shown_by is not None else None
        if shown_by is not None:
            failure = self.failures[client.argument] = examine(client, workers, shown_by)
            if series is not None:
                series.failure(failure)
            answer = _with_error(answer, failure)
        return Judged(
            judgement=answer.judgement,
            says=answer.says,
            reps=len(results),
            passed=sum(result.passed for result in results),
            shown_by=shown_by,
            numbers=answer.numbers,
        )

    def _run(
        self,
        schedules: Sequence[Schedule],
        workers: Workers,
        ended: Callable[[TrialResult], None] | None,
    ) -> list[TrialResult]:
        """The results; trials that fail with another error than the question's are void."""
        wanted = self._finder.error
        if wanted is None:
            return workers.run(schedules, ended)
        others: dict[int, Void] = {}

        def failed(result: TrialResult, whole: WholeTrial) -> None:
            # A hang has no error: its verdict says what it is.
            errors = [entry.error or entry.verdict for entry in whole.evidence]
            if not any(wanted in error for error in errors):
                others[result.index] = Void("otherwise", f"it fails otherwise: {errors[0]}")

        return [
            replace(result, verdicts=(), void=others[result.index])
            if result.index in others
            else result
            for result in workers.run(schedules, ended, failed)
        ]

    def _series(self, client: ClientUnderTest, workers: Workers) -> SeriesRecord | None:
        if self._record is None:
            return None
        first = self._finder.named(next(iter(self.question.chunks()))[0], workers)
        self._judged += 1
        return self._record.series(
            client.series(
                workers.server_version, first.scenario, position=self._judged - 1, drawn=False
            )
        )


def _start(workers: Workers) -> None:
    """Raises ClientUnavailable, WorldBroken: the client cannot be imported, or the test cannot be
    collected beside it."""
    try:
        workers.wait_ready()
    except UsageError as error:
        raise ClientUnavailable(in_one_line(error)) from error


def tell(client: ClientUnderTest, schedule: Schedule) -> Failure:
    """The whole story of a schedule on a client, whatever its verdict."""
    with client.workers() as workers:
        workers.wait_ready()
        return examine(client, workers, schedule)


def _with_lines(answer: Conclusion, schedules: list[Schedule], workers: Workers) -> Conclusion:
    """The answer; unclear if the client passes, or has its numbers, only because it lacks the
    lines at which the schedules stop it."""
    wanted = {
        (stall.function, stall.line)
        for schedule in schedules
        for stall in schedule.interleaving.stalls
    }
    if answer.judgement not in ("good", "measured") or not wanted:
        return answer
    if lacking := wanted.difference(workers.source_lines()):
        function, line = min(lacking)
        return Conclusion("unclear", f"it has no line `{line}` in {function} to stop at")
    return answer


def _with_error(answer: Conclusion, failure: Failure) -> Conclusion:
    """The answer with the error of a test's first failure, since the user may mean another one."""
    if failure.schedule.test is None or not failure.judgement.evidence:
        return answer
    error = failure.judgement.evidence[0].error
    if error is None:
        return answer
    short = error if len(error) <= _LONGEST else f"{error[:_LONGEST]}…"
    return replace(answer, says=f"{answer.says}, the first: {short}")


def _since(began: float) -> float:
    return time.monotonic() - began
