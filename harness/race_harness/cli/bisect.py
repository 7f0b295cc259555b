"""`race bisect` and `race bisect-run`: which release, or which commit, is the first that is
different."""

import sys
import traceback
from pathlib import Path
from typing import Annotated, Final

import typer

from race_harness.bisect import questions
from race_harness.bisect.bisecting import Kind
from race_harness.bisect.judged import Judgement, Point
from race_harness.bisect.posed import (
    about_scenario,
    about_schedule,
    by_number_in_scenario,
    by_number_in_schedule,
)
from race_harness.campaign.finding import Finder, ForScenarios
from race_harness.cli.console import (
    Jobs,
    JsonFile,
    Seed,
    campaign_progress,
    check_writable,
    output,
    write_json,
)
from race_harness.cli.own_test import Error, OwnTests
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.cli.shared_options import takes
from race_harness.cli.tests import Faults
from race_harness.model.asked import MOST_REPS
from race_harness.model.errors import HarnessError, UsageError
from race_harness.model.scenario import Scenario
from race_harness.workers.pool import jobs_in

DEFAULT_SCENARIO = "final-events"

Share = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="With --schedule: a client that passes the schedule itself is still bad if this "
        "share of the schedules around it shows its verdict.",
    ),
]

AnyVerdict = Annotated[
    bool,
    typer.Option(
        "--any-verdict",
        help="With --schedule: count any failure as bad, not only the gravest verdict in the "
        "file.",
    ),
]

Verdict = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Count only this verdict as bad. [default: any failure; with --schedule the "
        "gravest verdict in the file]",
    ),
]


@takes(OwnTests)
def bisect(
    good: Annotated[str, typer.Option(help="A good release, or with --repo a good revision.")],
    bad: Annotated[str, typer.Option(help="A bad one.")],
    *,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.py",
            help=f"Judge by the pass rate of a scenario. [default: {DEFAULT_SCENARIO}]",
        ),
    ] = None,
    asked: OwnTests,
    faults: Faults = "",
    error: Error = None,
    schedule: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Judge by this schedule: a failure file or a plain schedule.",
        ),
    ] = None,
    reps: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_REPS,
            help="Trials for each client. With a scenario at most so many, fewer if they are "
            "enough; with a schedule, that one and those around it. [default: "
            f"{questions.SCENARIO_REPS}; {questions.SCHEDULE_REPS}]",
        ),
    ] = None,
    fixed: Annotated[
        bool,
        typer.Option("--fixed", help="Find the first good one instead; the older end is bad."),
    ] = False,
    repo: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Bisect the commits of this repository. Its work tree is not touched.",
        ),
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="With --repo: try commits that touch this path first; can be repeated.",
        ),
    ] = None,
    seed: Seed = 0,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="fake|real[:RELEASE]",
            help="The server that clients run against. [default: fake, or the one in the "
            "failure file]",
        ),
    ] = None,
    good_fails: Annotated[
        float, typer.Option(help="With a scenario: up to this failure rate a client is good.")
    ] = 0.001,
    bad_fails: Annotated[
        float,
        typer.Option(
            help="With a scenario: from this failure rate on a client is bad. Between the two it "
            "may be called either."
        ),
    ] = 0.02,
    alpha: Annotated[
        float,
        typer.Option(
            help="With a scenario or --by: the probability of calling a good client bad."
        ),
    ] = 0.01,
    beta: Annotated[
        float,
        typer.Option(
            help="With a scenario or --by: the probability of calling a bad client good."
        ),
    ] = 0.01,
    share: Share = questions.SHARE,
    verdict: Verdict = None,
    any_verdict: AnyVerdict = False,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="VERDICT",
            help="Judge by the number of events with this verdict, on the same schedules: a "
            "client counts as the end of the range that it is nearer to. For a fix that "
            "helped but did not cure.",
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Judge every client again, even if an earlier bisect has judged it."
        ),
    ] = False,
    jobs: Jobs = None,
    json_file: JsonFile = None,
    record: RecordFile = None,
) -> None:
    """Find the first bad release or commit between a good and a bad one, or the first good one.

    Your own test is judged by its failures of grade `order`, or with --schedule by that schedule.

    Exit status 0 if the change was found, 1 if the range has no such change or only clients that
    cannot be judged are left. An interrupted bisect resumes when it is called again.
    """
    check_writable(json_file)
    kind: Kind = "first-good" if fixed else "first-bad"
    if paths and repo is None:
        raise UsageError("--paths is about commits: give --repo, too")
    if scenario is not None and schedule is not None:
        raise UsageError("give --scenario or --schedule, not both")
    if by is not None and (verdict is not None or any_verdict):
        other = "--any-verdict" if any_verdict else "--verdict"
        raise UsageError(f"give --by or {other}, not both")
    question: questions.Question
    test = asked.one()
    errors, its_server = (alpha, beta), "fake"

    def chosen() -> Scenario:
        if test is None:
            from race_harness.campaign.own_scenarios import find_scenario

            return find_scenario(scenario or DEFAULT_SCENARIO)
        from race_harness.search.for_tests import scenario_of

        return scenario_of(test, (), [name for name in faults.split(",") if name])

    if by is not None and schedule is not None:
        question, its_server = by_number_in_schedule(by, schedule, reps, errors)
    elif by is not None:
        question = by_number_in_scenario(by, chosen(), reps, seed, errors)
    elif schedule is not None:
        question, its_server = about_schedule(
            schedule, reps, share, verdict=verdict, any_verdict=any_verdict, test=test
        )
    else:
        rates = (good_fails, bad_fails)
        question = about_scenario(chosen(), reps, seed, rates, errors, verdict)
    asked.check(
        {"--faults": faults, "--error": error},
        {"--scenario": scenario, "--server": server, "--by": by},
    )
    in_scenario = ForScenarios(_checked(server or its_server)) if test is None else None
    finder: Finder = in_scenario or asked.for_one(error)
    # Imported here: environments take a second, for which no other command should wait.
    from race_harness.bisect.session import run, stories
    from race_harness.cli.bisect_tables import print_report, print_stories

    plan = {"good": good, "bad": bad, "kind": kind, "repo": repo and str(repo)}
    with (
        recorded(record, "bisect", {**plan, **question.identity()}) as campaign,
        campaign_progress() as progress,
    ):
        report, failures = run(
            question,
            (good, bad),
            kind,
            repository=repo,
            paths=paths or [],
            finder=finder,
            jobs=jobs_in("sim", jobs),
            fresh=fresh,
            record=campaign,
            say=progress.step,
        )
    write_json(json_file, report.to_dict())
    if str(json_file) != "-":
        print_report(report)
        try:
            with campaign_progress() as progress:
                told = stories(report, finder, failures, progress.step)
        except HarnessError as error:
            says = f"the story cannot be told: {error}"
            output.print(says, markup=False, highlight=False, soft_wrap=True)
        else:
            if told is not None:
                print_stories(told)
    if report.outcome.ending != "found":
        raise typer.Exit(1)


def _checked(server: str) -> str:
    if server not in ("fake", "real"):
        raise UsageError(f"no server {server!r}; there are: fake, real")
    return server


STATUSES: Final[dict[Judgement, int]] = {"good": 0, "bad": 1, "unclear": 125}

ABORT: Final = 128
"""Ends `git bisect run`, which takes any status from 1 to 127 but 125 for bad."""


class Aborted(HarnessError):
    """Nothing is known about the work tree: git must stop, and not continue from a guess."""

    exit_code = ABORT


@takes(OwnTests)
def bisect_run(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    *,
    client: Annotated[str, typer.Option(help="The client to judge.")] = ".",
    reps: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_REPS,
            help="The number of trials: the schedule itself and schedules around it.",
        ),
    ] = questions.SCHEDULE_REPS,
    share: Share = questions.SHARE,
    verdict: Verdict = None,
    any_verdict: AnyVerdict = False,
    asked: OwnTests,
    error: Error = None,
    fixed: Annotated[
        bool,
        typer.Option(
            "--fixed",
            help="Look for the first good commit: exit status 0 means bad, 1 means good.",
        ),
    ] = False,
    jobs: Jobs = None,
    record: RecordFile = None,
) -> None:
    """Judge the work tree by a schedule: `git bisect run race bisect-run FAILURE.json`.

    Exit status 0 if it is good, 1 if it is bad, 125 if it cannot be judged, and 128, which ends
    the bisect, for bad usage or a package index that does not answer.
    """
    try:
        from race_harness.bisect.judging import Judge

        asked.check({"--error": error}, {})
        question, server = about_schedule(
            file, reps, share, verdict=verdict, any_verdict=any_verdict, test=asked.one()
        )
        finder: Finder = asked.for_one(error) if asked.test else ForScenarios(server)
        plan = {"file": str(file), "client": client}
        with recorded(record, "bisect-run", plan) as campaign, campaign_progress() as progress:
            judge = Judge(
                question,
                finder=finder,
                jobs=jobs_in("sim", jobs),
                progress=progress.step,
                record=campaign,
            )
            judged = judge(Point(client, client, client))
    except HarnessError as error:
        raise Aborted(str(error)) from error
    except Exception:
        # Python's own status for it is 1.
        traceback.print_exc()
        sys.exit(ABORT)
    output.print(f"{judged.judgement}: {judged.says}", markup=False, highlight=False)
    status = STATUSES[judged.judgement]
    raise typer.Exit(1 - status if fixed and status in (0, 1) else status)
