"""The result of a bisect: numbers for programs, and sentences for people. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, reduce
from typing import Any, Final

from race_harness.bisect.bisecting import Bisected
from race_harness.bisect.judged import Judged, Point, Times
from race_harness.bisect.questions import Question
from race_harness.bisect.ranges import Range
from race_harness.environments.history import Commit

SCHEMA: Final = 1

_NAMED: Final = 6
"""Clients that one sentence names; of more it names only the first and the last."""


@dataclass(frozen=True)
class BisectReport:
    """One bisect, and those of the merges to which it led."""

    question: Question
    server: str
    outcomes: Sequence[Bisected]
    """The bisect of the range, then those of the merges it led to; the last has the answer."""
    ranges: Sequence[Range]
    """The range of each outcome."""
    seconds: float
    """Wall seconds, all in all."""

    @cached_property
    def judged(self) -> dict[str, tuple[Point, Judged]]:
        """The judgements by client, in the order in which they were made."""
        return {
            outcome.points[position].client: (outcome.points[position], judged)
            for outcome in self.outcomes
            for position, judged in outcome.judged.items()
        }

    @property
    def outcome(self) -> Bisected:
        return self.outcomes[-1]

    @property
    def times(self) -> Times:
        """Wall seconds of the judgements made now, without those already known."""
        fresh = (judged.times for _, judged in self.judged.values() if not judged.known)
        return reduce(Times.__add__, fresh, Times())

    def commit(self, client: str) -> Commit | None:
        return next((each.commits[client] for each in self.ranges if client in each.commits), None)

    def skipped(self) -> list[tuple[str, str]]:
        """Clients that were left out or cannot tell, each with the reason."""
        left_out = [entry for each in self.ranges for entry in each.left_out]
        unclear = [
            (client, judged.says)
            for client, (_, judged) in self.judged.items()
            if judged.judgement == "unclear"
        ]
        return left_out + unclear

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        boundary = self.outcome.boundary
        return {
            "schema": SCHEMA,
            "kind": self.outcome.kind,
            "boundary": [point.client for point in boundary] if boundary else None,
            "ending": self.outcome.ending,
            "question": self.question.title,
            "rule": self.question.rule,
            "world": "sim",
            "server": self.server,
            "tested": [
                _tested(client, judged)
                for client, (_, judged) in self.judged.items()
                if judged.judgement != "unclear"
            ],
            "skipped": [{"client": client, "reason": reason} for client, reason in self.skipped()],
            "commits": {
                client: {**asdict(commit), "pull_request": commit.pull_request}
                for client in self.judged
                if (commit := self.commit(client))
            },
            "seconds": {**asdict(self.times), "all": self.seconds},
        }


def _tested(client: str, judged: Judged) -> dict[str, Any]:
    return {
        "client": client,
        "judgement": judged.judgement,
        "reps": judged.reps,
        "passed": judged.passed,
        "seconds": judged.times.all,
        "says": judged.says,
        "times": asdict(judged.times),
        "known_before": judged.known,
    }


def in_words(report: BisectReport) -> Iterator[str]:
    """The answer, a sentence a line."""
    outcome = report.outcome
    before, after = ("good", "bad") if outcome.kind == "first-bad" else ("bad", "good")
    first, last = outcome.points[0], outcome.points[-1]
    if outcome.boundary:
        last_before, first_after = outcome.boundary
        if outcome.ending == "found":
            yield f"first {after} one: {_named(report, first_after)}"
        else:
            suspects = [*outcome.between, first_after]
            yield (
                f"first {after} one: one of these {len(suspects)}, of which only the last could "
                f"be judged: {_several(suspects)}"
            )
            for point in suspects[:_NAMED]:
                if report.commit(point.client):
                    yield f"  {_named(report, point)}"
        yield f"last {before} one before: {_named(report, last_before)}"
    elif outcome.ending == "no-change":
        judgement = outcome.judged[0].judgement
        yield (
            f"no change at all: {first.label} is {judgement}, and so is {last.label}; nothing "
            "between them was tried"
        )
    elif outcome.ending == "no-difference":
        yield f"{outcome.says}; nothing between them was tried"
    elif outcome.ending == "reversed":
        other = "--fixed looks" if after == "bad" else "without --fixed it looks"
        yield (
            f"the other way round: {first.label} is {after} and {last.label} is {before}; {other} "
            f"for the first {before} one"
        )
    else:
        for position, judged in outcome.judged.items():
            if judged.judgement == "unclear":
                end = outcome.points[position].label
                yield f"{end}, an end of the range, cannot tell: {judged.says}; name another end"


def time_in_words(report: BisectReport) -> str:
    """Where the time went."""
    times, known = report.times, sum(judged.known for _, judged in report.judged.values())
    other = max(0.0, report.seconds - times.all)
    trials = sum(judged.reps for _, judged in report.judged.values() if not judged.known)
    told = (
        f"{len(report.judged) - known} judged in {report.seconds:.0f} s: installing "
        f"{times.install:.0f} s, importing {times.start:.0f} s, {trials} trials "
        f"{times.trials:.0f} s, all else {other:.0f} s"
    )
    return f"{told}; {known} were known from before" if known else told


def _named(report: BisectReport, point: Point) -> str:
    """A point by name, a commit with all that is known about it."""
    commit = report.commit(point.client)
    if commit is None:
        return point.label
    number = f", pull request #{commit.pull_request}" if commit.pull_request else ""
    return f"{point.label} {commit.subject} ({commit.date}{number})"


def _several(points: Sequence[Point]) -> str:
    labels = [point.label for point in points]
    if len(labels) > _NAMED:
        return f"{labels[0]} to {labels[-1]}"
    return ", ".join(labels)
