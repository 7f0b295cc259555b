"""The hunt finds what is planted, keeps causes apart, shrinks, and finds nothing in what works."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from race_harness.campaign.campaign import examine
from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.cli.console import parse_time
from race_harness.model.errors import UsageError
from race_harness.model.evidence import Cause, Evidence
from race_harness.model.failure import Failure
from race_harness.model.outcome import Void
from race_harness.model.schedule import Caller, Link, Network, Schedule, ServerTiming
from race_harness.model.verdict import Judgement, TrialResult, passes
from race_harness.search import library
from race_harness.search.chase import Finding
from race_harness.search.hunting import Hunting, NextTrial, Tally
from race_harness.search.turns import turns
from race_harness.workers.pool import Workers

GetWorkers = Callable[[str], Workers]
Examine = Callable[[Schedule], Failure]


def client(argument: str) -> ClientUnderTest:
    return find_client(argument, lambda _line: None)


def drawn(name: str, seed: int, examples: int) -> Iterator[Schedule]:
    for turn in turns([library.load(name)], seed, examples):
        yield from turn


class Play:
    """Runs what a hunt asks for, so many trials at once; the last that began ends first."""

    def __init__(
        self, schedules: Iterator[Schedule], run: Examine, jobs: int = 1, **options: object
    ) -> None:
        self.tally = Tally()
        self.asked: list[NextTrial] = []
        self.hunting = Hunting(schedules, tally=self.tally, **options)  # type: ignore[arg-type]
        self._run, self._jobs = run, jobs

    def findings(self) -> Iterator[Finding]:
        under_way: list[NextTrial] = []
        while True:
            while len(under_way) < self._jobs and (asked := self.hunting.ask()) is not None:
                under_way.append(asked)
                self.asked.append(asked)
            if not under_way:
                return
            trial = under_way.pop()
            found = self.hunting.came(*self._ended(trial))
            if found is not None:
                yield found

    def _ended(self, trial: NextTrial) -> tuple[TrialResult, Failure | None]:
        assert self.hunting.schedule_of(trial.number) == trial.schedule
        failure = self._run(trial.schedule)
        verdicts = failure.judgement.verdicts
        void = Void("unreached", "so") if verdicts == ("void",) else None
        told = () if void is not None else verdicts
        result = TrialResult(trial.number, told, failure.digest, 1.0, 10.0, void)
        failed = void is None and not passes(verdicts)
        return result, failure if failed and trial.whole is not None else None


def by_cause(findings: Iterator[Finding]) -> dict[str, Finding]:
    found = {str(finding.cause): finding for finding in findings}
    return dict(sorted(found.items()))


def judged(schedule: Schedule, *evidence: Evidence, digest: str = "") -> Failure:
    verdicts = tuple(dict.fromkeys(entry.verdict for entry in evidence)) or ("ok",)
    return Failure(
        schedule=schedule,
        judgement=Judgement(verdicts, evidence),
        digest=digest or schedule.to_json(),
        client="made up",
        resolved_version="0",
        server="fake",
        world="sim",
        happenings=(),
        stacks={},
    )


def made_up(schedule: Schedule) -> Failure:
    """Fails in two ways, by the schedule alone."""
    evidence: tuple[Evidence, ...] = ()
    if schedule.network.socket.latency_ms > 100:
        evidence += (Evidence("late", f"{schedule.network.socket.latency_ms} ms too late"),)
    if schedule.server.start_ms > 50:
        evidence += (Evidence("early", "before the run had begun"),)
    return judged(schedule, *evidence)


# -- with a client


@pytest.mark.slow
def test_a_planted_bug_is_found_within_a_few_schedules_and_shrunk(workers: GetWorkers) -> None:
    bug = client("reference:poll")
    play = Play(drawn("final-events", 1, 100), lambda one: examine(bug, workers(bug.adapter), one))
    findings = [*play.findings()]
    assert {finding.failure.judgement.headline for finding in findings} == {"late"}
    finding = findings[0]
    assert finding.found_at_trial <= 20
    assert len(finding.failure.schedule.non_default_fields()) <= 3
    assert finding.shrink_executions > 0
    assert finding.ending == "smallest"
    assert finding.neighbour is not None
    assert play.tally.trials == 100
    again = examine(bug, workers(bug.adapter), finding.failure.schedule)
    assert again.digest == finding.failure.digest


@pytest.mark.slow
def test_what_works_is_left_alone(workers: GetWorkers) -> None:
    right = client("reference")
    for name in ("final-events", "delayed-callback"):
        play = Play(drawn(name, 1, 30), lambda one: examine(right, workers(right.adapter), one))
        assert [*play.findings()] == []
        assert (play.tally.trials, play.tally.shrinking) == (30, 0)


# -- causes


def test_causes_are_kept_apart_and_the_search_goes_on() -> None:
    play = Play(drawn("final-events", 3, 600), made_up)
    found = by_cause(play.findings())
    assert set(found) == {
        "late: # ms too late",
        "early: before the run had begun",
        "late: # ms too late; early: before the run had begun",
    }
    late = found["late: # ms too late"].failure.schedule.non_default_fields()
    assert late.keys() == {"network.socket.latency_ms"}
    # Round, and within a tenth of the border.
    assert 100 < late["network.socket.latency_ms"] <= 112
    early = found["early: before the run had begun"].failure.schedule.non_default_fields()
    assert early.keys() == {"server.start_ms"}
    assert 50 < early["server.start_ms"] <= 56
    assert play.tally.trials == 600


@pytest.mark.parametrize("jobs", [2, 7])
def test_what_is_found_does_not_depend_on_how_many_trials_run_at_once(jobs: int) -> None:
    one, several = (
        by_cause(Play(drawn("final-events", 3, 300), made_up, each).findings())
        for each in (1, jobs)
    )
    assert one
    assert {cause: replace(found, seconds=0) for cause, found in one.items()} == {
        cause: replace(found, seconds=0) for cause, found in several.items()
    }


def test_a_failure_that_does_not_repeat_is_no_finding() -> None:
    runs = iter(range(10**6))

    def fickle(schedule: Schedule) -> Failure:
        return replace(made_up(schedule), digest=str(next(runs)))

    play = Play(drawn("final-events", 3, 100), fickle)
    assert [*play.findings()] == []
    assert play.tally.repeats > 1
    assert play.hunting.left("time") == []


def test_in_real_time_a_failure_repeats_by_its_cause() -> None:
    runs = iter(range(10**6))

    def other_digest(schedule: Schedule) -> Failure:
        return replace(made_up(schedule), digest=str(next(runs)))

    play = Play(drawn("final-events", 3, 100), other_digest, in_real_time=True)
    (finding, *_) = play.findings()
    assert finding.ending == "smallest"
    # There is nobody who would look for what passes.
    assert not finding.looked_around


def test_a_cause_does_not_depend_on_numbers() -> None:
    one, two = (made_up(Schedule("x", network=Network(socket=Link(ms)))) for ms in (200.0, 300.5))
    assert one.cause == two.cause != Cause()
    assert not made_up(Schedule("x")).cause


def slippery(schedule: Schedule) -> Failure:
    """Beyond 100 ms it fails in one way, and on the way down to benign in another."""
    latency_ms = schedule.network.socket.latency_ms
    if latency_ms > 30:
        return judged(schedule, Evidence("late", "too late"))
    if latency_ms > 10:
        return judged(schedule, Evidence("lost", "altogether"))
    return judged(schedule)


def test_shrinking_does_not_slip_from_one_cause_to_another() -> None:
    """Each is shrunk to its own border, though the other fails with less."""
    found = by_cause(Play(drawn("final-events", 3, 300), slippery).findings())
    assert set(found) == {"late: too late", "lost: altogether"}
    late, lost = (
        one.failure.schedule.non_default_fields()["network.socket.latency_ms"]
        for one in found.values()
    )
    assert 10 < lost <= 11.5 < 30 < late <= 34
    assert all(str(one.failure.cause) == cause for cause, one in found.items())


def test_a_known_cause_is_found_once() -> None:
    def always(schedule: Schedule) -> Failure:
        return judged(schedule, Evidence("late", f"{schedule.server.think_ms} ms too late"))

    play = Play(drawn("final-events", 1, 60), always)
    assert [str(finding.cause) for finding in play.findings()] == ["late: # ms too late"]
    assert play.tally.trials == 60


def two_ways(schedule: Schedule) -> Failure:
    slow = schedule.network.rest.latency_ms > 10 or schedule.caller.callback_raises
    return judged(schedule, *([Evidence("stall", "so long")] if slow else []))


def schedules(*several: Schedule) -> Iterator[Schedule]:
    return iter(several)


SLOW = Schedule("x", network=Network(rest=Link(40.0)), server=ServerTiming(start_ms=3.0))
RAISES = Schedule("x", caller=Caller(callback_raises=True, between_ms=5.0))


def test_what_comes_about_in_another_way_is_found_although_its_cause_is_known() -> None:
    play = Play(schedules(SLOW, SLOW, RAISES, replace(SLOW, entropy=1)), two_ways)
    found = [*play.findings()]
    assert [one.found_at_trial for one in found] == [1, 3]
    left = [one.failure.schedule.non_default_fields().keys() for one in found]
    assert left == [{"network.rest.latency_ms"}, {"caller.callback_raises"}]
    assert found[0].cause == found[1].cause


def test_what_a_known_failure_explains_is_not_shrunk() -> None:
    both = replace(RAISES, network=SLOW.network)
    alone = Play(schedules(SLOW), two_ways)
    with_others = Play(schedules(SLOW, both, both), two_ways)
    assert len([*alone.findings()]) == len([*with_others.findings()]) == 1
    assert alone.tally.shrinking == with_others.tally.shrinking > 0


# -- budgets


def test_shrinking_stops_at_its_budget_and_says_so() -> None:
    wide = replace(SLOW, caller=RAISES.caller, server=ServerTiming(think_ms=900, tool_ms=70))

    def needs_all(schedule: Schedule) -> Failure:
        fails = schedule.non_default_fields().keys() == wide.non_default_fields().keys()
        return judged(schedule, *([Evidence("late", "so")] if fails else []))

    (stopped,) = Play(schedules(wide), needs_all, budget=5).findings()
    assert (stopped.ending, stopped.shrink_executions) == ("budget", 5)
    (whole,) = Play(schedules(wide), needs_all, budget=500).findings()
    assert whole.ending == "smallest"
    assert 5 < whole.shrink_executions < 80


def test_the_search_goes_on_while_something_is_shrunk() -> None:
    play = Play(drawn("final-events", 3, 100), made_up)
    next(play.findings())
    searched = [trial.whole == "causes" for trial in play.asked]
    # Half of the time each, and all trials take as long as any other.
    first = searched.index(False)
    shares = sum(searched[first:]) / len(searched[first:])
    assert 0.4 < shares < 0.6


def test_a_hunt_ends_by_the_clock() -> None:
    play = Play(drawn("clean", 0, 10**6), made_up, seconds=0)
    assert [*play.findings()] == []
    assert play.tally.trials == 0


def test_what_was_seen_before_the_clock_stops_is_repeated_and_left_as_small_as_it_is() -> None:
    clock = iter([*[0.0] * 30, *[100.0] * 100])
    play = Play(drawn("final-events", 3, 10**6), made_up, seconds=99, now=lambda: next(clock))
    assert [*play.findings()] == []
    left = play.hunting.left("time")
    assert {(found.ending, found.looked_around) for found in left} == {("time", False)}
    for found in left:
        assert made_up(found.failure.schedule).cause == found.cause
        searched = [trial.schedule for trial in play.asked if trial.whole == "causes"]
        first = searched[found.found_at_trial - 1]
        assert [trial.schedule for trial in play.asked].count(first) == 2


def test_an_interrupt_leaves_what_was_being_shrunk() -> None:
    def run(schedule: Schedule) -> Failure:
        if len(play.asked) > 40:
            raise KeyboardInterrupt
        return made_up(schedule)

    play = Play(drawn("final-events", 3, 100), run)
    with pytest.raises(KeyboardInterrupt):
        [*play.findings()]
    left = play.hunting.left("interrupt")
    assert left
    assert {one.ending for one in left} <= {"interrupt", "smallest"}
    assert all(made_up(one.failure.schedule).cause == one.cause for one in left)


# -- hangs


def hanging(limits: dict[float | None, list[Schedule]]) -> Callable[[NextTrial], Failure]:
    def run(trial: NextTrial) -> Failure:
        limits.setdefault(trial.limit_s, []).append(trial.schedule)
        hangs = trial.schedule.caller.callback_raises
        evidence = Evidence("hang", "never-returned", stopped="virtual-time limit: 9 s")
        return judged(trial.schedule, *([evidence] if hangs else []))

    return run


class PlayLimits(Play):
    """With trials that depend on when they count as a hang."""

    def __init__(self, schedules: Iterator[Schedule], run: Callable[[NextTrial], Failure]) -> None:
        super().__init__(schedules, self._run_last)
        self._last = run

    def _run_last(self, schedule: Schedule) -> Failure:
        return self._last(next(one for one in self.asked[::-1] if one.schedule == schedule))


def test_a_hang_is_cut_short_while_it_is_shrunk_and_the_smallest_is_not() -> None:
    limits: dict[float | None, list[Schedule]] = {}
    (found,) = PlayLimits(schedules(RAISES), hanging(limits)).findings()
    assert found.failure.schedule.non_default_fields().keys() == {"caller.callback_raises"}
    assert limits.keys() == {None, 75.0}
    assert limits[None] == [RAISES, RAISES, found.failure.schedule]


def test_what_only_takes_long_is_shrunk_with_all_its_time() -> None:
    """With less it would be another failure."""
    seen: dict[float | None, list[Schedule]] = {}
    whole = hanging(seen)

    def slow(trial: NextTrial) -> Failure:
        if trial.limit_s is None and trial.schedule.caller.between_ms == 0:
            return judged(trial.schedule)
        return whole(trial)

    (found,) = PlayLimits(schedules(RAISES), slow).findings()
    left = found.failure.schedule.non_default_fields()
    assert left.keys() == {"caller.callback_raises", "caller.between_ms"}


def test_other_failures_have_all_their_time() -> None:
    play = Play(schedules(SLOW), two_ways)
    [*play.findings()]
    assert {trial.limit_s for trial in play.asked} == {None}


# -- verdicts


def test_two_verdicts_are_another_cause_than_one_of_them() -> None:
    late, lost = Evidence("late", "1 event so"), Evidence("lost", "2 events so")
    schedule = Schedule("x")
    causes = [str(judged(schedule, *each).cause) for each in ((late,), (lost,), (late, lost))]
    assert causes == ["late: # events so", "lost: # events so", "; ".join(causes[:2])]


@pytest.mark.parametrize("verdicts", [("ok",), ("void",), ()])
def test_what_passed_or_was_void_has_no_cause(verdicts: tuple[str, ...]) -> None:
    failure = replace(made_up(Schedule("x")), judgement=Judgement(verdicts))
    assert failure.cause == Cause()


# -- times


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("2h", 7200), ("90", 90)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5d", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--for"):
        parse_time(text)
