"""Where the commands record what they run."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypedDict

import typer

from race_harness.cli.console import errors
from race_harness.store import recording
from race_harness.store.store import CampaignRecord, Store

RecordFile = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="Record every trial in this file. [default: RACE_RECORD, or a file in the user's "
        "data]",
    ),
]


def open_store(path: Path | None) -> Store:
    """The record at `path`, or the usual one; see `store.recording.open_store`."""
    return recording.open_store(path, _warn)


@contextlib.contextmanager
def recorded(path: Path | None, command: str, plan: Mapping[str, Any]) -> Iterator[CampaignRecord]:
    """A campaign in the record, which notes how it ended. Raises what `open_store` raises."""
    with recording.recorded(path, command, plan, warn=_warn, **_ENDINGS) as campaign:
        yield campaign


@contextlib.contextmanager
def ending(campaign: CampaignRecord) -> Iterator[None]:
    """Tell the campaign how the body of the context ended."""
    with recording.ending(campaign, **_ENDINGS):
        yield


class _Endings(TypedDict):
    finished_by: recording.Errors
    interrupted_by: recording.Errors


# A command that ends with its own exit status has finished.
_ENDINGS: Final[_Endings] = {
    "finished_by": (typer.Exit,),
    "interrupted_by": (*recording.INTERRUPTED_BY, typer.Abort),
}


def _warn(text: str) -> None:
    errors.print(f"race: {text}", style="yellow", markup=False, soft_wrap=True)
