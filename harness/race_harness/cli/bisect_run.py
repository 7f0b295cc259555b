"""`race bisect-run`: judges the work tree, for those who use `git bisect run` themselves."""

import sys
import traceback
from pathlib import Path
from typing import Annotated, Final

import typer

from race_harness.bisect import questions
from race_harness.bisect.judged import Judgement, Point
from race_harness.bisect.judging import Judge
from race_harness.cli.bisect import AnyVerdict, Share, about_schedule
from race_harness.cli.console import Jobs, campaign_progress, jobs_in, output
from race_harness.cli.recording import RecordFile, recorded
from race_harness.model.errors import HarnessError

STATUSES: Final[dict[Judgement, int]] = {"good": 0, "bad": 1, "unclear": 125}

ABORT: Final = 128
"""Ends `git bisect run`, which takes any status from 1 to 127 but 125 for bad."""


class Aborted(HarnessError):
    """Nothing was learnt of the work tree: git has to stop, and not to go on from a guess."""

    exit_code = ABORT


def bisect_run(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    client: Annotated[str, typer.Option(help="Another client than the work tree here.")] = ".",
    reps: Annotated[
        int, typer.Option(min=1, help="Trials: the schedule and those around it.")
    ] = questions.SCHEDULE_REPS,
    share: Share = questions.SHARE,
    any_verdict: AnyVerdict = False,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="For the first good one: status 0 is bad, 1 is good.")
    ] = False,
    jobs: Jobs = None,
    record: RecordFile = None,
) -> None:
    """Judge the work tree by a schedule: `git bisect run race bisect-run FAILURE.json`.

    Exit status 0 if it is good, 1 if it is bad, 125 if it cannot tell, and 128, which ends the
    bisect, for bad usage or an index that does not answer.
    """
    try:
        question, server = about_schedule(file, reps, share, any_verdict=any_verdict)
        plan = {"file": str(file), "client": client}
        with recorded(record, "bisect-run", plan) as campaign, campaign_progress() as progress:
            judge = Judge(
                question,
                server=server,
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
