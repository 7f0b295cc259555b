"""A package that calls itself openhands-sdk, or another, builds in no time and needs nothing."""

import subprocess
from pathlib import Path

# Its own build backend, so that no build requirement is fetched. It logs each build, and waits
# before the first one for as long as GATE exists.
BACKEND = """
import os, time, zipfile

LOG = {log!r}
GATE = {gate!r}
INFO = "{project}-{version}.dist-info"


def _metadata(directory):
    os.makedirs(os.path.join(directory, INFO), exist_ok=True)
    with open(os.path.join(directory, INFO, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: {project}\\nVersion: {version}\\n")
    with open(os.path.join(directory, INFO, "WHEEL"), "w") as file:
        file.write("Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\n")
        file.write("Tag: py3-none-any\\n")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(LOG, "a") as file:
        file.write("build\\n")
    while os.path.exists(GATE):
        time.sleep(0.02)
    name = "{project}-{version}-py3-none-any.whl"
    _metadata(wheel_directory)
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.write("flavour.py", {module!r})
        for file in ("METADATA", "WHEEL"):
            wheel.write(os.path.join(wheel_directory, INFO, file), INFO + "/" + file)
        wheel.writestr(INFO + "/RECORD", "")
    return name
"""

PYPROJECT = """
[project]
name = "{project}"
version = "{version}"
requires-python = ">=3.12"
dependencies = []

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


class FakePackage:
    """A directory with the sources, and the marks its builds leave outside of it."""

    def __init__(
        self,
        directory: Path,
        marks: Path,
        version: str = "1.43.1",
        project: str = "OpenHands_SDK",
        module: str = "flavour",
    ) -> None:
        self.directory = directory
        self.gate = marks / "gate"
        self._log = marks / "builds.log"
        directory.mkdir(parents=True)
        backend = BACKEND.format(
            log=str(self._log),
            gate=str(self.gate),
            version=version,
            project=project.lower(),
            module=f"{module}.py",
        )
        (directory / "backend.py").write_text(backend)
        (directory / "pyproject.toml").write_text(
            PYPROJECT.format(version=version, project=project)
        )
        self.flavour("plain")

    def flavour(self, name: str) -> None:
        """Change the package's one module."""
        (self.directory / "flavour.py").write_text(f"NAME = {name!r}\n")

    def builds(self) -> int:
        """How many builds have begun."""
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0


def add_server(root: Path, marks: Path, version: str = "1.43.1") -> list[FakePackage]:
    """Put what the server needs beside the package, as the monorepo has it."""
    return [
        FakePackage(root / name, marks, version, name.replace("-", "_"), name.rpartition("-")[2])
        for name in ("openhands-tools", "openhands-agent-server")
    ]


def commit_all(repository: Path, message: str) -> str:
    """Commit everything in a directory, which becomes a repository; returns the commit's sha."""

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
        command = ["git", "-C", str(repository), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", message)
    return git("rev-parse", "HEAD")
