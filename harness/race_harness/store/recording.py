"""A campaign in the record, with how it ended."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from race_harness.model.errors import UsageError
from race_harness.store.store import FINISHED, CampaignRecord, Store, default_path
from race_harness.upkeep import interrupts

Errors = tuple[type[BaseException], ...]

INTERRUPTED_BY: Final[Errors] = (KeyboardInterrupt, GeneratorExit)
"""GeneratorExit comes if an interrupt strikes before the body of a context has begun: the context
is then dropped."""


def open_store(path: Path | None, warn: Callable[[str], None]) -> Store:
    """The record at `path`, or the usual one.

    If the usual one cannot be written, trials run without a record; `warn` gets the reason.

    Raises:
        UsageError: the file at `path` cannot be written, or is no record.
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
    interrupted_by: Errors = INTERRUPTED_BY,
) -> Iterator[None]:
    """Tell the campaign how the body of the context ended.

    `by_itself` says how, if nothing was raised. An error in `finished_by` counts as finished,
    one in `interrupted_by` as interrupted.
    """
    try:
        yield
        said = by_itself()
    except BaseException as error:
        with interrupts.held():
            campaign.end(_said(error, finished_by, interrupted_by))
        raise
    with interrupts.held():
        campaign.end(said)


def _said(error: BaseException, finished_by: Errors, interrupted_by: Errors) -> str:
    if isinstance(error, finished_by):
        return FINISHED
    if isinstance(error, interrupted_by):
        return "interrupted"
    return str(error).partition("\n")[0] or type(error).__name__


@contextlib.contextmanager
def recorded(
    path: Path | None,
    command: str,
    plan: Mapping[str, Any],
    *,
    identity: str | None = None,
    warn: Callable[[str], None],
    finished_by: Errors = (),
    interrupted_by: Errors = INTERRUPTED_BY,
) -> Iterator[CampaignRecord]:
    """A campaign in the record; see `Store.campaign` and `ending`. Raises as `open_store`."""
    with open_store(path, warn) as store:
        campaign = store.campaign(command, plan, identity=identity)
        with ending(campaign, finished_by=finished_by, interrupted_by=interrupted_by):
            yield campaign
