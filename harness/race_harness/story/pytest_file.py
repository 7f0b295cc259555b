"""A failure as a test that stands alone: a pytest file for another project's repository."""

import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.version import __version__
from race_harness.story.facts import where
from race_harness.story.fields import differences
from race_harness.story.words import in_words

_TEMPLATE: Final = '''\
"""{story}"""

import json
import os

from race_harness import assert_schedule_passes

SCHEDULE = json.loads(
    r"""
{schedule}
"""
)


def test_{name}() -> None:
    {call}
'''

_WIDTH: Final = 99

_RUN: Final = (
    "The schedule is run against {usual}, or against the client that the environment variable "
    "RACE_CLIENT names: a release, a PATH, a PATH@REVISION, a FILE.py:NAME. Needs race-harness."
)


def pytest_file(failure: Failure, path: Path) -> str:
    """The file's text; `path` is the failure's file."""
    verdicts = ", ".join(failure.judgement.verdicts)
    # Only its own server understands a client of the user's own.
    client = failure.client if failure.server == "own" else "installed"
    usual = "that client" if failure.server == "own" else "the openhands-sdk that is installed"
    paragraphs = [
        f"A race that was lost: {verdicts}.",
        f"{where(failure)}. Written by `race export` of race-harness {failure.harness_version} "
        f"from {path.name}, digest {failure.digest}.",
        f"What happened there, in milliseconds since run() was called: {in_words(failure)}",
        _RUN.format(usual=usual),
    ]
    name = f"{failure.schedule.scenario}_{failure.judgement.headline}_{failure.digest[:8]}"
    call = _call(failure, f'os.environ.get("RACE_CLIENT", {json.dumps(client)})')
    return _file(paragraphs, failure.schedule, name, call)


def pytest_file_of_schedule(schedule: Schedule, path: Path) -> str:
    """The same for a schedule that has not been run; `path` is its file."""
    paragraphs = [
        f"A schedule of {schedule.scenario}, which has not been run.",
        f"Written by `race export` of race-harness {__version__} from {path.name}.",
        f"What differs from a benign schedule: {'; '.join(differences(schedule)) or 'nothing'}.",
        _RUN.format(usual="the openhands-sdk that is installed"),
    ]
    return _file(
        paragraphs,
        schedule,
        schedule.scenario,
        'assert_schedule_passes(SCHEDULE, client=os.environ.get("RACE_CLIENT", "installed"))',
    )


def marker(failure: Failure) -> str:
    """The marker to put above the user's own test: under `pytest -m race` it runs the schedule
    once, and fails as long as the race is lost."""
    options = [f"schedule={_literal(failure.schedule.to_short_dict())}"]
    if failure.source:
        options.append(f"source={[*failure.source]!r}")
    if failure.child_processes:
        options.append("child_processes=True")
    listed = textwrap.indent("".join(f"{option},\n" for option in ["reps=1", *options]), "    ")
    told = "".join(f"# {line}\n" for line in textwrap.wrap(_docstring(in_words(failure)), 97))
    return f"{told}@pytest.mark.race(\n{listed})\n"


def _literal(value: Any) -> str:
    """A JSON value as Python source, a line for each field."""
    match value:
        case dict():
            inside = [f"{json.dumps(name)}: {_literal(its)}" for name, its in value.items()]
            first, last = "{", "}"
        case list():
            inside = [_literal(its) for its in value]
            first, last = "[", "]"
        case str():
            return json.dumps(value)
        case _:
            return repr(value)
    if len(inside) == 1:
        return f"{first}{inside[0]}{last}"
    return f"{first}\n{textwrap.indent(''.join(f'{its},\n' for its in inside), '    ')}{last}"


def _file(paragraphs: Sequence[str], schedule: Schedule, name: str, call: str) -> str:
    story = "\n\n".join(
        textwrap.fill(
            _docstring(paragraph), _WIDTH, break_long_words=False, break_on_hyphens=False
        )
        for paragraph in paragraphs
    )
    return _TEMPLATE.format(
        story=story + "\n",
        call=call,
        # ASCII without three quotation marks in a row: safe in a raw string.
        schedule=json.dumps(schedule.to_dict(), indent=2),
        name=re.sub(r"[^a-z0-9]+", "_", name.lower()),
    )


def _call(failure: Failure, client: str) -> str:
    """The call that runs the schedule where the failure was seen."""
    server = "fake" if failure.server == "own" else failure.server
    if (server, failure.world) == ("fake", "sim"):
        return f"assert_schedule_passes(SCHEDULE, client={client})"
    return (
        "assert_schedule_passes(\n"
        f"        SCHEDULE,\n        client={client},\n"
        f"        server={json.dumps(server)},\n        world={json.dumps(failure.world)},\n"
        "    )"
    )


def _docstring(text: str) -> str:
    """Text for a docstring in triple quotes, whatever it holds."""
    quoted = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return "".join(
        character if character.isprintable() else _escape(character) for character in quoted
    )


def _escape(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode()
