"""Builds the question of a bisect from the arguments of the command."""

from pathlib import Path

from race_harness.bisect.questions import (
    SCENARIO_REPS,
    SCHEDULE_REPS,
    Question,
    ScenarioQuestion,
    ScheduleQuestion,
)
from race_harness.model.errors import UsageError
from race_harness.model.failure import read_schedule
from race_harness.model.schedule import Schedule
from race_harness.search import library
from race_harness.statistics.sequential import SequentialTest


def about_scenario(
    name: str,
    reps: int | None,
    seed: int,
    rates: tuple[float, float],
    errors: tuple[float, float],
) -> Question:
    """The question about the failure rate of a scenario.

    Raises:
        UsageError: there is no such scenario, or the rates make no test.
    """
    try:
        test = SequentialTest(*rates, *errors)
    except ValueError as error:
        raise UsageError(f"the test of the pass rate: {error}") from None
    chosen = library.load(name)
    return ScenarioQuestion(chosen, seed, reps or SCENARIO_REPS, test)


def about_schedule(
    file: Path, reps: int | None, share: float, *, any_verdict: bool = False
) -> tuple[Question, str]:
    """The question about the schedule of a failure file, and the server in it; or about a plain
    schedule, of which any failure is bad, on the fake server.

    Raises:
        UsageError: the file cannot be read, holds a trial that passed, or one of another protocol.
    """
    failure = read_schedule(file)
    if isinstance(failure, Schedule):
        return ScheduleQuestion(failure, None, reps or SCHEDULE_REPS, share), "fake"
    verdict = failure.judgement.headline
    if failure.server == "own":
        raise UsageError(f"{file} is of a client with a server of its own, which has no releases")
    if verdict in ("ok", "void"):
        raise UsageError(f"{file} holds no failure but {verdict}: there is nothing to look for")
    asked = None if any_verdict else verdict
    question = ScheduleQuestion(failure.schedule, asked, reps or SCHEDULE_REPS, share)
    return question, failure.server
