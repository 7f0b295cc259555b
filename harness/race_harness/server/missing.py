"""What a schedule asks for that an early release does not have.

A trial that asks for it is not run, and says why. Whatever else a release lacks, a schedule is run
without: its fields say since when there is what.
"""

from collections.abc import Iterator
from typing import Final

from race_harness.model.schedule import Schedule
from race_harness.server.profile import Profile, release_of

_TRACKS_RUNS_OF_MESSAGES: Final = (1, 22, 1)
"""Before, a message with `run: true` begins a run of its own, which nothing waits for and no
snapshot follows (event_service.py, `send_message`). The fake has no such thing."""


def missing(schedule: Schedule, profile: Profile) -> tuple[str, ...]:
    """The fields, each with its reason, such as `script.stop_hook_denials: 1.3.0 has no stop
    hooks`. Empty: none."""
    return tuple(_missing(schedule, profile))


def _missing(schedule: Schedule, profile: Profile) -> Iterator[str]:
    if not profile.has_stop_hooks:
        turns = {"script": schedule.script} | {
            f"script.later[{index}]": turn for index, turn in enumerate(schedule.script.later)
        }
        for where, turn in turns.items():
            if turn.stop_hook_denials:
                yield f"{where}.stop_hook_denials: {profile.version} has no stop hooks"
    if release_of(profile.version) < _TRACKS_RUNS_OF_MESSAGES:
        for index, other in enumerate(schedule.others):
            if other.what == "message-and-run":
                says = "lets such a run go beside others, and nothing tracks it"
                yield f"others[{index}], message-and-run: {profile.version} {says}"
    if profile.answers_when_run_ends:
        for index, act in enumerate(schedule.caller.acts):
            if act.what == "interrupt":
                yield f"caller.acts[{index}], interrupt: {profile.version} has no such thing"
