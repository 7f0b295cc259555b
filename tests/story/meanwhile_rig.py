"""What the tests of tellings share: the rows of a timeline, and failures changed by hand."""

import re
from dataclasses import replace

from story_rig import Happening, at

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.verdict import Judgement
from race_harness.story.timeline import timeline_text


def told(failure: Failure) -> list[str]:
    """The table's rows, wide enough that none wraps."""
    lines = timeline_text(failure, width=250).splitlines()
    return [" ".join(line.split()) for line in lines if re.match(r"\s*\d+\.\d ", line)]


def column(failure: Failure, words: str) -> str:
    lines = timeline_text(failure, width=250).splitlines()
    (heading,) = [line for line in lines if "client thread" in line]
    (line,) = [line for line in lines if re.match(r"\s*\d+\.\d ", line) and words in line]
    names = ("client", "socket", "REST", "server")
    return [n for n in names if heading.index(n) <= line.index(words)][-1]


def judged(
    failure: Failure, verdict: str, fact: str, *events: str, call: int | None = None
) -> Failure:
    evidence = Evidence(verdict, fact, tuple({"id": event} for event in events), call, calls=2)
    return replace(failure, judgement=Judgement((verdict,), (evidence,)))


def act(at_ms: float, what: str, name: str, **detail: str) -> Happening:
    return at(at_ms, "client", f"act-{what}", act=name, **detail)
