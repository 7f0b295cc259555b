"""`race cache`: the environments on disk, and room for others."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from race_harness.cli.client_names import ClientName
from race_harness.cli.console import output
from race_harness.model.errors import UsageError

if TYPE_CHECKING:
    from race_harness.environments.pruning import KeptEnvironment

GIGABYTE = 10**9
DAY_S = 86_400


def cache(
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Remove environments that have not been used for a long time, or that take too "
            "much room.",
        ),
    ] = False,
    max_gb: Annotated[
        float, typer.Option(min=0, help="With --prune: keep at most this many gigabytes.")
    ] = 20.0,
    max_days: Annotated[
        float,
        typer.Option(
            min=0, help="With --prune: remove what has not been used for this many days."
        ),
    ] = 30.0,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Remove these environments, such as a damaged one."),
    ] = None,
) -> None:
    """List the clients' environments with their size and last use, or make the cache smaller.

    --remove takes a name from the list, or a client such as 1.10.0 for all of its environments.

    An environment that a command is using or building is never removed. A removed one is built
    again when it is needed.
    """
    # Imported here: environments take a second, for which no other command should wait.
    from race_harness.environments import pruning
    from race_harness.environments.cache import cache_root

    root = cache_root()
    kept = pruning.environments(root)
    if remove:
        _remove(root, kept, remove)
        return
    if prune:
        _prune(root, kept, max_gb * GIGABYTE, max_days * DAY_S)
        return
    if kept:
        output.print(_table(kept))
    _say(_summary(root, kept))


def _remove(root: Path, kept: list["KeptEnvironment"], names: list[str]) -> None:
    """Raises UsageError: no environment has that name, or it is in use."""
    from race_harness.environments import pruning

    chosen = {name: [each for each in kept if each.is_called(name)] for name in names}
    for name, several in chosen.items():
        if not several:
            raise UsageError(f"no environment {name!r} in {root}: `race cache` lists them")
    gone = {each.path: each for several in chosen.values() for each in several}
    for each in gone.values():
        if not pruning.remove(each):
            raise UsageError(f"{each.title} is in use: end what uses it, and then remove it")
        _say(f"removed {each.title}")
    _say(_summary(root, [each for each in kept if each.path not in gone]))


def _prune(
    root: Path, kept: list["KeptEnvironment"], most_bytes: float, most_idle_s: float
) -> None:
    from race_harness.bisect import journal
    from race_harness.environments import pruning
    from race_harness.environments.cache import sweep

    now = time.time()
    swept = sweep(root)
    gone: list[KeptEnvironment] = []
    for removal in pruning.choose(kept, now=now, most_bytes=most_bytes, most_idle_s=most_idle_s):
        if pruning.remove(removal.kept):
            gone.append(removal.kept)
            _say(f"removed {removal.kept.title}: {removal.reason}")
        else:
            _say(f"kept {removal.kept.title}: it is in use")
    if swept:
        _say(f"removed what {swept} interrupted builds left")
    if forgotten := journal.forget(now - most_idle_s):
        _say(f"forgot {forgotten} bisects")
    _say(_summary(root, [each for each in kept if each not in gone]))


def _table(kept: list["KeptEnvironment"]) -> Table:
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    table.add_column("environment")
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("of it\nits own", justify="right", no_wrap=True)
    table.add_column("last used", no_wrap=True)
    now = time.time()
    for each in kept:
        table.add_row(
            ClientName(each.title, each.title),
            f"{each.size / 1e6:.0f}",
            f"{(each.size - each.shared) / 1e6:.0f}",
            _ago(now - each.used_at) if each.used_at else "never: damaged",
        )
    return table


def _summary(root: Path, kept: list["KeptEnvironment"]) -> str:
    from race_harness.environments import pruning

    size = pruning.total(kept) / GIGABYTE
    return f"{len(kept)} environments, {size:.2f} GB with each file counted once, in {root}"


def _ago(seconds: float) -> str:
    for unit, length in (("days", DAY_S), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"


def _say(text: str) -> None:
    output.print(text, markup=False, highlight=False, soft_wrap=True)
