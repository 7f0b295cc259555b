"""What the tests of the simulation share."""

import gc
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest
from sim_rig import SmallSite


@pytest.fixture(scope="session")
def site() -> SmallSite:
    return SmallSite()


@pytest.fixture(autouse=True, scope="module")
def collections_are_cheap() -> Iterator[None]:
    """They look at a module's own objects only: all that was imported would take 0.2 s."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def every_word(
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[], list[str]]]:
    """Whatever was written, logged, warned of or given to a hook: mostly it should be nothing."""
    gc.collect()  # what is left of other tests is to speak now
    capfd.readouterr()
    hooked: list[str] = []
    # pytest's own would keep these to itself, even the silent ones.
    monkeypatch.setattr(
        threading,
        "excepthook",
        lambda args: hooked.append(f"{args.exc_type.__name__}: {args.exc_value}"),
    )
    monkeypatch.setattr(sys, "unraisablehook", lambda args: hooked.append(repr(args)))
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")

        def words() -> list[str]:
            # asyncio tells, for debugging, what each loop's selector is.
            found = [
                record.getMessage()
                for record in caplog.records
                if (record.name, record.levelno) != ("asyncio", logging.DEBUG)
            ]
            found += [str(warning.message) for warning in warned]
            return hooked + found + [text for text in capfd.readouterr() if text]

        yield words
