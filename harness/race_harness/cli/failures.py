"""`race replay` and `race export`: what can be done with a failure file."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from race_harness.campaign.replaying import Replayed, Replayer
from race_harness.campaign.resolve import recorded as of_failure
from race_harness.cli.console import (
    Jobs,
    campaign_progress,
    output,
    write_text,
)
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.clients import own_clients
from race_harness.model.asked import MOST_TRIES
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure, read_schedule
from race_harness.model.permission import is_anybodys, may_run_client, option
from race_harness.model.plain_text import unbroken
from race_harness.model.schedule import Schedule
from race_harness.story.pytest_file import marker, pytest_file, pytest_file_of_schedule
from race_harness.story.timeline import timeline


def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FAILURE.json...", help="Failure files.")],
    client: Annotated[
        str | None,
        typer.Option(
            help="Use this client instead of the one in the file. If the file asks for a "
            "path, name it here: a file alone cannot make it run."
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="fake|real[:RELEASE]", help="Use this server instead of the one in the file."
        ),
    ] = None,
    world: Annotated[
        str | None,
        typer.Option(metavar="sim|real", help="Use this world instead of the one in the file."),
    ] = None,
    times: Annotated[
        int, typer.Option(min=1, max=MOST_TRIES, help="How many times to run it.")
    ] = 1,
    test: Annotated[
        str | None,
        typer.Option(metavar="PATH::NAME", help="Your own test that the file is about."),
    ] = None,
    jobs: Jobs = None,
    record: RecordFile = None,
) -> None:
    """Run a failing schedule again, say whether it fails in the same way, and show its timeline.

    With another client, server or world than in the file, and in real time, only the verdict can
    be the same. Several files get one line each.

    Exit status 0 if it was reproduced every time, 1 if not, 2 for an unreadable file.
    """
    befores = [Failure.read(file) for file in files]
    itself = [client] if client is not None else [_client_of(one) for one in befores]
    plan = {"failure": [*map(str, files)], "clients": [*dict.fromkeys(itself)], "times": times}
    with recorded(record, "replay", plan) as campaign, campaign_progress() as progress:
        replayer = Replayer(
            client=client,
            server=server,
            world=world,
            times=times,
            jobs=jobs,
            record=campaign,
            progress=progress,
            test=test,
        )
        for file, before in zip(files, befores, strict=True):
            if client is not None and not is_anybodys(asked := _client_of(before)):
                progress.step(f"{file} asks for the client {unbroken(asked)}: {client} is run")
        several = replayer.replay(befores)
    if len(several) == 1:
        _tell(several[0], files[0])
    else:
        for file, replayed in zip(files, several, strict=True):
            _tell_in_a_line(replayed, file)
        count = sum(replayed.reproduced for replayed in several)
        output.print(f"{count} of {len(several)} reproduced", style="bold", highlight=False)
    if not all(replayed.reproduced for replayed in several):
        raise typer.Exit(1)


def _client_of(failure: Failure) -> str:
    return failure.client if failure.schedule.test is not None else of_failure(failure)[0]


def _tell(replayed: Replayed, file: Path) -> None:
    before, last, times = replayed.before, replayed.afters[-1], len(replayed.afters)
    if last.judgement.headline == before.judgement.headline:
        last = replace(last, confirmed={**last.confirmed, **before.confirmed})
    output.print(timeline(last, file), crop=False)
    output.print(
        f"verdict: {', '.join(last.judgement.verdicts)}; the file's "
        f"({', '.join(before.judgement.verdicts)}) in {replayed.same_verdict} of {times}",
        highlight=False,
    )
    output.print(f"trace digest: the file's in {replayed.same_digest} of {times}", highlight=False)
    if replayed.only_the_verdict is not None:
        output.print(replayed.only_the_verdict, highlight=False)
    output.print(
        "reproduced" if replayed.reproduced else "NOT reproduced", style="bold", highlight=False
    )


def _tell_in_a_line(replayed: Replayed, file: Path) -> None:
    word = "reproduced" if replayed.reproduced else "NOT reproduced"
    verdicts = ", ".join(replayed.afters[-1].judgement.verdicts)
    its = ", ".join(replayed.before.judgement.verdicts)
    output.print(
        f"{file}: {word}; {verdicts}, the file's ({its}) in {replayed.same_verdict} and its "
        f"digest in {replayed.same_digest} of {len(replayed.afters)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _own_client(client: str) -> str:
    """The argument in a form that works in any directory."""
    own = own_clients.split(client)
    if own is None:
        raise UsageError(f"--client {client} is no client of your own: give FILE.py:NAME")
    path, name = own
    return f"{path.resolve()}:{name}"


def export(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The file to write; - is stdout. [default: test_race.py; for a test of your "
            "own, stdout]",
        ),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:NAME",
            help="Your own client that the file asks for and the test will run.",
        ),
    ] = None,
) -> None:
    """Write a pytest file that fails if the client loses this race, and passes if not.

    The repository that it is put in needs race-harness and openhands-sdk, and nothing else.

    For a test of your own, print a marker to put above the test, for `pytest -m race`.
    """
    found = read_schedule(file, of_tests=True)
    test = found.test if isinstance(found, Schedule) else found.schedule.test
    if isinstance(found, Failure) and found.server == "own" and test is None:
        if client is None:
            may_run_client(found.client, f"add {option('client', found.client)}")
        else:
            found = replace(found, client=_own_client(client))
    elif client is not None:
        raise UsageError("--client is for a client of your own: others are named by RACE_CLIENT")
    if isinstance(found, Schedule):
        if test is not None:
            raise UsageError(f"{file} has not been run: race test --schedule does that")
        text, usual = pytest_file_of_schedule(found, file), "test_race.py"
    elif test is None:
        text, usual = pytest_file(found, file), "test_race.py"
    else:
        text, usual = marker(found), "-"
    out = out or Path(usual)
    if out.exists():
        # The user may have written tests there.
        raise UsageError(f"{out} exists already: remove it, or name another file with -o")
    write_text(out, text)
