"""A campaign in the record, which is told how it ended."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from race_harness.model.errors import UsageError
from race_harness.store.store import FINISHED, CampaignRecord, Store, default_path

Errors = tuple[type[BaseException], ...]


def open_store(path: Path | None, warn: Callable[[str], None]) -> Store:
    """The record that was asked for, or the usual one.

    Where the usual one cannot be written, trials go on and are recorded nowhere; `warn` hears why.

    Raises:
        UsageError: the file that was asked for cannot be written, or is no record.
    """
    try:
        return Store(path or default_path())
    except UsageError as error:
        if path is not None:
            raise
        warn(f"not recorded: {error}")
        return Store(None)


@contextlib.contextmanager
def ending(
    campaign: CampaignRecord,
    by_itself: Callable[[], str] = lambda: FINISHED,
    *,
    finished_by: Errors = (),
    interrupted_by: Errors = (KeyboardInterrupt,),
) -> Iterator[None]:
    """Tell the campaign how what is within ended.

    `by_itself` says how, where nothing was raised. An error in `finished_by` counts as finished,
    one in `interrupted_by` as interrupted.
    """
    try:
        yield
    except finished_by:
        campaign.end(FINISHED)
        raise
    except interrupted_by:
        campaign.end("interrupted")
        raise
    except BaseException as error:
        campaign.end(str(error).partition("\n")[0] or type(error).__name__)
        raise
    else:
        campaign.end(by_itself())


@contextlib.contextmanager
def recorded(
    path: Path | None,
    command: str,
    plan: Mapping[str, Any],
    *,
    identity: str | None = None,
    warn: Callable[[str], None],
    finished_by: Errors = (),
    interrupted_by: Errors = (KeyboardInterrupt,),
) -> Iterator[CampaignRecord]:
    """A campaign in the record; see `Store.campaign` and `ending`. Raises as `open_store`."""
    with open_store(path, warn) as store:
        campaign = store.campaign(command, plan, identity=identity)
        with ending(campaign, finished_by=finished_by, interrupted_by=interrupted_by):
            yield campaign
