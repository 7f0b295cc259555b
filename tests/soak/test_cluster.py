"""The bench of a Dask cluster: what dies with a process is run again, and counted once."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster, Security
from soak_rig import records

from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.model.errors import ClientUnavailable, UsageError
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.soak import cluster as module
from race_harness.soak.bench import Chunk
from race_harness.soak.cluster import ClusterTls, DaskBench, Wanted, dismiss, run_chunk
from race_harness.soak.plan import Plan, PlannedClient
from race_harness.soak.work import Soak
from race_harness.store.series import Key
from race_harness.store.store import Store
from race_harness.workers.pool import Workers

ARGUMENTS = ("reference", "reference:eager")
PLAN = Plan(tuple(PlannedClient(one, "0.1.0") for one in ARGUMENTS), ("final-events",), reps=130)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two worker processes; one that dies is replaced."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as started:
        yield started


@pytest.fixture(scope="module")
def clients() -> list[ClientUnderTest]:
    return [find_client(argument, pytest.fail) for argument in ARGUMENTS]


@pytest.mark.slow
def test_a_worker_is_killed_and_nothing_is_lost_nor_counted_twice(
    cluster: LocalCluster, clients: list[ClientUnderTest], tmp_path: Path
) -> None:
    with Client(cluster) as asking:
        victim = min(asking.run(os.getpid).values())
    heard: list[tuple[Key, int]] = []

    def on_result(key: Key, result: TrialResult) -> None:
        heard.append((key, result.index))
        if len(heard) == 1:
            # Others of its chunks are under way or waiting.
            os.kill(victim, signal.SIGKILL)

    with Store(tmp_path / "record.db") as store:
        found = records(store.campaign("soak", PLAN.to_dict()), PLAN)
        with DaskBench(cluster.scheduler_address, clients, "fake") as bench:
            assert [bench.server_version(position) for position in (0, 1)] == ["1.58.0"] * 2
            bench.run(Soak(PLAN, found, on_result=on_result, failures=tmp_path))
        with Client(cluster) as asking:
            assert victim not in asking.run(os.getpid).values()

        every = {(key, number) for key in PLAN.keys for number in range(130)}
        assert len(heard) == len(every)
        assert set(heard) == every
        rows = store.execute("SELECT count(*), count(DISTINCT digest) FROM trials").fetchone()
        assert rows[0] == len(every)

        # They are the trials that this machine would have run.
        key = Key("final-events", 1)
        there = {result.index: result for result in found[key].results()}
        schedules = list(draw_schedules(library.load(key.scenario), PLAN.seed, 130))
        with clients[1].workers() as workers:
            workers.wait_ready()
            for number in (0, 64, 129):
                here, _ = workers.run_whole(schedules[number])
                assert (there[number].digest, there[number].verdicts) == (
                    here.digest,
                    here.verdicts,
                )
        assert any(tmp_path.glob("final-events-*.json"))
        assert found[key].causes()
        assert not found[Key("final-events", 0)].causes()


def test_another_harness_on_the_cluster_is_refused(
    cluster: LocalCluster, clients: list[ClientUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "fingerprint", lambda: "edited here")
    with (
        pytest.raises(UsageError, match="runs another race-harness"),
        DaskBench(cluster.scheduler_address, clients[:1], "fake"),
    ):
        pass


def test_a_client_that_is_not_there_is_named_as_ever(
    cluster: LocalCluster, clients: list[ClientUnderTest]
) -> None:
    gone = ClientUnderTest("/nowhere/at-all", "1.0", clients[0].python, "openhands")
    with (
        pytest.raises(ClientUnavailable, match="no directory '/nowhere/at-all'"),
        DaskBench(cluster.scheduler_address, [gone], "fake"),
    ):
        pass


@pytest.mark.slow
def test_a_cluster_without_workers_is_told_how_to_get_some(
    clients: list[ClientUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 1)
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as nobody,
        pytest.raises(UsageError, match="has no workers: start some with `dask worker tcp://"),
        DaskBench(nobody.scheduler_address, clients, "fake"),
    ):
        pass


def test_without_dask_the_way_to_it_is_told(
    clients: list[ClientUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(UsageError, match=r"pip install 'race-harness\[dask\]'"),
        DaskBench("tcp://127.0.0.1:9", clients, "fake"),
    ):
        pass


@pytest.mark.slow
def test_workers_end_with_their_soak_also_those_that_are_busy() -> None:
    wanted = [module.Wanted("reference", "fake", "sim", soak) for soak in ("this", "other")]
    used: list[Workers] = []
    for each in wanted * 2:
        with module._working(each) as (_, workers):
            used.append(workers)
    # One for each soak, used twice.
    assert used[:2] == used[2:]
    with module._working(wanted[0]) as (_, busy):
        module.dismiss("this")
        assert _is_up(busy)
    assert [_is_up(workers) for workers in (busy, used[1])] == [False, True]
    module.dismiss("other")
    assert not _is_up(used[1])


def _is_up(workers: Workers) -> bool:
    return workers._process.poll() is None


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://1"])
def test_no_scheduler_is_named(
    clients: list[ClientUnderTest], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 1)
    # A client that cannot connect could not be closed.
    monkeypatch.setattr("distributed.Client", lambda *_args, **_options: pytest.fail("a client"))
    with (
        pytest.raises(UsageError, match=f"no Dask scheduler answers at {address}"),
        DaskBench(address, clients, "fake"),
    ):
        pass


def test_a_single_schedule_is_run_without_a_scenario_of_its_name() -> None:
    given = Schedule("of-nobody", entropy=7)
    chunk = Chunk(Key("of-nobody", 0), 0, 0, (0, 3))
    try:
        told = run_chunk(Wanted("reference", "fake", "sim", "one schedule"), chunk, given)
    finally:
        dismiss("one schedule")
    assert [(result.index, result.verdicts) for result, _ in told.trials] == [
        (0, ("ok",)),
        (3, ("ok",)),
    ]


@pytest.fixture
def certificates(tmp_path: Path) -> ClusterTls:
    """Of an authority that is the machine itself."""
    made = Security.temporary()
    for name, text in (("cert.pem", made.tls_client_cert), ("key.pem", made.tls_client_key)):
        (tmp_path / name).write_text(text)
    return ClusterTls(tmp_path / "cert.pem", tmp_path / "cert.pem", tmp_path / "key.pem")


@pytest.mark.slow
def test_with_tls_only_who_has_a_certificate_gets_in(
    certificates: ClusterTls,
    clients: list[ClientUnderTest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 5)
    secret = Security(
        require_encryption=True,
        tls_ca_file=str(certificates.ca),
        **{
            f"tls_{role}_{part}": str(getattr(certificates, part))
            for role in ("scheduler", "worker", "client")
            for part in ("cert", "key")
        },
    )
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        host="tls://127.0.0.1",
        dashboard_address="127.0.0.1:0",
        security=secret,
    ) as started:
        address = started.scheduler_address
        assert address.startswith("tls://")
        with DaskBench(address, clients[:1], "fake", tls=certificates) as bench:
            assert bench.server_version(0) == "1.58.0"
        with (
            pytest.raises(UsageError, match="TLS needs --dask-ca"),
            DaskBench(address, clients[:1], "fake"),
        ):
            pass
        plain = address.replace("tls://", "tcp://")
        with (
            pytest.raises(UsageError, match="no Dask scheduler answers"),
            DaskBench(plain, clients[:1], "fake"),
        ):
            pass


def test_certificates_need_an_address_with_tls(
    certificates: ClusterTls, clients: list[ClientUnderTest]
) -> None:
    bench = DaskBench("tcp://127.0.0.1:9", clients, "fake", tls=certificates)
    with pytest.raises(UsageError, match="without TLS: write tls://"), bench:
        pass


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .*ca\.pem"):
        ClusterTls(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
