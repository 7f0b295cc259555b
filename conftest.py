"""Settings of the whole suite: which tests a plain `pytest` runs, and in which order.

A plain `pytest` is the fast suite. `--all` runs everything; paths, `-m`, `-k` and `--lf` run
whatever they select. The markers are explained in tests/README.md.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

pytest_plugins = ["pytester"]

LEFT_OUT = ("slow", "index", "browser", "nightly")
"""Tests with one of these markers are not in the fast suite."""

SHOWN = (
    "clean",
    "delayed-callback",
    "final-events",
    "pause-during-run",
    "poll-error",
    "reconnect-gap",
    "stop-hook",
)
"""Race scenarios in the fast suite."""

COUNTS = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run everything, not the fast suite alone")


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Iterator[None]:
    """Tests leave nothing in the record of who runs them."""
    # Otherwise hundreds of commands import trio and pytest, for the plugin that trio brings.
    os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"
    with TemporaryDirectory(prefix="race-") as scratch:
        os.environ["RACE_RECORD"] = str(Path(scratch) / "record.db")
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {} if _selects(config) else {item: why for item in items if (why := _reason(item))}
    config.stash[COUNTS] = Counter(left_out.values())
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
    # pytest-xdist hands out files in the order of their first tests: with long ones first, no
    # process is left with one at the end while the others are idle.
    items.sort(key=lambda item: not any(map(item.get_closest_marker, (*LEFT_OUT, "race"))))


def _selects(config: pytest.Config) -> bool:
    """Whether the command line says which tests to run."""
    option = config.option
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    failed_last = getattr(option, "lf", False)
    return bool(option.all or option.markexpr or option.keyword or failed_last or named)


def _reason(item: pytest.Item) -> str | None:
    """Why the fast suite leaves it out, if it does."""
    if item.get_closest_marker("race"):
        return None if item.name in SHOWN else "race"
    return next((name for name in LEFT_OUT if item.get_closest_marker(name)), None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of pytest-xdist tells the main one what it left out."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = dict(session.config.stash.get(COUNTS, Counter()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # All have collected the same tests; one that crashed tells nothing.
    if output := getattr(node, "workeroutput", None):
        node.config.stash[COUNTS] = Counter(output.get("left_out", {}))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    counts = config.stash.get(COUNTS, Counter())
    if counts:
        kinds = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        terminalreporter.write_line(
            f"fast suite: {counts.total()} tests left out ({kinds}); "
            "run everything with --all, or one kind with -m, such as -m slow"
        )
