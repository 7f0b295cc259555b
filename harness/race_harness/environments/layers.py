"""A layer: what one requirement changes, in front of the environment that the harness runs in.

It is a virtual environment that holds just that; Python finds the rest in the environment at hand,
whose folders follow on the path, as with `uv run --with`. This includes what is installed there as
editable, or by other `.pth` files. Nothing is written there.
"""

import hashlib
import importlib.metadata
import os
import site
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from race_harness.environments.builder import build_once, source_in
from race_harness.environments.cache import Cache, cache_root
from race_harness.environments.checkouts import Snapshot, take_snapshot
from race_harness.environments.environment import Environment
from race_harness.environments.installer import (
    base_interpreter,
    create,
    install_alone,
    installed,
    uv_version,
    would_change,
)
from race_harness.model.errors import ClientUnavailable
from race_harness.model.layered import PATH_FILE


def prepare_layer(requirement: Requirement, progress: Callable[[str], None]) -> Environment:
    """Find or build the layer of a requirement on the environment at hand.

    Its resolved version is a pin such as `websockets==15.0.1`. A requirement that was resolved
    before needs no package index, and keeps its versions; if it names a folder, the folder's
    present content counts. Raises `ClientUnavailable` with one line.
    """
    layer = Layer.of(requirement)
    cache = Cache(cache_root(), base_interpreter())

    def build(directory: Path) -> None:
        layer.build(cache, directory)

    return build_once(layer.key, layer.title, str(requirement), cache, progress, build)


@dataclass(frozen=True)
class Layer:
    requirement: Requirement
    sources: Snapshot | None
    """The sources in the folder that the requirement names, if it names one."""
    sites: tuple[str, ...]
    """The package folders of the environment at hand, in the order of its path."""

    @staticmethod
    def of(requirement: Requirement) -> "Layer":
        """Raises `ClientUnavailable`: the folder that the requirement names cannot be read."""
        user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
        sites = [path for path in [*user, *site.getsitepackages()] if os.path.isdir(path)]
        return Layer(requirement, _sources(requirement), tuple(sites))

    @property
    def title(self) -> str:
        return f"{self.requirement} in front of {sys.prefix}"

    @cached_property
    def key(self) -> str:
        """Different for any other requirement, and for an environment with other packages."""
        at_hand = _versions(self.sites)
        contents = [
            *(str(self.requirement), self.sources.digest() if self.sources else ""),
            *self.sites,
            *sorted(f"{name}=={version}" for name, version in at_hand.items()),
        ]
        digest = hashlib.sha256("\n".join(contents).encode(errors="surrogateescape"))
        return f"layer-{canonicalize_name(self.requirement.name)}-{digest.hexdigest()[:16]}"

    def build(self, cache: Cache, directory: Path) -> None:
        """Raises `UvFailed`, or `OSError`."""
        venv = directory / "venv"
        python = create(venv, cache.interpreter)
        asked = self._staged(source_in(directory))
        install_alone(would_change(asked, Path(sys.executable), directory), python, directory)
        (folder,) = venv.glob("lib/python*/site-packages")
        lines = [f"import site; site.addsitedir({path!r})\n" for path in self.sites]
        (folder / PATH_FILE).write_text("".join(lines), encoding="utf-8")
        changed = installed(python, directory)
        name = canonicalize_name(self.requirement.name)
        version = _versions([str(folder), *self.sites])[name]
        cache.publish(
            self.key,
            venv,
            {
                "client": self.title,
                "version": f"{name}=={version}",
                "interpreter": cache.interpreter.version,
                "uv": uv_version(),
                "packages": changed,
            },
        )

    def _staged(self, directory: Path) -> str:
        """The requirement as an argument for uv; a folder becomes a copy of the snapshot of it."""
        if self.sources is None:
            return str(self.requirement)
        directory.mkdir()
        self.sources.write(directory)
        staged = Requirement(str(self.requirement))
        staged.url = directory.as_uri()
        return str(staged)


def _versions(folders: Sequence[str]) -> dict[str, str]:
    """The versions of the packages installed there; the first one of a name counts."""
    found: dict[str, str] = {}
    for one in importlib.metadata.distributions(path=[*folders]):
        # The remains of a broken uninstallation have no name.
        if one.metadata["Name"]:
            found.setdefault(canonicalize_name(one.metadata["Name"]), one.version)
    return found


def _sources(requirement: Requirement) -> Snapshot | None:
    url = urlsplit(requirement.url or "")
    path = Path(url2pathname(url.path))
    if url.scheme != "file" or not path.is_dir():
        return None
    try:
        return take_snapshot(path)
    except OSError as error:
        named = error.filename or path
        raise ClientUnavailable(f"cannot read '{named}': {error.strerror}") from error
