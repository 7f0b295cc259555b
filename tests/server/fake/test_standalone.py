"""The fake server on a real loopback port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from race_harness.model.errors import UsageError
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening
from race_harness.network.loopback import HOST
from race_harness.server.fake.standalone import line, serve


@contextlib.contextmanager
def served() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    program = (
        "from race_harness.model.schedule import Schedule;"
        "from race_harness.server.fake.standalone import serve;"
        "serve(Schedule('by-hand'), port=0, version='1.58.0')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0], process
    finally:
        process.kill()
        process.communicate()


def test_a_person_can_watch_and_stop_it() -> None:
    with served() as (address, process):
        assert address.startswith(f"http://{HOST}:")
        created = httpx.post(f"{address}/api/conversations", json={"max_iterations": 5})
        assert created.status_code == 201
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        request, answer = told.splitlines()
        assert "method=POST route=POST conversations number=1 peer=" in request
        assert " ms  rest " in answer
        assert answer.endswith("number=1 status=201 execution_status=idle")


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"{HOST}:{port}") as caught:
            serve(Schedule("by-hand"), port=port, version="1.58.0")
    assert "\n" not in str(caught.value)


def test_a_port_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="70000"):
        serve(Schedule("by-hand"), port=70_000, version="1.58.0")


def test_a_line() -> None:
    happening = Happening(1_234_500, "server", "status", {"status": "running", "run": 1})
    assert line(happening) == "       1.234 ms  server  status           status=running run=1"
