"""Finds what a schedule asks for and an early release does not have.

A trial that asks for such a thing is not run, and says why. Other fields simply have no effect on
a release that lacks their feature; they say since when it exists.
"""

from collections.abc import Iterator
from typing import Final

from race_harness.model.schedule import Schedule
from race_harness.server.profile import Profile, release_of

_TRACKS_RUNS_OF_MESSAGES: Final = (1, 22, 1)
"""Earlier, a message with `run: true` begins a separate run, which nothing waits for and no
snapshot follows (event_service.py, `send_message`). The fake has no such run."""


def missing(schedule: Schedule, profile: Profile) -> tuple[str, ...]:
    """Return the fields, each with its reason, such as `script.stop_hook_denials: 1.3.0 has no
    stop hooks`. Empty: nothing is missing."""
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
