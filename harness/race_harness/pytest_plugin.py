"""The pytest plugin: `pytest -m race` runs the scenarios against a client, one test a scenario:
those that come with the harness, and those of the folders that pytest's configuration names.

It works in any repository, also in one without tests: the tests come from here. Loading it imports
neither a client nor the simulation; both live in worker processes.

Tests of one's own with `@pytest.mark.race` are run as subjects of trials by `-m race`, and with
`--race` all that are selected.

A scenario is a whole campaign of fixed seed. In a release that is known to fail the scenario it is
a strict xfail, so that a fix (or a harness that has gone blind) is noticed.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import pytest

from race_harness.model.asked import MOST_REPS, MOST_SEED
from race_harness.model.supported import complaint

if TYPE_CHECKING:
    from race_harness.campaign.campaign import Campaign
    from race_harness.campaign.resolve import ClientUnderTest
    from race_harness.model.scenario import Scenario
    from race_harness.store.store import CampaignRecord
    from race_harness.workers.pool import Workers

REPS = 200
SEED = 0
TIMEOUT_S = 600


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("race", "races between REST and WebSocket (pytest -m race)")
    group.addoption(
        "--race-client",
        default="installed",
        metavar="CLIENT",
        help="a release, latest, PATH, PATH@REVISION, FILE.py[:NAME], or installed (the default)",
    )
    group.addoption(
        "--race",
        action="store_true",
        help="run every selected test many times in the simulation, marked or not",
    )
    group.addoption(
        "--race-reps",
        type=_positive,
        metavar="N",
        help=f"repetitions of a scenario, or of a test of your own ({REPS})",
    )
    group.addoption(
        "--race-seed", type=_seed, default=SEED, metavar="SEED", help="seed of the schedules"
    )
    group.addoption(
        "--race-strict",
        action="store_true",
        help="fail, too, where a repetition passed but is not ok",
    )
    group.addoption(
        "--race-timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"wall seconds a scenario may take, by pytest-timeout ({TIMEOUT_S})",
    )
    group.addoption(
        "--race-record",
        type=Path,
        metavar="FILE",
        help="record every trial here (default: RACE_RECORD, or a file in the user's data)",
    )
    parser.addini("race", "run the race scenarios without -m race, too", type="bool")
    parser.addini(
        "race_scenarios", "folders of scenarios of your own, whose files are run", type="paths"
    )


def pytest_configure(config: pytest.Config) -> None:
    if (_is_asked(config) or config.getoption("--race")) and (says := complaint()) is not None:
        raise pytest.UsageError(says)
    for folder in config.getini("race_scenarios"):
        if not folder.is_dir():
            raise pytest.UsageError(f"race_scenarios: no folder '{folder}'")
    config.addinivalue_line(
        "markers",
        "race(reps, seed, faults, source, child_processes, schedule): a race scenario, or a test "
        "of your own, run in the simulation by -m race",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Add the scenarios, and what stands for tests, before anybody selects or groups."""
    asked, everything = _is_asked(config), config.getoption("--race")
    if asked or everything:
        own = False
        for place, item in enumerate(items):
            if everything or item.get_closest_marker("race"):
                from race_harness.campaign.own_items import standing_for

                own, items[place] = True, standing_for(item, REPS)
        if everything or (own and _there_is_no_client(config)):
            return (yield)
    paths_named = config.args_source is pytest.Config.ArgsSource.ARGS
    if asked or (config.getini("race") and not paths_named and _can_run()):
        items += Scenarios.from_parent(session, name="race", nodeid="race").collect()
    return (yield)


def _is_asked(config: pytest.Config) -> bool:
    """Whether `-m` is about the race tests."""
    return "race" in re.findall(r"\w+", config.option.markexpr)


def _can_run() -> bool:
    """Whether the scenarios, which nobody has asked for just now, can be run; says so if not."""
    says = complaint()
    if says is not None:
        _warn(f"the scenarios are left out: {says}")
    return says is None


def _there_is_no_client(config: pytest.Config) -> bool:
    """Whether the scenarios have no client to be run on; says so."""
    from importlib.util import find_spec

    if config.getoption("--race-client") != "installed" or find_spec("openhands") is not None:
        return False
    _warn("openhands-sdk is not installed: of the race tests, only your own marked ones are run")
    return True


class Scenarios(pytest.Collector):
    """The scenarios that there are, and the workers that all of them share."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._stack = ExitStack()
        self._record: CampaignRecord | None = None
        self._client: ClientUnderTest | None = None
        self._workers: Workers | None = None

    def collect(self) -> list[pytest.Item]:
        from race_harness.search import library

        named = dict(zip(library.names(), library.names(), strict=True))
        own = {
            str(path): path.stem.replace("_", "-")
            for folder in self.config.getini("race_scenarios")
            for path in _files_in(folder)
        }
        return [
            RaceItem.from_parent(self, name=name, argument=argument)
            for argument, name in (named | own).items()
        ]

    def client(self) -> "ClientUnderTest":
        from race_harness.campaign.resolve import find_client

        if self._client is None:
            self._client = find_client(self.config.getoption("--race-client"), lambda _line: None)
        return self._client

    def run(self, scenario: "Scenario") -> "Campaign":
        """Run a scenario's campaign. Importing the client takes seconds: once for all of them."""
        from race_harness.campaign.campaign import run_campaign
        from race_harness.campaign.drawn import DrawnSchedules
        from race_harness.workers.pool import CORES

        client = self.client()
        option = self.config.getoption
        reps = option("--race-reps") or REPS
        schedules = DrawnSchedules(scenario, option("--race-seed"), reps)
        try:
            if self._workers is None:
                self._workers = client.workers(CORES)
                self._workers.wait_ready()
            series = client.series(
                self._workers.server_version,
                scenario.name,
                seed=option("--race-seed"),
                drawn=True,
                reps=len(schedules),
            )
            return run_campaign(
                client,
                schedules,
                self._workers,
                series=self.record().series(series),
                keeps_schedules=not scenario.is_in_every_record,
                strict=option("--race-strict"),
            )
        except BaseException:
            # Interrupted in the middle, they would answer the next scenario with this one's.
            self._close_workers()
            raise

    def record(self) -> "CampaignRecord":
        """The campaign that this session is, in whichever of the processes of pytest-xdist."""
        from race_harness.store.recording import recorded

        if self._record is None:
            option = self.config.getoption
            plan = {
                "clients": [option("--race-client")],
                "reps": option("--race-reps") or REPS,
                "seed": option("--race-seed"),
            }
            session = getattr(self.config, "workerinput", {}).get("testrunuid")
            path = option("--race-record")
            campaign = recorded(path, "pytest", plan, identity=session, warn=_warn)
            self._record = self._stack.enter_context(campaign)
        return self._record

    def close(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """End the workers and the campaign, which is told what ended the session."""
        self._close_workers()
        self._stack.__exit__(exc_type, exc, tb)

    def _close_workers(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None


class RaceItem(pytest.Item):
    """One scenario: passes if every repetition does."""

    parent: Scenarios

    def __init__(self, argument: str, **options: Any) -> None:
        super().__init__(**options)
        self._argument: Final = argument
        """As `campaign.own_scenarios` takes it: a file is not run before its test is."""
        self.add_marker(pytest.mark.race)
        self.add_marker(pytest.mark.timeout(self.config.getoption("--race-timeout")))

    def runtest(self) -> None:
        from race_harness.campaign.own_scenarios import find_scenario

        scenario = find_scenario(self._argument)
        client = self.parent.client()
        version = client.resolved_version
        if client.is_sdk and scenario.known_to_fail(version):
            reason = f"{version} is known to fail (in {scenario.fails})"
            # Losing the race is what is expected, not a broken world or a timeout.
            self.add_marker(
                pytest.mark.xfail(
                    raises=RaceLost, reason=reason, strict=self._is_the_judged_campaign()
                )
            )
        campaign = self.parent.run(scenario)
        summary = campaign.summary
        self.user_properties.append(("race", summary.to_dict()))
        strict = self.config.getoption("--race-strict")
        judged = [result for result in campaign.results if result.void is None]
        failed = sum(not result.passes(strict=strict) for result in judged)
        void = f"{summary.void} of {summary.reps} repetitions of {scenario.name} were void"
        if failed:
            from race_harness.model.failure import Failure
            from race_harness.story.timeline import short_story

            lines = [
                f"{version} failed {failed} of {summary.reps} repetitions of {scenario.name}"
                + (f"; {void}" if summary.void else "")
            ]
            if summary.first_failure is not None:
                path = Path(summary.first_failure)
                lines += ["the first of them:", short_story(Failure.read(path), path)]
            raise RaceLost("\n".join(lines))
        if summary.void:
            voids = [result.void for result in campaign.results if result.void is not None]
            if all(one.kind in ("not-run", "unfit") for one in voids):
                # Such as what an early release lacks: there is nothing to lose.
                pytest.skip(
                    voids[0].says if len(voids) == summary.reps else f"{void}: {voids[0].says}"
                )
            raise RaceVoid(void)

    def _is_the_judged_campaign(self) -> bool:
        """Fewer repetitions or another seed may miss what the specifier was found with."""
        option = self.config.getoption
        return bool(option("--race-seed") == SEED and (option("--race-reps") or REPS) >= REPS)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | Any:
        from race_harness.model.errors import HarnessError

        if isinstance(excinfo.value, RaceLost | RaceVoid | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return Path("race"), None, f"race: {self.name}"


class RaceLost(Exception):
    """Repetitions failed; the message is the short story of the first."""


class RaceVoid(Exception):
    """No repetition failed, but some never reached `run()` and so have no verdict."""


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[Any]:
    with ExitStack() as stack:
        for collector in _collectors(session.items):
            # A test that timed out in the middle of this import would leave half of it behind.
            import hypothesis  # noqa: F401

            stack.push(collector.close)
        return (yield)


def _collectors(items: Sequence[pytest.Item]) -> set[Scenarios]:
    return {item.parent for item in items if isinstance(item, RaceItem)}


def _files_in(folder: Path) -> list[Path]:
    """All that end in .py, but those that begin with `_`."""
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _warn(text: str) -> None:
    print(f"race: {text}", file=sys.stderr)


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_REPS:
        raise ValueError(text)
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MOST_SEED:
        raise ValueError(text)
    return number
