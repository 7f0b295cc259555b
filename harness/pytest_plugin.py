"""The pytest plugin: `pytest -m race` runs the scenarios against a client, one test a scenario.

It works in any repository, also in one without tests: the tests come from here. Loading it imports
neither a client nor the simulation; both live in worker processes.

A test is a whole campaign of fixed seed. In a release that is known to fail the scenario it is a
strict xfail, so that a fix (or a harness that has gone blind) is noticed.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.campaign.campaign import Campaign
    from harness.campaign.client import ClientUnderTest
    from harness.campaign.pool import Workers
    from harness.scenario import Scenario

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
        "--race-reps", type=_positive, default=REPS, metavar="N", help="repetitions a scenario"
    )
    group.addoption(
        "--race-seed", type=int, default=SEED, metavar="SEED", help="seed of the schedules"
    )
    group.addoption(
        "--race-timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"wall seconds a scenario may take, by pytest-timeout ({TIMEOUT_S})",
    )
    parser.addini("race", "run the race scenarios without -m race, too", type="bool")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "race: a race scenario, run in the simulation")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the scenarios before pytest selects by marks and names."""
    asked = "race" in re.findall(r"\w+", config.option.markexpr)
    paths_named = config.args_source is pytest.Config.ArgsSource.ARGS
    if asked or (config.getini("race") and not paths_named):
        items += Scenarios.from_parent(session, name="race", nodeid="race").collect()


class Scenarios(pytest.Collector):
    """The scenarios that come with the harness, and the workers that all of them share."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._client: ClientUnderTest | None = None
        self._workers: Workers | None = None

    def collect(self) -> list[pytest.Item]:
        import scenarios

        return [RaceItem.from_parent(self, name=name) for name in scenarios.names()]

    def client(self) -> "ClientUnderTest":
        from harness.campaign.client import find_client

        if self._client is None:
            self._client = find_client(self.config.getoption("--race-client"), lambda _line: None)
        return self._client

    def run(self, scenario: "Scenario") -> "Campaign":
        """Run a scenario's campaign. Importing the client takes seconds: once for all of them."""
        from harness.campaign.campaign import run_campaign
        from harness.campaign.draw import draw_schedules
        from harness.cli.console import CORES

        client = self.client()
        option = self.config.getoption
        schedules = list(draw_schedules(scenario, option("--race-seed"), option("--race-reps")))
        try:
            if self._workers is None:
                self._workers = client.workers(CORES)
                self._workers.wait_ready()
            return run_campaign(client, schedules, self._workers)
        except BaseException:
            # Interrupted in the middle, they would answer the next scenario with this one's.
            self.close()
            raise

    def close(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None


class RaceItem(pytest.Item):
    """One scenario: passes if every repetition does."""

    parent: Scenarios

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_marker(pytest.mark.race)
        self.add_marker(pytest.mark.timeout(self.config.getoption("--race-timeout")))

    def runtest(self) -> None:
        import scenarios

        scenario = scenarios.load(self.name)
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
        summary = self.parent.run(scenario).summary
        self.user_properties.append(("race", summary.to_dict()))
        failed = summary.reps - summary.passed - summary.void
        void = f"{summary.void} of {summary.reps} repetitions of {scenario.name} were void"
        if failed:
            from harness.failure import Failure
            from harness.story.timeline import short_story

            lines = [
                f"{version} failed {failed} of {summary.reps} repetitions of {scenario.name}"
                + (f"; {void}" if summary.void else "")
            ]
            if summary.first_failure is not None:
                path = Path(summary.first_failure)
                lines += ["the first of them:", short_story(Failure.read(path), path)]
            raise RaceLost("\n".join(lines))
        if summary.void:
            raise RaceVoid(void)

    def _is_the_judged_campaign(self) -> bool:
        """Fewer repetitions or another seed may miss what the specifier was found with."""
        option = self.config.getoption
        return bool(option("--race-seed") == SEED and option("--race-reps") >= REPS)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | Any:
        from harness.errors import HarnessError

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
    try:
        return (yield)
    finally:
        for collector in _collectors(session.items):
            collector.close()


def _collectors(items: Sequence[pytest.Item]) -> set[Scenarios]:
    return {item.parent for item in items if isinstance(item, RaceItem)}


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
