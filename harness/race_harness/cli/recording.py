"""Where the commands record what they run."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from race_harness.cli.console import errors
from race_harness.model.errors import UsageError
from race_harness.store.store import FINISHED, CampaignRecord, Store, default_path

RecordFile = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="Record every trial here. [default: RACE_RECORD, or a file in the user's data]",
    ),
]


def open_store(path: Path | None) -> Store:
    """The record that was asked for, or the usual one.

    Where the usual one cannot be written, trials go on and are recorded nowhere; that is said.

    Raises:
        UsageError: the file that was asked for cannot be written, or is no record.
    """
    try:
        return Store(path or default_path())
    except UsageError as error:
        if path is not None:
            raise
        errors.print(f"race: not recorded: {error}", style="yellow", markup=False, soft_wrap=True)
        return Store(None)


@contextlib.contextmanager
def recorded(
    path: Path | None, command: str, plan: Mapping[str, Any], *, identity: str | None = None
) -> Iterator[CampaignRecord]:
    """A campaign in the record, which is told how it ended; see `Store.campaign`.

    Raises as `open_store`.
    """
    with open_store(path) as store:
        campaign = store.campaign(command, plan, identity=identity)
        with ending(campaign):
            yield campaign


@contextlib.contextmanager
def ending(
    campaign: CampaignRecord, by_itself: Callable[[], str] = lambda: FINISHED
) -> Iterator[None]:
    """Tell the campaign how what is within ended; a command's own exit status is no trouble.

    `by_itself` says how, where nothing was raised.
    """
    try:
        yield
    except typer.Exit:
        campaign.end(FINISHED)
        raise
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | typer.Abort)
        said = str(error).partition("\n")[0] or type(error).__name__
        campaign.end("interrupted" if interrupted else said)
        raise
    else:
        campaign.end(by_itself())
