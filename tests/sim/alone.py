"""A program alone on the kernel, without a server. Imports little: some processes import it."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from race_harness.model.schedule import Interleaving
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.sim import guard, patches
from race_harness.sim import kernel as kernels
from race_harness.sim.choice import choice_of
from race_harness.sim.entropy import Entropy
from race_harness.sim.kernel import MILLISECOND, SECOND, Choice, Kernel
from race_harness.sim.tcp import SimNetwork

DAY_S = 86_400


class Alone:
    """A kernel without a server, for one program."""

    def __init__(
        self,
        *,
        seed: int | None = None,
        choice: Choice | None = None,
        entropy: int = 0,
        limit_s: float = DAY_S,
        max_steps: int = 400_000,
        network: NetworkSchedule | None = None,
    ) -> None:
        choice = choice or choice_of(Interleaving(seed))
        self.kernel = Kernel(choice, limit_ns=round(limit_s * SECOND), max_steps=max_steps)
        self.network = SimNetwork(self.kernel, network or NetworkSchedule(), entropy)
        self._entropy = Entropy(self.kernel, entropy)

    def run(self, program: Callable[[], Any]) -> Any:
        """What the program returns; None if the trial had to be stopped."""
        values: list[Any] = [None]

        def main() -> None:
            values.append(program())

        with self._patched():
            self.kernel.run(main)
        return values[-1]

    def at(self, milliseconds: float, action: Callable[[], object]) -> None:
        """Do something at an instant of the trial, outside every strand."""
        self.kernel.call_at(round(milliseconds * MILLISECOND), lambda: void(action()))

    @property
    def now_s(self) -> float:
        return self.kernel.now_ns / SECOND

    @contextmanager
    def _patched(self) -> Iterator[None]:
        patches.assert_no_trial()
        guard.install()
        with patches.process_state_kept():
            table = patches.table(self.kernel, self.network, self._entropy)
            restore = patches.install(table)
            kernels.active = self.kernel
            # As in a whole trial: what is collected inside may be of an earlier one.
            gc.disable()
            try:
                yield
            finally:
                gc.enable()
                kernels.active = None
                restore()


def void(_value: object) -> None:
    """Drop a value, where a callback may not return one."""


def run_alone(program: Callable[[], Any], **options: Any) -> Any:
    """The answer of a program that has to end by itself."""
    alone = Alone(**options)
    answer = alone.run(program)
    assert alone.kernel.stop_reason is None, alone.kernel.stop_reason
    assert alone.kernel.violations == []
    return answer
