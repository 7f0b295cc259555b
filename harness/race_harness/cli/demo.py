"""`race demo`: the whole instrument in two minutes."""

from rich.rule import Rule

from race_harness.campaign.measure import measure, smallest_failure
from race_harness.cli.console import Jobs, campaign_progress, output
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.cli.tables import comparison_table
from race_harness.model.failure import Failure
from race_harness.story.timeline import timeline

BROKEN, FIXED = "1.10.0", "1.11.1"
SEED = 1832
REPS = 1_000
MARGIN_MS = 100


def demo(jobs: Jobs = None, record: RecordFile = None) -> None:
    """Show the race of pull request #1832: 1.10.0 loses events, 1.11.1 does not.

    --jobs does not apply to shrinking, which runs one trial after another.
    """
    from race_harness.search import library

    scenario = library.load("final-events")
    output.print(
        f"The race of pull request #1832: {scenario.summary}.\n"
        f"{REPS} schedules each against openhands-sdk {BROKEN} and {FIXED}, "
        "the unmodified clients in a simulation.\n",
        highlight=False,
    )
    clients = [BROKEN, FIXED]
    plan = {"clients": clients, "scenario": scenario.name, "reps": REPS, "seed": SEED}
    with recorded(record, "demo", plan) as campaign:
        with campaign_progress() as progress:
            comparison = measure(
                clients,
                scenario,
                reps=REPS,
                seed=SEED,
                jobs=jobs,
                record=campaign,
                progress=progress,
            )
        output.print(comparison_table(comparison))
        with campaign_progress() as progress:
            failure, path = smallest_failure(
                BROKEN, scenario, SEED, _loses_visibly, record=campaign, progress=progress
            )
    output.print(Rule("the smallest schedule on which it loses events"))
    output.print(timeline(failure, path), crop=False)
    output.print(
        f"The same with the fix (it passes):  race replay {path} --client {FIXED}",
        highlight=False,
        soft_wrap=True,
    )


def _loses_visibly(failure: Failure) -> bool:
    """Whether events came late by a margin that people can see, not by one instant."""
    if failure.judgement.verdicts != ("late",):
        return False
    returned_ms = next(h["at_ms"] for h in failure.happenings if h["what"] == "run-returned")
    events = failure.judgement.evidence[0].events
    return bool(min(event["visible_ms"] for event in events) - returned_ms >= MARGIN_MS)
