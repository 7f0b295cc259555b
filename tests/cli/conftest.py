"""What the tests of commands share."""

import subprocess
import sys
from pathlib import Path

import pytest
from cli_rig import Race, call

from harness.cli import main
from harness.cli.console import output


@pytest.fixture
def race(tmp_path: Path) -> Race:
    """Calls `race` in an empty folder."""
    return lambda *arguments, **environment: call(tmp_path, *arguments, **environment)


@pytest.fixture
def quick_race(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Race:
    """The same within this process, without the second that its imports take."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["race", *map(str, arguments)])
        monkeypatch.setattr(output, "width", 200)
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            main()
        status = int(exited.value.code or 0)
        return subprocess.CompletedProcess(sys.argv, status, *capsys.readouterr())

    return run
