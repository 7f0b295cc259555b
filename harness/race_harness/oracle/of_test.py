"""Judges one repetition of a test. Pure.

Only the test itself says what is right: its assertions must hold, it must end, and none of its
threads may die.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from race_harness.model.evidence import Evidence
from race_harness.model.outcome import CallOutcome, Outcome, Void
from race_harness.model.repetition import PhaseReport, Repetition
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening
from race_harness.model.verdict import ORDER, Judgement
from race_harness.oracle.bookkeeping import ledger_of
from race_harness.oracle.judge import judge


def judge_repetition(repetition: Repetition) -> Judgement | Void:
    """Return the verdicts, gravest first, or Void if there is nothing to judge.

    The schedule begins with the test itself, so a skip, or a setup that fails or never ends, says
    nothing about a race. Nor does a test that is expected to fail, and does.
    """
    by_phase = {report.phase: report for report in repetition.phases}
    setup, call = by_phase.get("setup"), by_phase.get("call")
    if setup is None or setup.outcome != "passed" or call is None:
        if setup is not None and setup.outcome == "skipped":
            return Void("skipped", _told(setup, "skipped"))
        return Void("setup", _why_not(setup, repetition))
    if call.outcome == "skipped" and repetition.stopped is None:
        return Void("skipped", _told(call, "skipped"))
    evidence = [*_found(call, by_phase.get("teardown"), repetition)]
    if repetition.unwatched is not None and not evidence:
        return Void("unwatched", repetition.unwatched)
    evidence.sort(key=lambda entry: ORDER.index(entry.verdict))
    verdicts = tuple(dict.fromkeys(entry.verdict for entry in evidence)) or ("ok",)
    return Judgement(verdicts, tuple(evidence), _notes(repetition))


def _found(
    call: PhaseReport, teardown: PhaseReport | None, repetition: Repetition
) -> list[Evidence]:
    if repetition.stopped is not None:
        # Whatever the test raised comes from being stopped.
        return [Evidence("hang", "test-hung", stopped=repetition.stopped)]
    found = [*repetition.early]
    for report, verdict, fact in (
        (call, "failed", "test-failed"),
        (teardown, "error", "teardown-failed"),
    ):
        if report is not None and report.outcome == "failed":
            raised = report.raised
            error, where = (raised.error, raised.where) if raised else ("unknown", "unknown")
            found.append(Evidence(verdict, fact, error=error, where=where))
    for death in repetition.deaths:
        error, where = death.raised.error, death.raised.where
        found.append(
            Evidence("thread-died", "thread-died", error=error, where=where, thread=death.thread)
        )
    return found


def returned_early(
    happenings: Sequence[Happening], calls: Sequence[CallOutcome]
) -> Iterator[Evidence]:
    """Yield what the oracle of conversations finds wrong with these calls of `run()`: that the
    server's run was still going on, or that persisted events were not visible.

    The calls are of one conversation. A test does not wait for everything to settle, so `late` and
    `lost` cannot be told apart: both become `early`.
    """
    ledger = ledger_of(happenings)
    judged = judge(Schedule("test"), happenings, Outcome(tuple(calls), tuple(ledger.log)))
    for entry in judged.evidence:
        if entry.verdict == "early":
            yield entry
        elif entry.fact == "seen-late":
            # The harness does not know which frame of a test's server has which event.
            events = tuple({**event, "framed": False} for event in entry.events)
            yield replace(entry, verdict="early", fact="unseen-at-return", events=events)


def _why_not(setup: PhaseReport | None, repetition: Repetition) -> str:
    if repetition.stopped is not None:
        return f"its setup never ended ({repetition.stopped})"
    return "its setup failed" if setup is None else _told(setup, "its setup failed")


def _told(report: PhaseReport, what: str) -> str:
    return what if report.raised is None else f"{what}: {report.raised.error}"


def _notes(repetition: Repetition) -> tuple[str, ...]:
    if not repetition.left:
        return ()
    return (f"threads that the test left behind: {', '.join(repetition.left)}",)
