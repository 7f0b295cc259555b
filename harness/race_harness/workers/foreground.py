"""Runs a trial in the foreground, with the terminal to itself."""

import signal
import subprocess
import tempfile
from pathlib import Path

from race_harness.workers import bootstrap
from race_harness.workers.pool import environment_of_tests


def debug_in_foreground(python: Path, adapter: str, failure: Path, at: str) -> int:
    """Run a failing test again in this environment, with a debugger at `at`, or, if that is empty,
    where it fails; return the exit status of `debugging`."""
    with tempfile.TemporaryDirectory(prefix="race-", ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(
            [
                *(str(python), "-P", str(Path(bootstrap.__file__))),
                *("debug", "sim", adapter, str(failure.resolve()), at),
            ],
            env={**environment_of_tests(), "TMPDIR": scratch},
        )
        # Ctrl-C is for the debugger.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGINT, before)
