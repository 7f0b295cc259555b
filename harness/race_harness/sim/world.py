"""The simulated world of one trial, from its first thread to its last.

Each trial makes everything in it and drops it at the end; only what is slow to make and keeps no
state of a trial (the imported client, the loaded application) outlives it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from race_harness.model.errors import WorldBroken
from race_harness.model.limits import work_s
from race_harness.model.moments import Moments
from race_harness.model.schedule import Interleaving, Moment, Schedule
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.model.trace import Happening, append_log
from race_harness.network.dialect import Dialect
from race_harness.network.faults import Faults
from race_harness.sim.children import PATIENCE_S, Children
from race_harness.sim.choice import choice_of
from race_harness.sim.inside import inside
from race_harness.sim.kernel import MILLISECOND, SECOND, Kernel
from race_harness.sim.stalls import Lines
from race_harness.sim.strands import Strand
from race_harness.sim.tcp import SimNetwork

LIMIT_S = 300
"""Virtual seconds that a trial may take beyond its settle time, the agent's work, callbacks and
stalls at lines."""
LEAVE_S = 60
"""Virtual seconds that threads have to end by themselves after a trial, before they are killed."""


LEAST_STEP_NS = 1_000
"""Virtual nanoseconds that a step takes in a world that is held: tests measure times, and expect
more than 0."""


@dataclass(frozen=True)
class Ending:
    """How a trial ended: all that happened until then, and why it had to be stopped, if so."""

    happenings: tuple[Happening, ...]
    digest: str
    stopped: str | None
    stacks: dict[str, str]


class World:
    """The world of one trial. `trace` exists before anything runs.

    `source` names the modules to whose lines the schedule may refer; `dialect` has the words for
    what goes over its connections. In a world that is `held`, the schedule's network and its
    interleaving wait for `begin()`. `limit_s` replaces LIMIT_S.
    """

    def __init__(
        self,
        schedule: Schedule,
        source: Sequence[str] = (),
        dialect: Dialect | None = None,
        *,
        child_processes: bool = False,
        held: bool = False,
        limit_s: float = LIMIT_S,
    ) -> None:
        interleaving = schedule.interleaving
        limit_s += schedule.caller.settle_s + work_s(schedule)
        at_first = Interleaving() if held else interleaving
        network = NetworkSchedule() if held else schedule.network
        self.kernel = Kernel(choice_of(at_first), limit_ns=round(limit_s * SECOND))
        self.kernel.step_ns = _step_ns(at_first, least_ns=LEAST_STEP_NS if held else 0)
        self.trace = self.kernel.trace
        self.lines = Lines(self.kernel, interleaving, source)
        self.network = SimNetwork(self.kernel, network, schedule.entropy, dialect)
        self._schedule = schedule
        self._children = Children(self.kernel) if child_processes else None
        self.moments = Moments(self.trace)
        if not held:
            Faults(self.network, self.moments, schedule.network.faults)

    def begin(self) -> None:
        """Let a world that is held follow its schedule from now on; the caller begins `lines`."""
        schedule = self._schedule
        Faults(self.network, self.moments, schedule.network.faults)
        self.network.follow(schedule.network)
        self.kernel.choose_by(choice_of(schedule.interleaving))
        self.kernel.step_ns = _step_ns(schedule.interleaving, LEAST_STEP_NS)

    def gate(self, moment: Moment) -> Callable[[], None]:
        """A function that blocks its caller until the moment and its `after_ms` have passed."""
        kernel = self.kernel
        passed_ns: int | None = None
        waiting: Strand | None = None

        def come() -> None:
            nonlocal passed_ns
            passed_ns = kernel.now_ns
            if waiting is not None:
                kernel.wake(waiting)

        def wait() -> None:
            nonlocal waiting
            waiting = kernel.strand_of_caller()
            while passed_ns is None:
                kernel.block(f"moment {moment.what}")
            left_ns = passed_ns + round(moment.after_ms * MILLISECOND) - kernel.now_ns
            if left_ns > 0:
                kernel.block("sleep", kernel.now_ns + left_ns)

        self.moments.when(moment, come)
        return wait

    def play(
        self, body: Callable[[], None], after: Callable[[], None], leave_s: float = LEAVE_S
    ) -> Ending:
        """Run `body` as the trial's main thread, and then `after`, which is no part of it.

        Raises:
            WorldBroken: something escaped the simulation or reached for something real.
        """
        happenings: tuple[Happening, ...] = ()
        digest = ""
        log: list[str] = []

        def main() -> None:
            nonlocal happenings, digest, log
            try:
                body()
            finally:
                self.kernel.probe = self.trace.probe = None
                self.network.tell_busy()
                happenings = tuple(self.trace.happenings)
                digest, log = self.trace.digest(), self.trace.log()
            after()
            self._let_leave(leave_s)

        with inside(self.kernel, self.network, self._schedule.entropy, self._children):
            try:
                self.kernel.run(main)
            except Exception as error:
                # A refusal that nobody caught does not say where it was; the noted one does.
                self._assert_whole(error)
                raise
        self._assert_whole()
        if self.kernel.stop_reason is not None and self._children and self._children.left_alone:
            # The child may have been about to say what the trial was waiting for.
            raise WorldBroken(
                f"a child process said nothing for {PATIENCE_S:g} s of real time, and virtual "
                f"time passed beside it until the trial was stopped ({self.kernel.stop_reason}): "
                "there is no verdict. Let it speak or end sooner, or do without it in trials"
            )
        append_log(log, digest)
        return Ending(happenings, digest, self.kernel.stop_reason, self.kernel.stacks)

    def _assert_whole(self, cause: Exception | None = None) -> None:
        if self.kernel.violations:
            what = f"the simulation lost control: {self.kernel.violations[0]}"
            raise WorldBroken(what) from cause

    def _let_leave(self, leave_s: float) -> None:
        """Let threads end by themselves, so that they leave nothing half done; kill the rest."""
        deadline_ns = self.kernel.now_ns + round(leave_s * SECOND)
        for strand in self.kernel.strands[1:]:
            if strand.process is not None and strand.process.dead:
                continue
            if not self.kernel.join(strand, deadline_ns):
                return


def _step_ns(interleaving: Interleaving, least_ns: int) -> int:
    return max(least_ns, round(1_000 * interleaving.step_us))
