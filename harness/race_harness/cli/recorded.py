"""Where the commands record what they run."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from race_harness.cli.console import errors
from race_harness.store import recording
from race_harness.store.store import FINISHED, CampaignRecord, Store

RecordFile = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="Record every trial here. [default: RACE_RECORD, or a file in the user's data]",
    ),
]


def open_store(path: Path | None) -> Store:
    """The record that was asked for, or the usual one; see `store.recording.open_store`."""
    return recording.open_store(path, _warn)


@contextlib.contextmanager
def recorded(path: Path | None, command: str, plan: Mapping[str, Any]) -> Iterator[CampaignRecord]:
    """A campaign in the record, which is told how it ended. Raises as `open_store`."""
    with open_store(path) as store:
        campaign = store.campaign(command, plan)
        with ending(campaign):
            yield campaign


@contextlib.contextmanager
def ending(
    campaign: CampaignRecord, by_itself: Callable[[], str] = lambda: FINISHED
) -> Iterator[None]:
    """Tell the campaign how what is within ended; a command's own exit status is no trouble."""
    with recording.ending(
        campaign,
        by_itself,
        by_exit=(typer.Exit,),
        by_interrupt=(KeyboardInterrupt, typer.Abort),
    ):
        yield


def _warn(text: str) -> None:
    errors.print(f"race: {text}", style="yellow", markup=False, soft_wrap=True)
