"""Finds out what a machine has. It changes nothing, and leaves nothing behind."""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from race_harness.doctor.checks import Machine, Storage
from race_harness.doctor.index_question import ask_index
from race_harness.environments import cache, pruning
from race_harness.environments.installer import uv_version
from race_harness.model.supported import complaint
from race_harness.model.version import __version__
from race_harness.store.health import RecordHealth, health_of
from race_harness.store.store import default_path
from race_harness.upkeep.temporary import TemporaryFolder, abandoned_folders

_BROWSER: Final = Path("/usr/bin/chromium")
_DRIVER: Final = Path("/usr/bin/chromedriver")

_SIZING_S: Final = 3.0
"""Wall seconds for the size of the cache, which may have millions of files."""

_FOLDERS: Final = """
import sys
from pathlib import Path
from race_harness.workers import scratch
point = scratch.place()
scratch.enter(point)
scratch.keep_as_it_is(Path(sys.argv[1]), point)
"""
"""The steps of a repetition of a test before it begins, for a process of its own."""


def look() -> Machine:
    """Find out all of it, which takes a few seconds, at most five of them for the network."""
    root, record = cache.cache_root(), default_path()
    # Before this makes a temporary folder, which sweeps away abandoned ones.
    leftovers = (*abandoned_folders(), *cache.leftovers(root))
    index = ask_index(os.environ)
    entries, size, measured = pruning.measured(root, _SIZING_S)
    writable = problem_of(record.parent)
    health = health_of(record) if writable is None else RecordHealth()
    return Machine(
        harness=__version__,
        python=platform.python_version(),
        executable=Path(sys.executable),
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        platform=f"{platform.system()} {platform.release()}, {os.cpu_count()} cores",
        complaint=complaint(),
        uv=_uv(),
        index=index.address,
        releases=index.releases,
        index_problem=index.problem,
        cache=Storage(root, problem_of(root), free_gb(root), size / 1e9, entries, measured),
        record=Storage(record, writable, free_gb(record), _size_gb(record)),
        trials=health.trials,
        record_problem=health.problem,
        namespaces_problem=namespaces_problem(),
        tools=held_tools(),
        sdk=_version("openhands-sdk"),
        agent_server=_version("openhands-agent-server"),
        browser=_BROWSER if _BROWSER.exists() else None,
        driver=_DRIVER if _DRIVER.exists() else None,
        leftovers=leftovers,
    )


def problem_of(folder: Path) -> str | None:
    """Why nothing can be written below the folder, or, if it does not exist, below its nearest
    parent; None: it can."""
    there = _nearest(folder)
    if not there.is_dir():
        return f"{there} is no folder"
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return error.strerror or str(error)


def free_gb(path: Path) -> float:
    """Free gigabytes where the path is, or is going to be."""
    return shutil.disk_usage(_nearest(path)).free / 1e9


def namespaces_problem() -> str | None:
    """Why repetitions of a test cannot have folders of their own; None: they can."""
    with TemporaryFolder() as folder:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _FOLDERS, str(folder)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def held_tools() -> dict[int, str]:
    """The tool ids of `sys.monitoring` that are taken in this process, and by whom."""
    named = ((number, sys.monitoring.get_tool(number)) for number in range(6))
    return {number: name for number, name in named if name is not None}


def _nearest(path: Path) -> Path:
    """The path, or the nearest of its parents that exists."""
    return next(one for one in (path, *path.parents) if one.exists())


def _size_gb(path: Path) -> float:
    return path.stat().st_size / 1e9 if path.is_file() else 0.0


def _uv() -> str | None:
    try:
        return f"{uv_version()} in {find_uv_bin()}"
    except (FileNotFoundError, metadata.PackageNotFoundError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
