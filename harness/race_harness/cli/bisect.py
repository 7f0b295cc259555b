"""`race bisect`: which release, or which commit, is the first that is different."""

from pathlib import Path
from typing import Annotated

import typer

from race_harness.bisect import questions
from race_harness.bisect.bisecting import Kind
from race_harness.bisect.questions import Question, ScenarioQuestion, ScheduleQuestion
from race_harness.cli.console import Jobs, JsonFile, Seed, check_writable, jobs_in, write_json
from race_harness.cli.recording import RecordFile, recorded
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.statistics.sequential import SequentialTest

DEFAULT_SCENARIO = "final-events"

Share = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="With --schedule: which share of the schedules around it has to show its verdict for "
        "a client to be bad that passes the schedule itself.",
    ),
]

AnyVerdict = Annotated[
    bool,
    typer.Option(
        "--any-verdict",
        help="With --schedule: any failure is bad, not only the gravest verdict of the file.",
    ),
]


def bisect(
    good: Annotated[str, typer.Option(help="A release, or with --repo a revision, that is good.")],
    bad: Annotated[str, typer.Option(help="One that is bad.")],
    scenario: Annotated[
        str | None,
        typer.Option(help=f"Judge by the pass rate of a scenario. [default: {DEFAULT_SCENARIO}]"),
    ] = None,
    schedule: Annotated[
        Path | None,
        typer.Option(metavar="FAILURE.json", help="Judge by the schedule of a failure file."),
    ] = None,
    reps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Trials for each client: with a scenario at most, and fewer where they are "
            f"enough; with a schedule that one and those around it. [default: "
            f"{questions.SCENARIO_REPS}; {questions.SCHEDULE_REPS}]",
        ),
    ] = None,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Find the first good one: the older end is bad.")
    ] = False,
    repo: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Bisect the commits of a repository, whose work tree is not touched.",
        ),
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="With --repo: try commits first that touch this; may be given again.",
        ),
    ] = None,
    seed: Seed = 0,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="fake|real",
            help="What clients are run against. [default: fake, or what the failure file has]",
        ),
    ] = None,
    good_fails: Annotated[
        float, typer.Option(help="With a scenario: a failure rate up to which a client is good.")
    ] = 0.001,
    bad_fails: Annotated[
        float, typer.Option(help="And one from which on it is bad; in between either may be said.")
    ] = 0.02,
    alpha: Annotated[
        float, typer.Option(help="With a scenario: how often a good one may be called bad.")
    ] = 0.01,
    beta: Annotated[float, typer.Option(help="And a bad one good.")] = 0.01,
    share: Share = questions.SHARE,
    any_verdict: AnyVerdict = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Judge all anew, also what a bisect has judged before."),
    ] = False,
    jobs: Jobs = None,
    json_file: JsonFile = None,
    record: RecordFile = None,
) -> None:
    """Find the first bad release or commit between a good and a bad one, or the first good one.

    Exit status 0 when it was found, 1 when the range has no such change, or when only clients that
    cannot tell are left. Interrupted, it goes on from where it was when it is called again.
    """
    check_writable(json_file)
    kind: Kind = "first-good" if fixed else "first-bad"
    if paths and repo is None:
        raise UsageError("--paths is about commits: give --repo, too")
    if schedule is None:
        rates, errors = (good_fails, bad_fails), (alpha, beta)
        question, its_server = about_scenario(scenario, reps, seed, rates, errors), "fake"
    elif scenario is None:
        question, its_server = about_schedule(schedule, reps, share, any_verdict=any_verdict)
    else:
        raise UsageError("--scenario and --schedule are two questions: give one of them")
    server = _checked(server or its_server)
    # Environments are a second slower to import, which no other command need wait for.
    from race_harness.bisect.session import run
    from race_harness.cli.bisect_tables import print_report, print_stories

    plan = {"good": good, "bad": bad, "kind": kind, "repo": repo and str(repo)}
    with recorded(record, "bisect", {**plan, **question.identity()}) as campaign:
        report, stories = run(
            question,
            (good, bad),
            kind,
            repository=repo,
            paths=paths or [],
            server=server,
            jobs=jobs_in("sim", jobs),
            fresh=fresh,
            record=campaign,
        )
    write_json(json_file, report.to_dict())
    if str(json_file) != "-":
        print_report(report)
        print_stories(report, stories)
    if report.outcome.ending != "found":
        raise typer.Exit(1)


def about_scenario(
    name: str | None,
    reps: int | None,
    seed: int,
    rates: tuple[float, float],
    errors: tuple[float, float],
) -> Question:
    """The question about the failure rate of a scenario.

    Raises:
        UsageError: there is no such scenario, or the rates are none.
    """
    from race_harness.search import library

    try:
        test = SequentialTest(*rates, *errors)
    except ValueError as error:
        raise UsageError(f"the test of the pass rate: {error}") from None
    chosen = library.load(name or DEFAULT_SCENARIO)
    return ScenarioQuestion(chosen, seed, reps or questions.SCENARIO_REPS, test)


def about_schedule(
    file: Path, reps: int | None, share: float, *, any_verdict: bool = False
) -> tuple[Question, str]:
    """The question about the schedule of a failure file, and the server in it.

    Raises:
        UsageError: the file cannot be read, holds no failure, or one of another protocol.
    """
    failure = Failure.read(file)
    verdict = failure.judgement.headline
    if failure.server == "own":
        raise UsageError(f"{file} is of a client with a server of its own, which has no releases")
    if verdict in ("ok", "void"):
        raise UsageError(f"{file} holds no failure but {verdict}: there is nothing to look for")
    asked = None if any_verdict else verdict
    question = ScheduleQuestion(failure.schedule, asked, reps or questions.SCHEDULE_REPS, share)
    return question, failure.server


def _checked(server: str) -> str:
    if server not in ("fake", "real"):
        raise UsageError(f"no server {server!r}; there are: fake, real")
    return server
