"""The disk of the server's machine, in a process that takes another one's place."""

import pytest

from race_harness.model.schedule import ProcessEvent, ServerTiming
from race_harness.model.trace import Happening, Trace
from race_harness.server.disk import FILLED, FREED, Disk

MAY_FILL = ServerTiming(process=(ProcessEvent("disk-full", for_ms=1_000.0),))


@pytest.mark.parametrize(
    ("before", "full"),
    [((), False), ((FILLED,), True), ((FILLED, FREED), False)],
    ids=["nothing", "filled", "freed"],
)
def test_it_is_as_full_as_the_process_before_left_it(
    before: tuple[tuple[str, str], ...], full: bool
) -> None:
    trace = Trace(lambda: 0)
    for lane, what in before:
        trace.record(lane, what)  # type: ignore[arg-type]
    disk = Disk(MAY_FILL, trace)
    assert disk.full == full
    trace.record(*FILLED)  # type: ignore[arg-type]
    assert disk.full
    assert isinstance(trace.happenings[-1], Happening)
    assert not Disk(ServerTiming(), trace).full
