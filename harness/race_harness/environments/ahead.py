"""Environments built in the background, for clients that are likely to be needed next.

The builder is a process of its own. It ends, with all that it started, as soon as nobody wants it
any more or its owner is gone; the cache sweeps away what it leaves unfinished. A process that
needs what is being built waits for it, as for any other builder. Failures are not reported: the
build fails again where it is needed.

    python -m race_harness.environments.ahead JSON CLIENT...

JSON is `[with_server, requirements]`; requirements are null unless it builds for tests.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType

from race_harness.environments.preparing import prepare, prepare_for_tests
from race_harness.model.errors import ClientUnavailable


class Ahead:
    """At most one builder, which takes one client after the other; leaving the context ends it.

    `tests`: the requirements of the environments, which are for tests; None: for scenarios.
    """

    def __init__(self, *, with_server: bool = False, tests: Sequence[str] | None = None) -> None:
        self._kind = json.dumps([with_server, tests])
        self._builder: subprocess.Popen[bytes] | None = None
        self._told = b""
        """The builder's output so far: a line for each client that it has begun."""

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    def want(self, clients: Sequence[str]) -> None:
        """Build these and no others from now on, in this order, leaving out those that exist."""
        self.stop()
        if clients:
            self._builder = subprocess.Popen(
                [sys.executable, "-m", __name__, self._kind, *clients],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # A group of its own: it ends with the builds that it has started.
                start_new_session=True,
            )

    def need(self, client: str) -> None:
        """This one is needed now: the builder ends unless it is the one being built."""
        if self._builder is None:
            return
        assert self._builder.stdout is not None
        os.set_blocking(self._builder.stdout.fileno(), False)
        self._told += self._builder.stdout.read() or b""
        if self._told.splitlines()[-1:] != [os.fsencode(client)]:
            self.stop()

    def stop(self) -> None:
        """End the builder, if there is one."""
        if self._builder is None:
            return
        assert self._builder.stdin is not None
        assert self._builder.stdout is not None
        self._builder.stdin.close()
        self._builder.wait()
        self._builder.stdout.close()
        self._builder = None
        self._told = b""


def main(kind: str, *clients: str) -> None:
    with_server, tests = json.loads(kind)
    threading.Thread(target=_end_with_owner, daemon=True).start()
    for client in clients:
        os.write(sys.stdout.fileno(), os.fsencode(client) + b"\n")
        with contextlib.suppress(ClientUnavailable):
            if tests is None:
                prepare(client, with_server=with_server)
            else:
                prepare_for_tests(client, tests)


def _end_with_owner() -> None:
    """End when our input closes: the owner closes it, or dies."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
