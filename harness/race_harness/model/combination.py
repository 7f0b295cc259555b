"""The world and the server of a trial, and what that pair cannot do.

A schedule means the same in each combination, so a file can be run in any of them. But no
combination can do everything: the harness cannot tell a real thread when to run, nor the real
server what to do. A trial that asks for such a thing is not run, and says why; to leave the thing
out silently would make it a different trial.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from race_harness.model.errors import UsageError
from race_harness.model.schedule import Schedule

WORLDS: Final = ("sim", "real")
"""`sim`: virtual time, threads one at a time, a network in memory. `real`: the machine's own clock
and threads, loopback sockets."""

SERVERS: Final = ("fake", "real", "own")
"""`fake`: the one that models every release. `real`: the published agent server with a stub LLM.
`own`: the server that a client from the user's own file brings."""


CLOCK_GOES_ON: Final = "the clock of a real machine cannot be stopped"
_MACHINES_CLOCK: Final = "the real server reads the machine's clock"
_OWN_CLOCK: Final = "nobody but the server knows which clock it stamps events by"
_OWN_DISK: Final = "nobody but the server knows what it writes, and where"
_EMPTY_FILES: Final = (
    "a fake server that dies does not have the files that a full disk leaves empty"
)


@dataclass(frozen=True)
class Combination:
    """A world and a server, such as `sim×real`; or `real×real:1.58.2`, where the server's release
    is named because it may differ from the client's."""

    world: str = "sim"
    server: str = "fake"
    release: str = ""
    """The server's release, if it may differ from the client's; else empty."""

    def __str__(self) -> str:
        return f"{self.world}×{self.served_by}"

    @property
    def served_by(self) -> str:
        """The server as users type it: `real`, `real:1.58.2`."""
        return f"{self.server}:{self.release}" if self.release else self.server

    @staticmethod
    def of(world: str, served_by: str) -> "Combination":
        """The combination of a world and a server in the form of `served_by`."""
        server, _, release = served_by.partition(":")
        return Combination(world, server, release)

    @property
    def in_real_time(self) -> bool:
        """Whether its seconds are wall seconds, and its trials do not repeat byte for byte."""
        return self.world == "real"

    @staticmethod
    def parse(text: str) -> "Combination":
        """Parse `sim×real`; `-`, `x` and `*` stand for `×`, which is hard to type. A release may
        follow, as in `real×real:1.58.2`.

        Raises:
            UsageError: the text is no combination.
        """
        world, _, served_by = re.sub("[-x*]", "×", text.strip(), count=1).partition("×")
        found = Combination.of(world, served_by)
        if world not in WORLDS or found.server not in SERVERS or found.served_by != served_by:
            raise UsageError(
                f"{text!r} is no combination of world and server; there are: "
                f"{', '.join(map(str, COMBINATIONS))} (or sim-fake and so on)"
            )
        return found


SIM_FAKE: Final = Combination()
SIM_REAL: Final = Combination("sim", "real")
REAL_FAKE: Final = Combination("real", "fake")
REAL_REAL: Final = Combination("real", "real")
COMBINATIONS: Final = (SIM_FAKE, SIM_REAL, REAL_FAKE, REAL_REAL)


def unavailable(schedule: Schedule, world: str, server: str) -> tuple[str, ...]:
    """Return why that pair cannot run the schedule; empty if it can.

    Each entry is a field and a reason, such as `interleaving.seed: real threads cannot be told
    when to switch`.
    """
    reasons: list[str] = []
    if world == "real":
        reasons += _of_real_world(schedule)
    if server == "real":
        reasons += _of_real_server(schedule)
    if server == "own" and schedule.others:
        reasons.append("others: only for the agent server is it known how others make requests")
    if server == "own" and schedule.watchers:
        reasons.append("watchers: only the agent server's conversations can be found by their ids")
    steps = [n for n, event in enumerate(schedule.server.process) if event.what == "clock-step"]
    if world == server == "real":
        if schedule.server.clock_ms:
            reasons.append(f"server.clock_ms: {_MACHINES_CLOCK}")
        reasons += [f"server.process[{index}]: {_MACHINES_CLOCK}" for index in steps]
    fills = [n for n, event in enumerate(schedule.server.process) if event.what == "disk-full"]
    if server == "own":
        reasons += [f"server.process[{index}]: {_OWN_CLOCK}" for index in steps]
        reasons += [f"server.process[{index}]: {_OWN_DISK}" for index in fills]
    crashes = any(event.what == "crash" for event in schedule.server.process)
    if server == "fake" and crashes:
        reasons += [f"server.process[{index}]: {_EMPTY_FILES}" for index in fills]
    return tuple(reasons)


def _of_real_world(schedule: Schedule) -> Iterator[str]:
    interleaving = schedule.interleaving
    if interleaving.seed is not None:
        yield "interleaving.seed: real threads cannot be told when to switch"
    if interleaving.step_us:
        yield "interleaving.step_us: real threads take as long as they take"
    if interleaving.at_lines:
        yield "interleaving.at_lines: real threads cannot be told when to switch"
    for index, _ in enumerate(interleaving.stalls):
        yield f"interleaving.stalls[{index}]: a real thread cannot be stopped at a line"
    for index, event in enumerate(schedule.server.process):
        if event.clock == "stands":
            yield f"server.process[{index}].clock: {CLOCK_GOES_ON}"


def _of_real_server(schedule: Schedule) -> Iterator[str]:
    if schedule.server.status_overtakes:
        yield "server.status_overtakes: the real server orders its frames itself"
    if schedule.script.history:
        yield "script.history: the real server has no log of an earlier conversation"
    if schedule.script.strange != "nothing":
        yield "script.strange: the real server sends nothing newer than its own release"
    if schedule.server.flushes_first:
        yield "server.flushes_first: no released server does that"
