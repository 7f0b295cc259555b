"""Where a worker runs a trial, and what it does not run."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from race_harness.clients import Adapter
from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.combination import REAL_FAKE, SIM_FAKE, SIM_REAL, Combination
from race_harness.model.errors import ClientUnavailable
from race_harness.model.outcome import Void
from race_harness.model.schedule import Interleaving, Link, Network, Schedule, Script, ServerTiming
from race_harness.network.site import UvicornSite
from race_harness.server.profile import Profile
from race_harness.workers.trial import Trial, not_run
from race_harness.workers.worker import TrialBench, prepare, run_trials

SEEDED = Schedule("any", interleaving=Interleaving(7))
OVERTAKES = Schedule("any", server=ServerTiming(status_overtakes=1))


@pytest.fixture(scope="module")
def site() -> UvicornSite:
    return UvicornSite()


def bench(combination: Combination, site: UvicornSite) -> TrialBench:
    return TrialBench(ReferenceAdapter(), combination, site)


@pytest.mark.parametrize(
    ("schedule", "combination", "reason"),
    [
        (SEEDED, REAL_FAKE, "interleaving.seed: "),
        (OVERTAKES, SIM_REAL, "server.status_overtakes: "),
    ],
)
def test_what_the_combination_cannot_do_is_void_and_says_why(
    site: UvicornSite, schedule: Schedule, combination: Combination, reason: str
) -> None:
    (trial,) = run_trials(bench(combination, site), [schedule])
    result = trial.result(3)
    assert (result.index, result.verdicts, result.passed) == (3, (), False)
    assert result.void is not None
    assert result.void.kind == "not-run"
    assert result.void.reason.startswith(reason)
    assert (trial.happenings, trial.judgement) == ((), None)


@pytest.mark.parametrize(("version", "void"), [("1.7.4", True), ("1.8.0", False)])
def test_what_the_release_does_not_have_is_void_and_says_why(
    site: UvicornSite, version: str, void: bool
) -> None:
    adapter = ReferenceAdapter()
    adapter.server_version = version
    subject = TrialBench(adapter, SIM_FAKE, site, Profile.of(version))
    trial = subject.run(Schedule("any", script=Script(stop_hook_denials=1)))
    why = Void("not-run", "script.stop_hook_denials: 1.7.4 has no stop hooks")
    assert trial.outcome.void == (why if void else None)


def test_a_client_with_another_api_is_one_line_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made() -> Adapter:
        raise TypeError("Agent() takes\n  no 'llm'")

    module = ModuleType("race_harness.clients.openhands")
    module.OpenHandsAdapter = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "race_harness.clients.openhands", module)
    with pytest.raises(ClientUnavailable) as e:
        prepare("openhands")
    assert "(TypeError: Agent() takes no 'llm')" in str(e.value)
    assert "\n" not in str(e.value)


IMPORTED = """
import sys

sys.path.insert(0, sys.argv[1])
from race_harness.model.errors import ClientUnavailable
from race_harness.workers.worker import prepare

try:
    prepare("openhands")
except ClientUnavailable as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("LLM = None", "has an API that the harness does not know (ImportError: cannot import"),
        ("import no_such_module", "cannot be imported (ModuleNotFoundError: No module named"),
        ("def broken(", "cannot be imported (SyntaxError: '(' was never closed"),
        ("raise ValueError('a price')", "cannot be imported (ValueError: a price)"),
    ],
    ids=["another API", "a module is missing", "half a file", "it raises"],
)
def test_only_an_unknown_api_is_told_as_one(content: str, says: str, tmp_path: Path) -> None:
    package = tmp_path / "openhands" / "sdk"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text(content)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout.startswith(f"this openhands-sdk {says}"), done
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("schedule", [SEEDED, OVERTAKES])
def test_what_it_can_do_is_run(site: UvicornSite, schedule: Schedule) -> None:
    trial = bench(SIM_FAKE, site).run(schedule)
    assert trial.result(0).void is None
    assert trial.happenings


def test_the_result_counts_the_events_that_each_verdict_concerns(site: UvicornSite) -> None:
    """With the whole stream half a second late, three events come after the client has left."""
    slow = Schedule("any", network=Network(socket=Link(latency_ms=500.0)))
    adapter = ReferenceAdapter.named("reference:eager")
    trial = TrialBench(adapter, SIM_FAKE, site).run(slow)
    assert trial.judgement is not None
    counts = {entry.verdict: len(entry.events) for entry in trial.judgement.evidence}
    assert trial.result(0).concerned == {verdict: n or 1 for verdict, n in counts.items()}
    right = bench(SIM_FAKE, site).run(slow)
    assert (right.result(0).verdicts, right.result(0).concerned) == (("ok",), {})


def test_in_the_real_world_another_runs_it_and_the_core_stays_free(
    site: UvicornSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Schedule, Adapter]] = []

    def run_trial(schedule: Schedule, adapter: Adapter) -> Trial:
        seen.append((schedule, adapter))
        return not_run(schedule, ["a stand-in"])

    monkeypatch.setattr("race_harness.workers.worker.run_trial_in_real_time", run_trial)
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: pytest.fail("pinned"))
    real = bench(REAL_FAKE, site)
    schedules = [Schedule("any"), OVERTAKES]
    assert [trial.schedule for trial in run_trials(real, schedules)] == schedules
    assert seen == [(schedule, real.adapter) for schedule in schedules]
