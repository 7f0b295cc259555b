"""Builds the question of a bisect from the arguments of the command."""

from pathlib import Path

from race_harness.bisect.by_number import Around, NumberQuestion, Schedules
from race_harness.bisect.questions import (
    SCENARIO_REPS,
    SCHEDULE_REPS,
    Drawn,
    Question,
    ScenarioQuestion,
    ScheduleQuestion,
)
from race_harness.campaign.resolve import asked_of
from race_harness.model.errors import UsageError
from race_harness.model.failure import read_schedule
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import ORDER
from race_harness.statistics.sequential import SequentialTest


def about_scenario(
    scenario: Scenario,
    reps: int | None,
    seed: int,
    rates: tuple[float, float],
    errors: tuple[float, float],
    verdict: str | None = None,
) -> Question:
    """The question about the failure rate of a scenario, or about the rate of one verdict.

    Raises:
        UsageError: there is no such verdict, or the rates make no test.
    """
    _check(verdict)
    try:
        test = SequentialTest(*rates, *errors)
    except ValueError as error:
        raise UsageError(f"the test of the pass rate: {error}") from None
    return ScenarioQuestion(scenario, seed, reps or SCENARIO_REPS, test, verdict)


def about_schedule(
    file: Path,
    reps: int | None,
    share: float,
    *,
    verdict: str | None = None,
    any_verdict: bool = False,
    test: str | None = None,
) -> tuple[Question, str]:
    """The question about the schedule of a failure file, and the file's server; or about a plain
    schedule, for which any failure is bad, on the fake server. `verdict`: the only bad one,
    instead. `test`: the user's own test that the question is about.

    Raises:
        UsageError: the file cannot be read, or its trial passed or is of another protocol.
    """
    _check(verdict)
    if verdict is not None and any_verdict:
        raise UsageError("give --verdict or --any-verdict, not both")
    schedule, its, server = _read(file, test)
    asked = None if any_verdict else verdict or its
    return ScheduleQuestion(schedule, asked, reps or SCHEDULE_REPS, share), server


def by_number_in_scenario(
    verdict: str, scenario: Scenario, reps: int | None, seed: int, errors: tuple[float, float]
) -> NumberQuestion:
    """The question how many events a verdict concerns in the schedules of a scenario.

    Raises:
        UsageError: there is no such verdict, or the error rates allow no test.
    """
    _check(verdict)
    return _by_number(verdict, Drawn(scenario, seed, reps or SCENARIO_REPS), errors)


def by_number_in_schedule(
    verdict: str, file: Path, reps: int | None, errors: tuple[float, float]
) -> tuple[NumberQuestion, str]:
    """The same question for a schedule and those around it, from a failure file or a plain one;
    and the server.

    Raises:
        UsageError: as `about_schedule`, or the error rates allow no test.
    """
    _check(verdict)
    schedule, _, server = _read(file)
    return _by_number(verdict, Around(schedule, reps or SCHEDULE_REPS), errors), server


def _by_number(verdict: str, schedules: Schedules, errors: tuple[float, float]) -> NumberQuestion:
    try:
        return NumberQuestion(verdict, schedules, *errors)
    except ValueError as error:
        raise UsageError(f"the test of the numbers: {error}") from None


def _read(file: Path, test: str | None = None) -> tuple[Schedule, str | None, str]:
    """Schedule, gravest verdict and server of a failure file; a plain schedule has no verdict, and
    the fake server."""
    failure = read_schedule(file, of_tests=test is not None)
    if isinstance(failure, Schedule):
        return failure, None, "fake"
    its = failure.judgement.headline
    if test is not None:
        if failure.schedule.test != test:
            of = failure.schedule.test or f"the scenario {failure.schedule.scenario}"
            raise UsageError(f"{file} is about {of}, not {test}: name that, or another file")
    elif failure.server == "own":
        raise UsageError(f"{file} is of a client with a server of its own, which has no releases")
    if its in ("ok", "void"):
        raise UsageError(f"{file} holds no failure but {its}: there is nothing to look for")
    return failure.schedule, its, asked_of(failure.combination)


def _check(verdict: str | None) -> None:
    bad = [name for name in ORDER if name != "ok"]
    if verdict is not None and verdict not in bad:
        raise UsageError(f"no verdict {verdict!r} to look for; there are: {', '.join(bad)}")
