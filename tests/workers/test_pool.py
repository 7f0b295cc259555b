"""Workers: they answer in order, say why they died, and are gone when they should be."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.combination import Combination
from race_harness.model.errors import ClientUnavailable, UsageError, WorldBroken
from race_harness.model.schedule import Caller, Schedule, ServerTiming
from race_harness.model.trace import LOG_VARIABLE
from race_harness.model.verdict import TrialResult
from race_harness.model.version import __version__
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.sim import source
from race_harness.workers.pool import Workers
from race_harness.workers.protocol import RunTrial, WholeTrial

WORKING = Path(__file__).parents[1] / "clients" / "own_client.py"
SIM_OWN = Combination("sim", "own")

QUICK = Schedule("any", caller=Caller(pause_ms=1.0, settle_s=6.0))


def schedules(reps: int) -> list[Schedule]:
    return list(draw_schedules(library.load("final-events"), 3, reps))


def nothing(_result: TrialResult) -> None:
    pass


def alive(group: int) -> list[int]:
    """Processes of a group that have not ended; one that nobody has waited for yet has."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it has just ended
        if int(its_group) == group and state not in "ZX":
            found.append(int(stat.parent.name))
    return sorted(found)


def jobs_of(workers: Workers) -> list[int]:
    """The processes that run trials: those that the first one forked."""
    leader = workers._process.pid
    return [pid for pid in alive(leader) if pid != leader]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process is about to do."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def two() -> Iterator[Workers]:
    with Workers(sys.executable, "reference", 2) as workers:
        workers.wait_ready()
        yield workers


def test_a_worker_says_which_version_of_the_client_it_has(two: Workers) -> None:
    assert two.version == __version__


def test_results_come_in_the_order_of_the_schedules_whatever_the_trials_take(
    two: Workers,
) -> None:
    """The first has a thousand steps more, so that later ones are done before it."""
    many = [
        Schedule("any", n, server=ServerTiming(think_ms=1.0 if n else 200_000.0))
        for n in range(12)
    ]
    arrived: list[int] = []
    results = two.run(many, lambda result: arrived.append(result.index))
    assert [result.index for result in results] == list(range(12))
    assert sorted(arrived) == list(range(12))
    assert len({result.digest for result in results}) == 12
    # And each belongs to its schedule.
    for index in (0, 5, 11):
        assert two.run_whole(many[index])[0].digest == results[index].digest


@pytest.mark.parametrize("given_up", [True, False])
def test_answers_that_nobody_waited_for_are_no_others(two: Workers, given_up: bool) -> None:
    stream = two.stream(schedules(12))
    first, _ = next(stream)
    if given_up:
        stream.close()
    else:
        assert sorted([first.index, *(result.index for result, _ in stream)]) == list(range(12))
    for number, schedule in enumerate(schedules(3)):
        result, _ = two.run_whole(schedule)
        assert result.digest == two.run([schedule], nothing)[0].digest, number
    assert [result.index for result in two.run(schedules(3), nothing)] == [0, 1, 2]


def test_a_worker_knows_the_lines_of_the_client(two: Workers) -> None:
    lines = two.source_lines()
    assert lines == source.lines(ReferenceAdapter.source) == two.source_lines()
    places = two.source_places()
    assert [place.line for place in places] == lines
    for place in places:
        text = Path(place.file).read_text(encoding="utf-8").splitlines()[place.number - 1]
        assert text.strip() == place.text
    assert any(name.startswith("ReferenceClient.") for name, _ in lines)
    # It is no trial, and the trials go on after it.
    assert [result.index for result in two.run(schedules(3), nothing)] == [0, 1, 2]


@pytest.fixture(scope="module")
def digests_of_one_job(workers: Callable[[str], Workers]) -> list[str]:
    return [result.digest for result in workers("reference").run(schedules(20), nothing)]


@pytest.mark.slow
def test_any_number_of_jobs_does_the_same(two: Workers, digests_of_one_job: list[str]) -> None:
    with Workers(sys.executable, "reference", 3) as three:
        three.wait_ready()
        for several in (two, three):
            results = several.run(schedules(20), nothing)
            assert [result.digest for result in results] == digests_of_one_job


def test_the_same_worker_does_the_same_again(
    workers: Callable[[str], Workers], digests_of_one_job: list[str]
) -> None:
    again = workers("reference").run(schedules(20)[::-1], nothing)
    assert [result.digest for result in again[::-1]] == digests_of_one_job


def test_all_of_what_failed_is_had_without_a_second_time(
    workers: Callable[[str], Workers],
) -> None:
    failed: dict[int, int] = {}

    def on_failure(result: TrialResult, whole: WholeTrial) -> None:
        failed[result.index] = len(whole.happenings)

    poll = workers("reference:poll")
    results = poll.run(schedules(20), nothing, on_failure)
    assert set(failed) == {result.index for result in results if not result.passed}
    assert 0 < len(failed) < 20
    assert all(failed.values())
    failed.clear()
    poll.run(schedules(20), nothing)
    assert failed == {}


def test_schedules_are_taken_as_they_are_needed(two: Workers) -> None:
    taken = 0

    def endless() -> Iterator[Schedule]:
        nonlocal taken
        while True:
            taken += 1
            yield QUICK

    assert len(two.run(islice(endless(), 20), nothing)) == 20
    assert taken == 20
    assert two.run([], nothing) == []


def test_what_is_asked_for_may_depend_on_what_came(two: Workers) -> None:
    """One trial after another, though there are two jobs: the next is asked for by its answer."""
    left, answered = iter(schedules(5)), [0]
    asked: list[int] = []

    def next_one() -> RunTrial | None:
        if len(asked) == len(answered) or (schedule := next(left, None)) is None:
            return None
        asked.append(len(asked))
        return RunTrial(asked[-1], schedule)

    for done in two.serve(next_one):
        assert done.result.index == asked[-1]
        answered.append(done.result.index)
    assert asked == [*range(5)]


def test_of_a_cause_that_was_told_the_evidence_alone_is_told_again(
    workers: Callable[[str], Workers],
) -> None:
    poll = workers("reference:poll")
    told = [*poll.stream(schedules(20), "causes")]
    assert all((whole is None) == result.passed for result, whole in told)
    failures = [whole for _result, whole in told if whole is not None]
    assert len(failures) > 1
    assert all(failure.evidence for failure in failures)
    # Each is about one cause, which was told at the first.
    assert [bool(failure.happenings) for failure in failures].count(True) <= 1


def test_a_hang_is_told_sooner_where_that_is_asked_for(two: Workers) -> None:
    slow = Schedule("any", server=ServerTiming(answer_run_ms=25_000.0, start_ms=25_000.0))
    limits = iter([None, 5.0, None])

    def asked() -> RunTrial | None:
        limit_s = next(limits, 0.0)
        return None if limit_s == 0.0 else RunTrial(int(limit_s or 0), slow, None, limit_s)

    verdicts = [(done.result.index, done.result.verdicts) for done in two.serve(asked, 1)]
    assert {index: "hang" in several for index, several in verdicts} == {0: False, 5: True}
    # The next one has all its time again.
    assert len(verdicts) == 3


def test_a_job_that_dies_ends_the_campaign_with_one_clear_error() -> None:
    workers = Workers(sys.executable, "reference", 2)
    leader = workers._process.pid
    killed: list[int] = []

    def kill_one(_result: TrialResult) -> None:
        if not killed:
            killed.append(jobs_of(workers)[0])
            os.kill(killed[0], signal.SIGKILL)

    def campaign() -> None:
        with workers:
            workers.wait_ready()
            workers.run((QUICK for _ in range(10_000)), kill_one)

    with pytest.raises(WorldBroken, match="a worker died") as caught:
        campaign()
    assert "\n" not in str(caught.value)
    assert killed
    until(lambda: not alive(leader))


def test_a_job_that_died_before_it_was_asked_is_noticed() -> None:
    with Workers(sys.executable, "reference", 1) as one:
        one.wait_ready()
        os.kill(*jobs_of(one), signal.SIGKILL)
        until(lambda: not alive(one._process.pid))
        with pytest.raises(WorldBroken, match="a worker died"):
            one.run_whole(QUICK)


@pytest.mark.parametrize("python", ["/no/such/python", "/", "/etc/passwd"])
def test_an_interpreter_that_cannot_be_started(python: str) -> None:
    with pytest.raises(WorldBroken, match=f"cannot start {python}: ") as caught:
        Workers(python, "reference", 2)
    assert "\n" not in str(caught.value)


def broken(workers: Workers) -> str:
    with workers, pytest.raises(WorldBroken) as caught:
        workers.wait_ready()
    assert not alive(workers._process.pid)
    return str(caught.value)


def test_an_interpreter_that_is_none() -> None:
    assert broken(Workers("/bin/false", "reference", 1)) == "a worker died without a word"


def test_a_client_that_cannot_be_imported_is_told_with_its_reason(tmp_path: Path) -> None:
    """An interpreter without any package, as a client's environment that was damaged."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True
    )
    said = broken(Workers(tmp_path / "bare" / "bin" / "python", "reference", 2))
    assert "ModuleNotFoundError" in said


def test_a_bug_that_there_is_not_is_one_line() -> None:
    said = broken(Workers(sys.executable, "reference:charm", 2))
    assert "no bug 'charm'" in said
    assert "\n" not in said


def test_a_trial_that_cannot_be_is_told_and_when_closed_all_are_gone() -> None:
    workers = Workers(sys.executable, "reference", 2)
    workers.wait_ready()
    leader = workers._process.pid
    assert len(alive(leader)) == 3
    with pytest.raises(WorldBroken, match=r"schedule\.server\.think_ms'"):
        workers.run([Schedule("any", server=ServerTiming(think_ms=-1.0))], nothing)
    workers.close()
    assert alive(leader) == []


def test_when_left_by_an_error_all_are_gone_even_in_the_middle_of_the_import() -> None:
    workers = Workers(sys.executable, "reference", 2)
    leader = workers._process.pid
    assert alive(leader) == [leader]

    def interrupted() -> None:
        with workers:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    until(lambda: not alive(leader))


CONTROLLING_SIDE = """
import sys
from race_harness.workers.pool import Workers
workers = Workers(sys.executable, "reference", 2)
workers.wait_ready()
print(workers._process.pid, flush=True)
sys.stdin.read()
"""


def test_when_the_controlling_side_is_killed_all_end_by_themselves() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CONTROLLING_SIDE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as controlling:
        assert controlling.stdout is not None
        leader = int(controlling.stdout.readline())
        assert len(alive(leader)) == 3
        controlling.kill()
    until(lambda: not alive(leader))


def test_what_of_the_environment_reaches_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy", "PYTHONPATH"]
    for name in dropped:
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("PYTHONHASHSEED", "42")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # it would not even start
    with Workers(sys.executable, "reference", 1) as workers:
        workers.wait_ready()
        (job,) = jobs_of(workers)
        raw = Path(f"/proc/{job}/environ").read_bytes().decode()
    found = dict(entry.partition("=")[::2] for entry in raw.split("\0") if entry)
    assert set(dropped) & set(found) == set()
    assert found["PYTHONHASHSEED"] == "42"
    assert found["PATH"] == os.environ["PATH"]


def test_a_log_of_digests_is_found_wherever_the_worker_goes_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LOG_VARIABLE, "one.log")
    with Workers(sys.executable, "reference", 1) as workers:
        workers.wait_ready()
        monkeypatch.chdir("/")
        result, _ = workers.run_whole(Schedule("test"))
    assert (tmp_path / "one.log").read_text().endswith(f"\ndigest {result.digest}\n")
    monkeypatch.setenv(LOG_VARIABLE, str(tmp_path / "none" / "one.log"))
    with pytest.raises(UsageError, match=r"cannot write .*one\.log: No such file .*unset it$"):
        Workers(sys.executable, "reference", 1)


def test_an_environment_that_could_be_mended_is_started_once_more(tmp_path: Path) -> None:
    client = tmp_path / "client.py"
    client.write_text("import no_such_module\n")
    asked: list[str] = []

    def mend() -> bool:
        asked.append("mend")
        client.write_text(WORKING.read_text())
        return True

    with Workers(sys.executable, f"{client}:Right", 2, SIM_OWN, mend) as pool:
        pool.wait_ready()
        assert pool.version
    assert asked == ["mend"]


@pytest.mark.parametrize("changed", [True, False])
def test_what_cannot_be_mended_is_told_as_it_was(tmp_path: Path, changed: bool) -> None:
    client = tmp_path / "client.py"
    client.write_text("import no_such_module\n")
    asked: list[str] = []

    def mend() -> bool:
        asked.append("mend")
        return changed

    with (
        Workers(sys.executable, f"{client}:Right", 1, SIM_OWN, mend) as pool,
        pytest.raises(ClientUnavailable, match="no_such_module"),
    ):
        pool.wait_ready()
    assert asked == ["mend"]
