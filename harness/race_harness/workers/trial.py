"""One trial, start to end: schedule, world, server and client, oracle, verdict."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from race_harness.clients import Adapter, dialect_of, may_start_processes, source_of
from race_harness.clients.undisturbed import UndisturbedAdapter
from race_harness.model.outcome import Outcome, Void
from race_harness.model.requests import with_numbers
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening
from race_harness.model.verdict import Judgement, TrialResult
from race_harness.network.site import ASIDE_URL, UvicornSite
from race_harness.oracle.judge import judge
from race_harness.server import Restartable
from race_harness.sim.serving import Simulation
from race_harness.sim.world import LIMIT_S
from race_harness.subjects.program import Program

OWN_START: Final = "nobody but the client knows which process its server is"
NO_RESTART: Final = "this server cannot be started again with what it had persisted"


@dataclass(frozen=True)
class Trial:
    """Everything about one trial that was run."""

    schedule: Schedule
    outcome: Outcome
    judgement: Judgement | None
    """None: the trial is void."""
    happenings: tuple[Happening, ...]
    digest: str
    stacks: dict[str, str]
    wall_ms: float

    def result(self, index: int) -> TrialResult:
        return TrialResult(
            index=index,
            verdicts=self.judgement.verdicts if self.judgement is not None else (),
            digest=self.digest,
            virtual_s=_run_seconds(self.happenings),
            wall_ms=self.wall_ms,
            void=self.outcome.void,
            undone=len(self.outcome.undone),
            concerned=self.judgement.concerned if self.judgement is not None else {},
        )


def run_trial(
    schedule: Schedule, adapter: Adapter, site: UvicornSite, limit_s: float = LIMIT_S
) -> Trial:
    """Run one trial in the simulation against the adapter's server.

    `limit_s`: virtual seconds, beyond what the schedule takes, after which it has hung.

    Raises:
        WorldBroken: the simulation lost control; there is no verdict then.
    """
    began = time.perf_counter()
    processes = may_start_processes(adapter)
    simulation = Simulation(
        schedule,
        source_of(adapter),
        dialect_of(adapter),
        child_processes=processes,
        limit_s=limit_s,
    )
    server = adapter.serve(schedule, simulation.trace)
    site.app = server.app
    crashes = any(event.what == "crash" for event in schedule.server.process)
    if server.app is None and schedule.server.process:
        return not_run(schedule, [f"server.process: {OWN_START}"])
    if crashes and not isinstance(server, Restartable):
        return not_run(schedule, [f"server.process: {NO_RESTART}"])
    if simulation.lines.needed:
        adapter = UndisturbedAdapter(adapter, simulation.lines.look)
    program = Program(schedule, adapter, simulation.trace, simulation.gate)
    play = partial(program.play, aside=ASIDE_URL)
    restart = server.restart if crashes and isinstance(server, Restartable) else None
    ending = simulation.run(site, play, program.look, server.aclose, restart)
    outcome = program.outcome(ending.stopped)
    return _judged(schedule, outcome, ending.happenings, ending.digest, ending.stacks, began)


def run_trial_in_real_time(
    schedule: Schedule, adapter: Adapter, *, limit_s: float | None = None
) -> Trial:
    """Run one trial over real sockets, in wall-clock time, against the adapter's server.

    Raises WorldBroken: the server, or the harness itself, failed; there is no verdict then.
    """
    from race_harness.realtime.forked_trial import play_trial
    from race_harness.realtime.trial_process import NotPlayed

    began = time.perf_counter()
    try:
        played = play_trial(schedule, adapter, limit_s=limit_s)
    except NotPlayed as why:
        return not_run(schedule, [str(why)])
    happenings, outcome = played.happenings, played.outcome
    return _judged(schedule, outcome, happenings, played.digest, played.stacks, began)


def not_run(schedule: Schedule, reasons: Sequence[str]) -> Trial:
    """The void trial of a schedule that its combination cannot run; `reasons` say why."""
    outcome = Outcome(calls=(), visible_settled=(), void=Void("not-run", "; ".join(reasons)))
    return Trial(schedule, outcome, None, (), "", {}, 0.0)


def _judged(
    schedule: Schedule,
    outcome: Outcome,
    happenings: tuple[Happening, ...],
    digest: str,
    stacks: dict[str, str],
    began: float,
) -> Trial:
    """The trial with the oracle's judgement; `began` is as of `time.perf_counter()`."""
    happenings = with_numbers(happenings)
    return Trial(
        schedule=schedule,
        outcome=outcome,
        judgement=None if outcome.void is not None else judge(schedule, happenings, outcome),
        happenings=happenings,
        digest=digest,
        stacks=stacks,
        wall_ms=(time.perf_counter() - began) * 1e3,
    )


def _run_seconds(happenings: tuple[Happening, ...]) -> float:
    """Virtual seconds from the first call of `run()` to its end, or to the trial's end."""
    called = ended = None
    for happening in happenings:
        if happening.detail.get("call") != 1:
            continue
        if happening.what in ("run-called", "test-called"):
            called = happening.at_ns
        else:
            ended = happening.at_ns
    if called is None:
        return 0.0
    return ((happenings[-1].at_ns if ended is None else ended) - called) / 1e9
