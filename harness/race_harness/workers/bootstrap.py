"""Starts a worker inside a client's environment; run as a script, by path.

Nothing of the harness is installed there. Only this package is made importable, not the folder it
lies in: that may be the controlling side's site-packages, with other versions of everything.
"""

import importlib.util
import sys
from pathlib import Path


def make_importable(package: Path) -> None:
    """Make the package in this folder importable by its folder's name."""
    spec = importlib.util.spec_from_file_location(
        package.name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{package} holds no package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[package.name] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    make_importable(Path(__file__).resolve().parent.parent)
    if sys.argv[2] == "sim":
        # Before the worker imports any module that keeps copies of what it finds.
        from race_harness.sim import early

        early.install()
    if sys.argv[1] == "debug":
        from race_harness.workers.debugging import main
    elif sys.argv[1] == "serve":
        from race_harness.workers.server_worker import main
    else:
        from race_harness.workers.worker import main

    main(sys.argv[1:])
