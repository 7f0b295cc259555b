"""A whole bisect: what it judges, keeps, builds ahead and reports."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from race_harness.bisect import ranges
from race_harness.bisect.bisecting import Bisected, BisectObserver, Kind
from race_harness.bisect.bisecting import bisect as search
from race_harness.bisect.by_number import NumberQuestion, compared
from race_harness.bisect.journal import Journal
from race_harness.bisect.judged import Judged, Point
from race_harness.bisect.judging import Judge, tell
from race_harness.bisect.questions import Question
from race_harness.bisect.ranges import Range
from race_harness.bisect.result import BisectReport
from race_harness.campaign.campaign import keep
from race_harness.campaign.finding import Finder
from race_harness.environments.ahead import Ahead
from race_harness.environments.history import Repository
from race_harness.model.errors import OutOfReach
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.store.store import CampaignRecord


def run(
    question: Question,
    ends: tuple[str, str],
    kind: Kind,
    *,
    repository: Path | None,
    paths: Sequence[str],
    finder: Finder,
    jobs: int,
    fresh: bool,
    record: CampaignRecord,
    say: Callable[[str], None],
) -> tuple[BisectReport, Mapping[str, Failure]]:
    """Bisect from the good end to the bad one; return the report, and the failures by client.

    Raises:
        UsageError: the ends are no clients, or there is nothing between them.
        ClientUnavailable: an end does not exist.
        OutOfReach: the index does not answer, or the cache cannot be written.
    """
    began = time.monotonic()
    with_server = finder.server == "real"
    with Ahead(with_server=with_server, tests=finder.requirements) as ahead:
        bisecting = _Bisecting(question, finder, jobs, fresh, say, ahead, record)
        try:
            if repository is None:
                found = ranges.release_range(*ends, kind)
                outcomes, searched = [bisecting.bisected(found, kind)], [found]
            else:
                # An environment for tests also has the server of its tree.
                whole = with_server or finder.requirements is not None
                outcomes, searched = _bisect_commits(
                    bisecting, Repository(repository), ends, kind, paths, whole=whole
                )
        except OutOfReach as error:
            if not bisecting.made:
                raise
            raise OutOfReach(
                f"{error}; {bisecting.made} judgements are kept: the same command goes on from "
                "there"
            ) from error
    report = BisectReport(
        bisecting.question, finder.server, outcomes, searched, time.monotonic() - began
    )
    return report, bisecting.judge.failures


class _Bisecting:
    """What all bisected ranges share: judge, journal, builder, progress."""

    def __init__(
        self,
        question: Question,
        finder: Finder,
        jobs: int,
        fresh: bool,
        say: Callable[[str], None],
        ahead: Ahead,
        record: CampaignRecord,
    ) -> None:
        self._finder = finder
        self._fresh = fresh
        self._say = say
        self._ahead = ahead
        self._likely: Sequence[Point] = ()
        self.judge = Judge(
            question,
            finder=finder,
            jobs=jobs,
            progress=say,
            on_installed=self._build_ahead,
            record=record,
        )
        self._ask(question)
        self.made = 0
        """How many judgements were made."""

    def _ask(self, question: Question) -> None:
        self.question = self.judge.question = question
        identity = {**question.identity(), **self._finder.identity()}
        self._journal = Journal(identity, fresh=self._fresh)

    def bisected(self, found: Range, kind: Kind) -> Bisected:
        for note in found.notes:
            self._say(note)
        self._say(f"{len(found.points)} to choose from")
        if isinstance(self.question, NumberQuestion):
            alike = self._measured(self.question, found, kind)
            if alike is not None:
                return alike
        observer = BisectObserver(self._judging, self._judged)
        return search(
            found.points, self._known_or_judged, kind, preferred=found.preferred, observer=observer
        )

    def _measured(self, question: NumberQuestion, found: Range, kind: Kind) -> Bisected | None:
        """Measure the ends; from then on the question is to which of them a client is nearer. If
        the ends settle nothing, return how the bisect ends."""
        last = len(found.points) - 1
        outcome = Bisected(kind, found.points, after=last)
        for position in (0, last):
            point = found.points[position]
            self._judging(point, [found.points[last]])
            outcome.judged[position] = self._known_or_judged(point)
            self._judged(point, outcome.judged[position])
        ends = [(found.points[position], judged) for position, judged in outcome.judged.items()]
        if any(judged.judgement != "measured" for _, judged in ends):
            return outcome
        older, newer = ((point.label, judged) for point, judged in ends)
        between = compared(question, older, newer)
        if isinstance(between, str):
            outcome.ending, outcome.says = "no-difference", between
            return outcome
        self._ask(between)
        for point, judged in ends:
            if self._journal.find(point.key) is None:
                self._journal.add(point.key, between.of_end(judged))
        return None

    def _judging(self, point: Point, likely: Sequence[Point]) -> None:
        self._likely = [each for each in likely if self._journal.find(each.key) is None]

    def _known_or_judged(self, point: Point) -> Judged:
        if known := self._journal.find(point.key):
            return known
        self._ahead.need(point.client)
        judged = self.judge(point)
        self._journal.add(point.key, judged)
        self.made += 1
        return judged

    def _judged(self, point: Point, judged: Judged) -> None:
        known = ", known from before" if judged.known else ""
        self._say(f"{point.label}: {judged.judgement}, {judged.says}{known}")

    def _build_ahead(self) -> None:
        self._ahead.want([point.client for point in self._likely])


def _bisect_commits(
    bisecting: _Bisecting,
    repository: Repository,
    ends: tuple[str, str],
    kind: Kind,
    paths: Sequence[str],
    *,
    whole: bool,
) -> tuple[list[Bisected], list[Range]]:
    """Bisect the commits, and, as long as the result is a merge, the merged commits."""
    found = ranges.commit_range(repository, *ends, kind, paths=paths, whole=whole)
    searched = [found]
    outcomes = [bisecting.bisected(found, kind)]
    while outcomes[-1].ending == "found":
        last = outcomes[-1]
        merge = searched[-1].commits[last.points[last.after].client]
        inside = ranges.merged_range(repository, merge, paths, whole=whole)
        if inside is None:
            break
        inner = bisecting.bisected(inside, kind)
        if inner.boundary is None:
            break  # The merged commits are fine by themselves: the merge is different.
        outcomes.append(inner)
        searched.append(inside)
    return outcomes, searched


@dataclass(frozen=True)
class Stories:
    """The same schedule on both sides of the border."""

    before: Point
    after: Point
    bad: Point
    """The side on which it fails."""
    failing: Failure
    path: Path
    """The file of that failure."""
    passing: Failure

    @property
    def good(self) -> Point:
        """The side on which it passes."""
        return self.before if self.bad == self.after else self.after


def stories(
    report: BisectReport,
    finder: Finder,
    failures: Mapping[str, Failure],
    say: Callable[[str], None],
) -> Stories | None:
    """Run the schedule on each side that has no story yet; the failure goes to a file.

    `failures` are those that exist already, by client. None: there is no border, or no schedule.

    Raises:
        ClientUnavailable, WorldBroken, UsageError: the schedule cannot be run.
    """
    outcome = report.outcome
    if outcome.boundary is None:
        return None
    before, after = outcome.boundary
    bad, good = (after, before) if outcome.kind == "first-bad" else (before, after)
    _, judged = report.judged[bad.client]
    if judged.shown_by is None:
        return None

    def told(point: Point, schedule: Schedule) -> Failure:
        return tell(finder.find(point.client, say), schedule)

    failing = failures.get(bad.client) or told(bad, judged.shown_by)
    path = keep(failing)
    return Stories(before, after, bad, failing, path, told(good, judged.shown_by))
