"""Collects the user's own tests with pytest, and runs one by pytest's own protocol.

This happens in a worker, which collects nothing else, and does not change the pytest that users
call.
"""

import linecache
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pytest

from race_harness.model.errors import UsageError
from race_harness.model.repetition import PhaseReport, Raised
from race_harness.model.trace import Trace

_OFF: Final = (
    # These run a test elsewhere, again, in another order, or not at all.
    *("xdist", "xdist.looponfail", "pytest_cov", "rerunfailures", "flaky", "randomly", "race"),
    *("random_order", "repeat", "forked", "pytest_forked", "stepwise", "cacheprovider"),
    # These use other clocks than the trial's, or hook into what the harness judges itself.
    *("timeout", "pytest_timeout", "faulthandler", "threadexception", "unraisableexception"),
    *("benchmark", "sugar", "html", "metadata", "junitxml"),
)
"""Plugins that are switched off, by pytest's names for them. They need not be installed."""

_HARNESS: Final = str(Path(__file__).parents[1])

_LONGEST: Final = 300
"""How many characters of an error are kept."""


class Collected:
    """The collected tests, by name, and the root of their project."""

    def __init__(self, items: Sequence[pytest.Item], root: Path) -> None:
        self.items = {item.nodeid: item for item in items}
        self.root = root


class Player:
    """The plugin. In place of pytest's own loop, it calls `serve` with the collected tests."""

    def __init__(self, serve: Callable[[Collected], None]) -> None:
        self._serve = serve
        self._errors: list[str] = []
        self.failure: BaseException | None = None
        """The error that `serve` raised, which pytest must not report itself."""
        self._begin: Callable[[], None] = lambda: None
        self._trace = Trace(lambda: 0)
        self._reports: list[PhaseReport] = []
        self._raised: dict[str, Raised] = {}
        self.source: Sequence[str] = ()
        """Modules, or packages, whose lines can be the place of an error."""
        self.on_raised: Callable[[str, BaseException], None] = lambda _phase, _error: None
        """Called with each error that ends a phase of the test, except for skips."""

    def play(
        self, item: pytest.Item, begin: Callable[[], None], trace: Trace
    ) -> tuple[PhaseReport, ...]:
        """Run setup, call and teardown, with new fixtures. `begin` is called before the call, and
        the trace gets the call's result."""
        self._begin, self._trace = begin, trace
        self._reports, self._raised = [], {}
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return tuple(self._reports)

    # -- pytest ------------------------------------------------------------------------------

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            lines = str(report.longrepr).strip().splitlines() or ["no reason given"]
            said = next((line for line in reversed(lines) if line.startswith("E ")), lines[-1])
            self._errors.append(f"{report.nodeid} cannot be collected: {said.lstrip('E ')}")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        try:
            if self._errors:
                raise UsageError(self._errors[0])
            if not session.items:
                raise UsageError(f"no test in {' '.join(session.config.args)} is selected")
            self._serve(Collected(session.items, session.config.rootpath))
        except BaseException as error:
            self.failure = error
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        self._begin()

    def pytest_runtest_makereport(
        self, item: pytest.Item, call: "pytest.CallInfo[None]"
    ) -> pytest.TestReport:
        """Make a report without a formatted traceback, which takes longer than most tests."""
        outcome: Any = "passed"
        longrepr: Any = None
        if call.excinfo is not None:
            skipped = isinstance(call.excinfo.value, pytest.skip.Exception)
            outcome = "skipped" if skipped else "failed"
            raised = raised_of(
                call.excinfo.value, call.excinfo.tb, [*self.source, *modules_of(item)]
            )
            self._raised[call.when] = raised
            if not skipped:
                self.on_raised(call.when, call.excinfo.value)
            if call.when == "call" and not skipped:
                self._trace.record(
                    *("client", "test-failed"), call=1, error=raised.error, where=raised.where
                )
            longrepr = (str(item.path), 0, raised.error) if skipped else raised.error
        elif call.when == "call":
            self._trace.record("client", "test-passed", call=1)
        phase: Any = call.when
        return pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome=outcome,
            longrepr=longrepr,
            when=phase,
            duration=call.duration,
            start=call.start,
            stop=call.stop,
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Only now does the report say whether a failure was expected.
        phase: Any = report.when
        raised = self._raised.get(phase)
        if report.outcome == "failed" and raised is None:
            raised = Raised(str(report.longrepr), "the test")
        elif report.outcome == "skipped" and hasattr(report, "wasxfail"):
            raised = Raised(f"expected to fail, and did: {raised.error if raised else ''}", "")
        self._reports.append(PhaseReport(phase, report.outcome, raised))


def collect(paths: Sequence[str], keyword: str, base_temp: Path, player: Player) -> None:
    """Collect tests as pytest does here with these arguments, and pass them to the player's
    `serve`.

    Raises:
        UsageError: pytest cannot collect one of them; the message is one line.
    """
    options = ["-o", "addopts=", "--capture=sys", f"--basetemp={base_temp}", "-q"]
    # The harness is imported before pytest starts.
    options += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    for plugin in _OFF:
        options += ["-p", f"no:{plugin}"]
    if keyword:
        options += ["-k", keyword]
    status = pytest.main([*options, *paths], plugins=[player])
    if player.failure is not None:
        raise player.failure
    if status is not pytest.ExitCode.OK:
        raise UsageError(f"pytest cannot collect {' '.join(paths)}; try pytest --collect-only")


def modules_of(item: pytest.Item) -> list[str]:
    """Return the name of the test's own module, in a list."""
    module = getattr(item, "module", None)
    return [] if module is None else [module.__name__]


def own_modules(item: pytest.Item, root: Path) -> tuple[str, ...]:
    """Return the test's module, and all loaded modules below the root of its project, except
    installed ones."""
    found = dict.fromkeys(modules_of(item))
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and _is_own(Path(file), root) and not name.startswith("race_harness"):
            found[name] = None
    return tuple(found)


def _is_own(file: Path, root: Path) -> bool:
    try:
        parts = file.relative_to(root).parts
    except ValueError:
        return False
    return not any(part in ("site-packages", "dist-packages") for part in parts)


def raised_of(
    error: BaseException, traceback: TracebackType | None, modules: Sequence[str]
) -> Raised:
    """Return what was raised, and where in these modules, each in one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    where, ours = "no line of the test", False
    while traceback is not None:
        frame = traceback.tb_frame
        ours = _is_mistake(error, frame.f_code.co_filename, traceback.tb_lineno)
        name = str(frame.f_globals.get("__name__", ""))
        if any(name == module or name.startswith(f"{module}.") for module in modules):
            text = linecache.getline(frame.f_code.co_filename, traceback.tb_lineno).strip()
            where = f"{frame.f_code.co_qualname}: {text}"
        traceback = traceback.tb_next
    return Raised(said[:_LONGEST], where[:_LONGEST], ours)


def _is_mistake(error: BaseException, file: str, line: int) -> bool:
    """Whether a stand-in of the simulation is at fault, and does not raise as the real thing
    would.

    Stand-ins raise on purpose with `raise`. If Python itself raises in them because of the caller,
    it is an error of a lock or of a wrong type.
    """
    return (
        file.startswith(_HARNESS)
        and not isinstance(error, OSError | RuntimeError | TypeError)
        and isinstance(error, Exception)
        and not linecache.getline(file, line).lstrip().startswith("raise")
    )
