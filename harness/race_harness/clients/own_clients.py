"""Loads a client of the user's own from its adapter's file: `FILE.py` or `FILE.py:NAME`.

NAME is a class, which is called without arguments, or a ready adapter; the default is `Adapter`.
The file runs as a separate module. Its imports are looked up in its folder too, after everything
that is installed.
"""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from race_harness.clients import Adapter
from race_harness.model.errors import ClientUnavailable, place_of

NAME = "Adapter"

_NEEDED = ("version", "connect", "serve")


def split(argument: str, default: str = NAME) -> tuple[Path, str] | None:
    """Return file and name, if this argument means a file, which need not exist; else None.
    `default` is the name if the argument has none.

    A directory is a checkout, whatever its name.
    """
    path, _, name = argument.rpartition(":")
    if not path.endswith(".py"):
        path, name = argument, default
    if not path.endswith(".py") or not name:
        return None
    found = Path(path).expanduser()
    return None if found.is_dir() else (found, name)


def check_file(path: Path) -> None:
    """Raises ClientUnavailable if there is no such file."""
    if not path.is_file():
        raise ClientUnavailable(f"no file '{path}'")


def load(path: Path, name: str) -> Adapter:
    """Run the file and make the adapter.

    Raises:
        ClientUnavailable: there is no such file or no such name in it, it needs a module that is
            not installed, it raises, or the name is no adapter; the message is one line.
    """
    check_file(path)
    try:
        module = run_file(path, "race_client")
    except ModuleNotFoundError as error:
        raise ClientUnavailable(
            f"{path} needs {error.name}, which is not installed in the environment of race-harness"
        ) from error
    except (Exception, SystemExit) as error:
        raise ClientUnavailable(f"{path} {account(error, path)}") from error
    found = vars(module).get(name)
    if found is None:
        there = [other for other, value in vars(module).items() if _looks_right(value)]
        others = f"; its adapters: {', '.join(there)}" if there else ""
        raise ClientUnavailable(f"{path} has no {name}{others}")
    try:
        adapter = found() if isinstance(found, type) else found
    except (Exception, SystemExit) as error:
        raise ClientUnavailable(f"{path}: {name}() {account(error, path)}") from error
    missing = [each for each in _NEEDED if not hasattr(adapter, each)]
    if missing:
        raise ClientUnavailable(f"{path}: {name} is no adapter: it has no {', '.join(missing)}")
    if not isinstance(adapter.version, str) or not adapter.version:
        raise ClientUnavailable(f"{path}: {name} is no adapter: its version is no text")
    return adapter  # type: ignore[no-any-return]


def run_file(path: Path, prefix: str) -> ModuleType:
    """Run the user's own file as a module whose name begins with `prefix`. Raises whatever the
    file raises."""
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    # The prefix keeps it apart from an installed module with the file's name.
    spec = importlib.util.spec_from_file_location(f"{prefix}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _looks_right(value: object) -> bool:
    # The module `websockets` has all three names.
    is_module = isinstance(value, ModuleType)
    return not is_module and all(hasattr(value, each) for each in _NEEDED)


def account(error: BaseException, path: Path) -> str:
    """Return an error in words, such as `raises in line 7: ValueError: no such thing`."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    where = f" in line {lines[-1]}" if lines else ""
    said = " ".join(traceback.format_exception_only(error)[-1].split())
    place = place_of(error)
    further = (
        "" if place is None or place[0] == str(path) else f" (in {place[0]}, line {place[1]})"
    )
    return f"raises{where}: {said}{further}"
