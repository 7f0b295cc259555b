"""The kernel: real OS threads, one running at a time, on virtual time.

A *strand* is a thread under control. Exactly one strand holds the baton; it hands it over when it
blocks, ends, or (if the choice says so) at a scheduling point. Virtual time stands still while
any strand can run and jumps to the next timer when none can, so a trial needs no wall time and
its every step is decided by the schedule.

The idea of running real threads one by one under a scheduler of one's own is that of CHESS
(Musuvathi et al., "Finding and Reproducing Heisenbugs in Concurrent Programs", OSDI 2008).
"""

import _thread
import heapq
import sys
import traceback
from collections import deque
from collections.abc import Callable
from typing import Final

from race_harness.model.errors import WorldBroken
from race_harness.model.trace import Trace
from race_harness.sim.strands import Choice, Process, Stopped, Strand, Timer

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000

PATIENCE: Final = 10_000
"""Steps in a row that one strand may take while others could run, where the choice would let it
run for ever: a strand that polls until another one is done must not count as a hang."""

# Taken before any patch: the kernel itself stands on the real thing.
_real_start = _thread.start_new_thread
_real_lock = _thread.allocate_lock
_get_ident = _thread.get_ident


class Kernel:
    """One trial's threads and time.

    Args:
        choice: decides which strand runs when several could.
        limit_ns: virtual nanoseconds after which the trial is stopped.
        max_steps: scheduling steps after which the trial is stopped (a loop that spins
            without time passing would otherwise never end).
    """

    def __init__(self, choice: Choice, *, limit_ns: int, max_steps: int = 400_000) -> None:
        self.now_ns = 0
        self.limit_ns = limit_ns
        self.steps = 0
        self.trace = Trace(lambda: self.now_ns)
        self.strands: list[Strand] = []
        self.step_ns = 0
        """Virtual nanoseconds that a scheduling point takes. With 0, timers that are due wait
        until no strand can run."""
        self.current: Strand | None = None
        self.frozen = False
        """Whether a debugger holds the trial: no time passes, and no other strand may run."""
        self.on_stop: Callable[[str], None] | None = None
        """Called with the reason once the trial is known to be stuck, before it ends."""
        self.between_strands = False
        """Whether the network acts now, and no strand has run since the last probe."""
        self.stop_reason: str | None = None
        self.stacks: dict[str, str] = {}
        self.violations: list[str] = []
        self.spawning = False
        """Whether the kernel itself is starting a real thread now."""
        self.probe: Callable[[], None] | None = None
        """A strand calls it before another one may run, or time pass; it must not block."""
        self.outside: Callable[[], bool] | None = None
        """Called when no strand can run, before time passes; returns whether one can now."""
        self._choice = choice
        self._max_steps = max_steps
        self._since = 0
        """The step at which the current strand began to run."""
        self._ready: deque[Strand] = deque()
        self._stopped: list[Process] = []
        self._clocks_differ = False
        """Whether the clock of a process has stood."""
        self._timers: list[tuple[int, int, Timer]] = []
        self._timer_count = 0
        self._closing = False
        self.ending = False
        """Whether the trial is over and every strand that still runs is unwinding."""

    # -- life of a trial ---------------------------------------------------------------------

    def run(self, main: Callable[[], None]) -> None:
        """Run `main` as the first strand on the calling thread, then end all other strands.

        Returns when `main` does, or when the trial was stopped: then `stop_reason` says why and
        `stacks` holds every strand's stack.
        """
        strand = Strand(0, "main")
        strand.ident = _get_ident()
        strand.ready = False
        self.strands.append(strand)
        self.current = strand
        try:
            main()
        except Stopped:
            pass
        finally:
            self._close()

    def spawn(self, body: Callable[[], object], name: str = "") -> Strand:
        """Start a strand; it first runs when the kernel lets it."""
        strand = Strand(len(self.strands), name)
        process = strand.process = None if self.current is None else self.current.process
        self.strands.append(strand)
        self._queue_of(process).append(strand)
        self.trace.note("spawn", strand.index)
        self.spawning = True
        try:
            _real_start(self._body, (strand, body))
        finally:
            self.spawning = False
        return strand

    def _body(self, strand: Strand, body: Callable[[], object]) -> None:
        strand.ident = _get_ident()
        strand.gate.acquire()
        try:
            if not strand.killed:
                body()
        except SystemExit:
            pass
        except BaseException:
            self.violations.append(f"thread {strand.name} died:\n{traceback.format_exc()}")
        finally:
            strand.done = True
            for action in strand.at_end:
                action()
            for joiner in strand.joiners:
                self.wake(joiner)
            self._hand_over_for_good()
            strand.exited.release()

    def _close(self) -> None:
        """End what is left. A killed strand raises at its blocking point until it is gone."""
        self._closing = self.ending = True
        main = self.strands[0]
        self.current = main
        # The list may grow meanwhile: the loop of a killed thread starts one to end its executor.
        for strand in self.strands:
            if strand is main:
                continue
            if not strand.done:
                strand.killed = True
                self.current = strand
                strand.gate.release()
                main.gate.acquire()
                self.current = main
            strand.exited.acquire()
        self._ready.clear()
        self._timers.clear()
        self.current = None

    def choose_by(self, choice: Choice) -> None:
        """Let this choice decide, from now on, which strand runs next."""
        self._choice = choice

    # -- what strands call -------------------------------------------------------------------

    def controls(self) -> bool:
        """Whether the calling thread is the strand that holds the baton."""
        current = self.current
        return current is not None and current.ident == _get_ident()

    def pause(self, works_on: object = None) -> None:
        """A scheduling point: another strand may run here.

        `works_on` is what the caller is about to touch, as `Strand.works_on` has it.
        """
        if self._closing or self.frozen:
            return
        self._step()
        if self.step_ns:
            self._let_come()
        if self.ending:
            self._switch(self._me())
        elif self._stopped and self._me().process in self._stopped:
            me = self._me()
            me.works_on = works_on
            self._make_ready(me)
            self._switch(me)
        elif self._ready and (self._choice.preempts or self.steps - self._since > PATIENCE):
            me = self._me()
            me.ready = True
            me.works_on = works_on
            self._ready.append(me)
            self._switch(me)

    def block(self, on: str, deadline_ns: int | None = None, works_on: object = None) -> bool:
        """Wait to be woken; False if the deadline came first, which is by `own_ns`.

        `on` is for people, `works_on` is what the caller touches when it continues.

        Raises:
            SystemExit: the trial is over.
            Stopped: in the main strand, when the trial cannot continue.
        """
        me = self._me()
        if self._closing:
            raise SystemExit
        if self.frozen:
            raise RuntimeError(f"time stands still, and this would wait: {on}")
        self._step()
        me.woken = False
        me.blocked_on = on
        me.works_on = works_on
        if deadline_ns is not None:
            self._set_timer(me, deadline_ns)
        self._switch(me)
        if me.timer is not None:
            me.timer.cancel()
            me.timer = None
        me.blocked_on = ""
        return me.woken

    def wake(self, strand: Strand) -> None:
        """Unblock a strand; nothing happens if it is not blocked."""
        if not strand.ready and strand.blocked_on and not strand.woken:
            strand.woken = True
            self._make_ready(strand)

    def stop(self, process: Process) -> None:
        """Stop all strands of the process; if one of them is running, it stops at its next
        scheduling point."""
        process.stopped = True
        self._stopped.append(process)
        ready, self._ready = self._ready, deque()
        for strand in ready:
            self._queue_of(strand.process).append(strand)

    def resume(self, process: Process) -> None:
        """Let its strands run that could have run while it was stopped, in that order."""
        process.stopped = False
        self._stopped.remove(process)
        self._ready += process.held
        process.held.clear()
        if process.stands_since_ns is not None:
            process.stood_ns = process.behind_ns(self.now_ns)
            process.stands_since_ns = None
            for strand, timer, deadline_ns in process.put_off:
                if strand.timer is timer and not strand.ready:
                    self._set_timer(strand, deadline_ns)
            process.put_off.clear()

    def stand(self, process: Process) -> None:
        """Let the clock of a stopped process stand, too, until it goes on. It stays behind then,
        and so does whatever its strands wait for by the clock."""
        self._clocks_differ = True
        self.read_clock = self._read_own_clock  # type: ignore[method-assign]
        process.stands_since_ns = self.now_ns
        for strand in self.strands:
            self._put_off(strand)

    def own_ns(self) -> int:
        """The time by the clock of the calling strand's process."""
        return self.now_ns - self._behind_ns(self.current) if self._clocks_differ else self.now_ns

    def _behind_ns(self, strand: Strand | None) -> int:
        process = None if strand is None else strand.process
        return 0 if process is None else process.behind_ns(self.now_ns)

    def _set_timer(self, strand: Strand, deadline_ns: int) -> None:
        """Let a strand wait no longer than until then, by its own clock."""
        at_ns = deadline_ns + self._behind_ns(strand) if self._clocks_differ else deadline_ns
        strand.timer = self.call_at(at_ns, lambda: self._make_ready(strand))
        if self._clocks_differ:
            self._put_off(strand)

    def _put_off(self, strand: Strand) -> None:
        """Forget its timer until its process goes on, if the clock of that stands."""
        process, timer = strand.process, strand.timer
        if process is None or process.stands_since_ns is None or timer is None:
            return
        timer.cancel()
        process.put_off.append((strand, timer, timer.at_ns - process.behind_ns(self.now_ns)))

    def join(self, strand: Strand, deadline_ns: int | None = None) -> bool:
        """Wait until a strand has ended; False if the deadline came first."""
        me = self._me()
        self.pause(strand)
        while not strand.done:
            strand.joiners.append(me)
            woken = self.block(f"join {strand.name}", deadline_ns, strand)
            if not woken and not strand.done:
                strand.joiners.remove(me)
                return False
        return True

    def call_at(self, at_ns: int, action: Callable[[], None]) -> Timer:
        """Do `action` at an instant, or, if that is past, as soon as every strand is blocked."""
        timer = Timer(max(at_ns, self.now_ns), action)
        self._timer_count += 1
        heapq.heappush(self._timers, (timer.at_ns, self._timer_count, timer))
        return timer

    def do(self, action: Callable[[], None]) -> None:
        """Do `action` now: the network has no thread of its own."""
        action()

    def after(self, seconds: float) -> int:
        """The instant that many seconds from now, in nanoseconds, by `own_ns`.

        It is at least one nanosecond ahead: a loop that waits for a remainder which rounds to
        nothing would otherwise never end, since no time would pass.
        """
        return self.own_ns() + (max(1, round(seconds * SECOND)) if seconds > 0 else 0)

    def has_ready(self) -> bool:
        """Whether another strand could run."""
        return bool(self._ready)

    def has_timers(self) -> bool:
        """Whether anything is going to happen if time passes."""
        return any(timer.action is not None for _, _, timer in self._timers)

    def strand_of_caller(self) -> Strand:
        return self._me()

    def name_of(self, strand: Strand) -> str:
        """Its name in `threading`, with its number where an earlier strand has the same name."""
        if strand is self.strands[0]:
            return "MainThread"
        if any(other.name == strand.name for other in self.strands[1 : strand.index]):
            return f"{strand.name} [{strand.index}]"
        return strand.name

    def author(self) -> str | None:
        """The name of the strand that is acting now; None: it is the network."""
        if self.between_strands or self.current is None:
            return None
        return self.name_of(self.current)

    def refusal(self, what: str) -> WorldBroken:
        """Note that a trial reached for something real; the caller raises the returned error."""
        stack = "".join(traceback.format_stack(limit=32)[:-1])
        self.violations.append(f"{what} inside a trial was refused, at:\n{stack}")
        return WorldBroken(f"{what} inside a trial was refused")

    # -- inside ------------------------------------------------------------------------------

    def _me(self) -> Strand:
        current = self.current
        if current is None or current.ident != _get_ident():
            stack = "".join(traceback.format_stack(limit=12))
            self.violations.append(f"a thread escaped the simulation:\n{stack}")
            raise RuntimeError("a thread that the simulation does not control called into it")
        return current

    def read_clock(self) -> int:
        """The time for a strand that asks; asking takes time, too."""
        if not self.frozen:
            self.now_ns += self.step_ns
        return self.now_ns

    def _read_own_clock(self) -> int:
        """The same, where clocks differ."""
        return Kernel.read_clock(self) - self._behind_ns(self.current)

    def _let_come(self) -> None:
        """Run the timers that are due by now, although strands could run."""
        while self._timers and self._timers[0][0] <= self.now_ns:
            if self._timers[0][2].action is None:
                # The timer behind a cancelled one may not be due yet.
                heapq.heappop(self._timers)
            else:
                self._advance()

    def _step(self) -> None:
        self.steps += 1
        self.now_ns += self.step_ns
        if self.steps > self._max_steps:
            self._stop(f"step limit: {self._max_steps} scheduling steps")

    def _make_ready(self, strand: Strand) -> None:
        if not strand.ready and not strand.done:
            strand.ready = True
            self._queue_of(strand.process).append(strand)

    def _queue_of(self, process: Process | None) -> "deque[Strand]":
        """The queue of its strands that could run."""
        return self._ready if process is None or not process.stopped else process.held

    def _next(self) -> Strand:
        """Take the strand that runs next, letting time pass until there is one."""
        if self.step_ns:
            self._let_come()
        while not self._ready and self.stop_reason is None:
            if self.outside is None or not self.outside():
                self._advance()
        if self.stop_reason is not None:
            return self.strands[0]
        if len(self._ready) == 1:
            chosen = self._ready.popleft()
        else:
            position = self._choice.choose(self._ready)
            chosen = self._ready[position]
            del self._ready[position]
        chosen.ready = False
        chosen.lot = None
        return chosen

    def _advance(self) -> None:
        while self._timers:
            at_ns, _, timer = heapq.heappop(self._timers)
            action = timer.action
            if action is None:
                continue
            if at_ns > self.limit_ns:
                self._stop(f"virtual-time limit: {self.limit_ns / SECOND:g} s")
                return
            self.now_ns = max(self.now_ns, at_ns)
            self.between_strands = True
            action()
            self.between_strands = False
            return
        self._stop("deadlock: every thread waits and no timer is left")

    def _switch(self, me: Strand) -> None:
        if self.probe is not None:
            self.probe()
        chosen = self._next()
        if chosen is not me:
            self._since = self.steps
            self.trace.note(self.now_ns, me.index, chosen.index)
            self.current = chosen
            chosen.gate.release()
            me.gate.acquire()
        if me.killed:
            # `threading` and `asyncio` let exactly this class pass without a message.
            raise SystemExit
        if self.stop_reason is not None and me is self.strands[0]:
            raise Stopped(self.stop_reason)

    def _hand_over_for_good(self) -> None:
        if self.probe is not None:
            self.probe()
        chosen = self.strands[0] if self._closing else self._next()
        self.trace.note(self.now_ns, "end", chosen.index)
        self.current = chosen
        chosen.gate.release()

    def _stop(self, reason: str) -> None:
        if self.stop_reason is None:
            if self.on_stop is not None:
                self.on_stop(reason)
            self.stop_reason = reason
            self.ending = True
            self.stacks = self.capture_stacks()

    def capture_stacks(self) -> dict[str, str]:
        """Strand name to stack, innermost call last, of every strand that has not ended."""
        frames = sys._current_frames()
        stacks = {}
        for strand in self.strands:
            frame = frames.get(strand.ident)
            if frame is not None and not strand.done:
                title = f"{strand.index} {strand.name}"
                if strand.blocked_on:
                    title += f" (waits: {strand.blocked_on})"
                stacks[title] = "".join(traceback.format_stack(frame))
        return stacks


active: Kernel | None = None
"""The kernel of the trial that is running in this process, if any."""
