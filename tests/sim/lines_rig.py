"""Programs of the small client, alone on the kernel, with a schedule for their lines."""

from dataclasses import dataclass
from typing import Any

from alone import Alone

from race_harness.model.schedule import Interleaving
from race_harness.sim.choice import choice_of
from race_harness.sim.stalls import Lines

SOURCE = ("small_client",)


@dataclass
class Played:
    value: Any
    alone: Alone
    lines: Lines

    @property
    def stalls(self) -> list[tuple[float, str, str]]:
        """Each stall that struck: milliseconds, line, thread."""
        return [
            (happening.at_ns / 1e6, happening.detail["line"], happening.detail["thread"])
            for happening in self.alone.kernel.trace.happenings
            if happening.what == "line-stalled"
        ]

    @property
    def digest(self) -> str:
        return self.alone.kernel.trace.digest()


def play(program, interleaving=None, **options):
    """Run a program; its threads stall and switch as the schedule says."""
    interleaving = interleaving or Interleaving()
    alone = Alone(choice=choice_of(interleaving), **options)
    lines = Lines(alone.kernel, interleaving, SOURCE)

    def watched():
        with lines.watched():
            return program()

    value = alone.run(watched)
    assert alone.kernel.violations == []
    return Played(value, alone, lines)
