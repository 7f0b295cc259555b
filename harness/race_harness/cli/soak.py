"""`race soak`: thousands of trials over many scenarios and clients, against a baseline."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from race_harness.campaign.resolve import INSTALLED
from race_harness.cli.console import (
    Confirm,
    Jobs,
    JsonFile,
    Markdown,
    ScheduleFile,
    Seed,
    Server,
    Strict,
    World,
    check_outputs,
    output,
    parse_time,
    write_json,
)
from race_harness.cli.github import GitHub, annotate, place_of_failure, summarise_job
from race_harness.cli.own_test import DrawnGrade, OwnTests, check_drawn
from race_harness.cli.recorded import RecordFile, open_store
from race_harness.cli.shared_options import takes
from race_harness.cli.soak_progress import SoakProgress, soak_bars
from race_harness.cli.soak_tables import regressions_of, soak_markdown, soak_table
from race_harness.cli.tests import Faults
from race_harness.model.asked import MOST_REPS
from race_harness.model.errors import UsageError
from race_harness.model.source_line import SourceLine
from race_harness.report.annotations import Annotation, Level
from race_harness.search import families as fault_families
from race_harness.soak.cluster import ClusterTls
from race_harness.soak.kept import Kept
from race_harness.soak.plan import Plan, Shard, sequential_test
from race_harness.soak.results import SoakSummary
from race_harness.soak.soaking import Asked, TestsOfSoak, run_soak
from race_harness.store.series import Key
from race_harness.workers.pool import jobs_in

FAILED: Final = 1
REGRESSED: Final = 5


@takes(OwnTests)
def soak(
    clients: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CLIENT...]",
            help="A release, `latest`, PATH, PATH@REVISION, or FILE.py[:NAME]. [default: latest, "
            "with --test `installed`]",
            show_default=False,
        ),
    ] = None,
    *,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE.py",
            help="Only this scenario, by name or as FILE.py[:NAME]; can be repeated. "
            "[default: all]",
        ),
    ] = None,
    asked: OwnTests,
    faults: Faults = "",
    grade: DrawnGrade = "order",
    schedule: ScheduleFile = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How long to run trials, such as 60s, 5m or 2h. A decided scenario leaves "
            "its time to the others.",
        ),
    ] = None,
    reps: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_REPS, help="Repetitions for each scenario and client."),
    ] = None,
    decide: Annotated[
        bool,
        typer.Option(
            "--decide",
            help="Stop a scenario as soon as a sequential test decides whether it passes.",
        ),
    ] = False,
    jobs: Jobs = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the last soak of this kind that was killed, interrupted or out of "
            "time.",
        ),
    ] = False,
    seed: Seed = 0,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|CAMPAIGN",
            help="Compare with the last soak in another record, or with a campaign in this "
            "one, by name or id.",
        ),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="RATE",
            help="Fail below this pass rate. [default: 1]",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Run part I of N; `race merge` puts the parts together."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run trials on the Dask cluster of this scheduler, such as tcp://10.0.0.1:8786.",
        ),
    ] = None,
    dask_ca: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="With tls://: the certificate of the authority."),
    ] = None,
    dask_cert: Annotated[
        Path | None, typer.Option(metavar="PEM", help="With tls://: this machine's certificate.")
    ] = None,
    dask_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="With tls://: this machine's key.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="A name for the campaign. Parts with the same name belong together."),
    ] = None,
    server: Server = "fake",
    world: World = "sim",
    confirm: Confirm = True,
    strict: Strict = False,
    json_file: JsonFile = None,
    markdown: Markdown = False,
    record: RecordFile = None,
    github: GitHub = False,
) -> None:
    """Run many trials over all scenarios, for a time or a number, and compare with a baseline.

    Your own tests run without stalls and faults, unless --grade says otherwise.

    Exit status 0 if nothing failed or regressed, 5 if something regressed against the baseline, 1
    if something failed.
    """
    from race_harness.campaign.own_scenarios import find_scenarios
    from race_harness.search import library

    check_outputs(json_file, markdown=markdown)
    if budget is None and reps is None and not decide:
        raise UsageError("say how much: --for 2h, --reps 10000, or --decide")
    seconds = parse_time(budget) if budget is not None else None
    if schedule is not None and scenario:
        raise UsageError("give --scenario or --schedule, not both")
    asked_alone = {"--scenario": scenario, "--schedule": schedule, "--dask": dask}
    asked.check(
        {"--faults": faults, "--grade": grade != "order"},
        {**asked_alone, "--server": server != "fake", "--world": world != "sim"},
    )
    tests, chosen = None, {}
    lines: list[SourceLine] = []
    if asked.test:
        check_drawn(grade, faults)
        tests = TestsOfSoak(
            asked.selection,
            asked.requirements,
            tuple(name for name in faults.split(",") if name),
            stalls=grade != "order",
            found_at=lines.extend if github else None,
        )
        fault_families.check(tests.families)
    elif schedule is not None:
        given = library.of_file(schedule)
        chosen = {given.name: given}
    else:
        chosen = {one.name: one for one in find_scenarios(scenario or library.names())}
    part = Shard.parse(shard) if shard is not None else None
    if dask is not None and jobs is not None:
        raise UsageError(
            "--jobs is for this machine: a Dask cluster has its own number of threads"
        )
    if dask is not None and any(one.source is not None for one in chosen.values()):
        raise UsageError(
            "--dask runs what every machine has, and FILE.py is here alone: leave one of them out"
        )
    tls = _tls(dask, dask_ca, dask_cert, dask_key)
    wanted = Asked(
        clients=tuple(clients or ["latest" if tests is None else INSTALLED]),
        scenarios=chosen,
        seed=seed,
        reps=reps,
        seconds=seconds,
        test=sequential_test(fail_under) if decide or seconds is not None else None,
        shard=part,
        world=world,
        server=server,
        name=name,
        resume=resume,
        baseline=baseline,
        confirm=confirm,
        jobs=jobs_in(world, jobs),
        dask=dask,
        tests=tests,
        dask_tls=tls,
    )
    with soak_bars() as (bars, progress), open_store(record) as store:

        def show(plan: Plan, done: Mapping[Key, int]) -> SoakProgress:
            return SoakProgress(bars, plan, done, seconds=seconds, say=progress.step)

        summary, kept = run_soak(wanted, store, show, progress.step)
    write_json(json_file, summary.to_dict())
    if markdown:
        print(soak_markdown(summary, kept), end="")
    elif str(json_file) != "-":
        output.print(soak_table(summary, kept), crop=False)
    if github:
        failed = summary.has_failed(fail_under, strict=strict)
        annotate(_annotations(summary, kept, lines, failed=failed))
        summarise_job(soak_markdown(summary, kept))
    if summary.has_regressed:
        raise typer.Exit(REGRESSED)
    if summary.has_failed(fail_under, strict=strict):
        raise typer.Exit(FAILED)


def _tls(
    dask: str | None, ca: Path | None, cert: Path | None, key: Path | None
) -> ClusterTls | None:
    """Raises UsageError: some of the files are missing, or there is no cluster to use them for."""
    if ca is None and cert is None and key is None:
        return None
    if dask is None or ca is None or cert is None or key is None:
        raise UsageError("--dask-ca, --dask-cert and --dask-key go together, with --dask tls://…")
    return ClusterTls(ca, cert, key)


def _annotations(
    summary: SoakSummary, kept: Sequence[Kept], lines: Sequence[SourceLine], *, failed: bool
) -> Iterator[Annotation]:
    """Regressions, then failures. A failure is an error if the exit status reports it and the
    scenario does not say that the release fails anyway; else it is a warning."""
    for named, what in regressions_of(summary):
        yield Annotation("error", f"race: regressed, {named}", what)
    for one in kept:
        level: Level = "error" if failed and one.key not in summary.known else "warning"
        told = "\n".join(line for line in (one.cause, one.confirmed, one.replay) if line)
        place = place_of_failure(one.test, one.evidence, lines)
        yield Annotation(level, f"race: {one.verdict}, {one.key.scenario}", told, place)
