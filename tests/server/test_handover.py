"""What one process notes for the next, and the port that is kept for it."""

import errno
import socket
from pathlib import Path

import pytest

from race_harness.model.errors import UsageError
from race_harness.network.loopback import HOST, kept_port, listening_socket
from race_harness.server.handover import Handover


def test_entries_are_those_of_all_processes_in_order(tmp_path: Path) -> None:
    told: list[BaseException] = []
    first = Handover(tmp_path, told.append)
    first.note("act", "append")
    first.note("event", "c", {"id": "a"})
    assert [*first.entries("act", "event")] == [("act", "append"), ("event", "c", {"id": "a"})]
    second = Handover(tmp_path, told.append)
    second.note("act", "publication")
    assert [*second.entries("act")] == [("act", "append"), ("act", "publication")]
    assert [*second.entries("saved")] == []
    assert told == []


def test_a_port_that_is_kept_is_nobodys_while_nobody_listens() -> None:
    def connects() -> bool:
        with socket.socket() as client:
            return client.connect_ex((HOST, port)) != errno.ECONNREFUSED

    with kept_port() as keeper:
        port = keeper.getsockname()[1]
        assert not connects()
        for _ in range(2):
            with listening_socket(port):
                assert connects()
                with pytest.raises(UsageError, match="cannot listen"):
                    listening_socket(port)
            assert not connects()
