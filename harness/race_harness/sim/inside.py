"""The span in which this process is in a simulated trial."""

import asyncio
import contextlib
import gc
import random
import threading
from collections.abc import Iterator

from race_harness.sim import descriptors, early, guard, patches
from race_harness.sim import entropy as random_bytes
from race_harness.sim import kernel as kernels
from race_harness.sim.children import Children
from race_harness.sim.descriptors import Descriptors
from race_harness.sim.entropy import Entropy
from race_harness.sim.kernel import Kernel
from race_harness.sim.tcp import SimNetwork


@contextlib.contextmanager
def inside(
    kernel: Kernel, network: SimNetwork, seed: int, children: Children | None = None
) -> Iterator[None]:
    """Give the process the kernel's threads, time and network, and take all chance from `seed`.

    Without `children`, a trial that starts a process is refused.

    Raises:
        RuntimeError: a trial is already running in this process.
    """
    if kernels.active is not None:
        raise RuntimeError("a trial is already running in this process")
    early.install()
    guard.install()
    collecting = gc.isenabled()
    # A collection inside this trial could finalize objects of an earlier one.
    gc.disable()
    with _process_state_kept():
        random.seed(seed)
        restore = patches.install(patches.table(kernel, children))
        descriptors.current = Descriptors(kernel, network, children)
        kernel.outside = None if children is None else children.await_news
        random_bytes.current = Entropy(kernel, seed)
        kernels.active = kernel
        try:
            yield
        finally:
            kernels.active = None
            random_bytes.current = None
            descriptors.current = None
            restore()
            if children is not None:
                children.end()
            if collecting:
                gc.enable()


@contextlib.contextmanager
def _process_state_kept() -> Iterator[None]:
    """Keep process-wide state that a trial changes without any patch."""
    random_state = random.getstate()
    alive, starting = dict(threading._active), dict(threading._limbo)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        random.setstate(random_state)
        # asyncio would ask each of them for its loop whenever a later loop ends.
        for task in list(asyncio.tasks._scheduled_tasks):  # type: ignore[attr-defined]
            if task.get_loop().is_closed():
                asyncio.tasks._scheduled_tasks.discard(task)  # type: ignore[attr-defined]
        for registry, before in (("_active", alive), ("_limbo", starting)):
            entries = getattr(threading, registry)
            entries.clear()
            entries.update(before)
