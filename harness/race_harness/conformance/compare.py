"""Compares two runs of one schedule, on the fake and on the real server: what differs.

A difference *could matter* if a verdict could depend on it: the real server breaks a rule of
`legal.py`, one server does something that the other does not, or a field that a released client
reads is missing or has another type. Known differences that do not matter, or matter only where no
schedule goes, are *allowed*, each with its reason.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Literal

from race_harness.conformance.labels import Label, numbered
from race_harness.conformance.legal import breaches
from race_harness.conformance.shapes import Bodies, is_read
from race_harness.server.profile import Profile

Kind = Literal[
    "log",
    "statuses",
    "runs",
    "snapshots",
    "frames",
    "requests",
    "answers",
    "others",
    "order",
    "shape",
]


@dataclass(frozen=True)
class Difference:
    kind: Kind
    says: str
    could_matter: bool
    reason: str
    """Why it could matter, or why it is allowed."""
    side: Literal["fake", "real"] | None = None
    """The only server that has it, or that breaks the rule; None: both have it, but not alike."""
    about: Label | None = None
    """The label that differs; None if a field differs."""
    body: str = ""
    """For a field: the kind of its frame or answer."""


@dataclass(frozen=True)
class Allowance:
    """A known difference, and why it is allowed."""

    kind: Kind
    says: str
    """The difference in words; `*` matches anything."""
    reason: str
    fits: Callable[[Difference], bool]


def _is_about(pattern: str) -> Callable[[Difference], bool]:
    """Match the label that differs, not one before it, which the words may also mention."""
    return lambda difference: fnmatchcase(str(difference.about or ""), pattern)


def _in_real_body(start: str) -> Callable[[Difference], bool]:
    return lambda difference: difference.side == "real" and difference.body.startswith(start)


ALLOWED: tuple[Allowance, ...] = (
    Allowance(
        "order",
        "* request *",
        "the fake notes a request when it arrives, the real server when its event loop gets "
        "round to it; what either does for it comes after",
        _is_about("request *"),
    ),
    Allowance(
        "requests",
        "* one: request GET conversation*",
        "how often a client polls, and what it is told, depends on how long the server takes; "
        "that it is told the truth is a rule",
        _is_about("request GET conversation"),
    ),
    Allowance(
        "answers",
        "* one: answer GET conversation 200 *",
        "the answers to those polls, where they tell a status",
        _is_about("answer GET conversation 200 *"),
    ),
    Allowance(
        "shape",
        "only the real one: frame *",
        "fields that have come and gone: the models that clients parse events with have defaults "
        "for them, and the fake sends only what every release takes",
        _in_real_body("frame "),
    ),
    Allowance(
        "shape",
        "only the real one: GET events/search *",
        "the same events, over REST",
        _in_real_body("GET events/search "),
    ),
)
"""If several fit, the first one counts."""


def compare(
    fake: Sequence[Label],
    real: Sequence[Label],
    profile: Profile,
    bodies: tuple[Bodies, Bodies] | None = None,
) -> tuple[Difference, ...]:
    """Return what differs between the runs: first what the servers do and say, then the order,
    then the fields. `bodies` are the fake's and the real one's."""
    if profile.answers_when_run_ends:
        # There is no task to clear; the label exists only as a moment for schedules.
        fake, real = (
            [label for label in labels if label.what != "run-cleared"] for labels in (fake, real)
        )
    found = [*_sequences(fake, real), *_orders(fake, real, profile)]
    if bodies is not None:
        found += shapes_differ(*bodies)
    return tuple(_judged(difference) for difference in found)


# Sequences: each kind separately

_WHATS: tuple[tuple[Kind, Callable[[Label], bool]], ...] = (
    ("log", lambda label: label.what == "persisted"),
    ("statuses", lambda label: label.what in ("status", "stop-hook-denied")),
    ("runs", lambda label: label.what.startswith("run-") and label.what != "run-snapshot"),
    ("snapshots", lambda label: label.what in ("snapshot", "run-snapshot")),
    ("frames", lambda label: label.what in ("subscribed", "frame")),
    ("requests", lambda label: label.what == "request"),
    ("answers", lambda label: label.lane == "rest" and label.what != "request"),
    ("others", lambda label: label.lane == "other" and label.what != "asked"),
)


def _sequences(fake: Sequence[Label], real: Sequence[Label]) -> Iterable[Difference]:
    for kind, belongs in _WHATS:
        for connection in sorted({label.connection for label in (*fake, *real)}):
            yield from _sequence(
                kind, [*_of(fake, belongs, connection)], [*_of(real, belongs, connection)]
            )


def _of(
    labels: Sequence[Label], belongs: Callable[[Label], bool], connection: int
) -> Iterable[Label]:
    mine = [label for label in labels if label.connection == connection and belongs(label)]
    if all(label.lane == "other" for label in mine):
        mine.sort(key=str)  # Simultaneous requests may be answered in any order.
    return (replace(label, nth=1) for label in mine)


def _sequence(kind: Kind, fake: list[Label], real: list[Label]) -> Iterable[Difference]:
    matcher = SequenceMatcher(None, [*map(str, fake)], [*map(str, real)], autojunk=False)
    for tag, begin, end, real_begin, real_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        after = f", after {fake[begin - 1]}" if begin else ""
        for side, extra in _sides(fake[begin:end], real[real_begin:real_end]):
            for label in extra:
                says = f"only the {side} one: {label}{after}"
                reason = "one of the two does what the other does not"
                yield Difference(kind, says, True, reason, side, label)


def _sides(
    fake: Sequence[Label], real: Sequence[Label]
) -> tuple[tuple[Literal["fake", "real"], Sequence[Label]], ...]:
    return ("fake", fake), ("real", real)


# Orders across lanes


def _orders(
    fake: Sequence[Label], real: Sequence[Label], profile: Profile
) -> Iterable[Difference]:
    for side, labels in _sides(fake, real):
        for breach in breaches(labels, profile):
            says = f"the {side} one breaks a rule: {breach}"
            yield Difference("order", says, True, breach.rule.reason, side, labels[breach.at])
    for before, after in exchanged(fake, real):
        says = f"{before}, then {after}; on the real one the other way round"
        reason = "both keep every rule, so that timing decides"
        yield Difference("order", says, False, reason, about=before)


def exchanged(fake: Sequence[Label], real: Sequence[Label]) -> list[tuple[Label, Label]]:
    """Return pairs of labels that are in the opposite order in the real run. They are neighbours
    in the fake's run, if labels that only one run has are left out."""
    fake, real = numbered(fake), numbered(real)
    places = {label: place for place, label in enumerate(real)}
    common = [label for label in fake if label in places]
    return [
        (before, after) for before, after in pairwise(common) if places[before] > places[after]
    ]


# Fields


def shapes_differ(fake: Bodies, real: Bodies) -> list[Difference]:
    """Compare, field by field, the bodies that both servers have sent."""
    found = []
    for name in sorted(set(fake.shapes) & set(real.shapes)):
        mine, theirs = fake.merged(name), real.merged(name)
        for path in sorted(set(mine) | set(theirs)):
            ours, wanted = mine.get(path, set()), theirs.get(path, set())
            if ours == wanted:
                continue
            read = is_read(name, path)
            side: Literal["fake", "real"] | None = None
            if not ours:
                side = "real"
                says = f"only the real one: {name}: {path} ({_types(wanted)})"
            elif not wanted:
                side = "fake"
                says = f"only the fake one: {name}: {path} ({_types(ours)})"
            else:
                says = f"{name}: {path} is {_types(ours)}, on the real one {_types(wanted)}"
            reason = "released clients read it" if read else "no released client reads it"
            found.append(Difference("shape", says, read, reason, side, body=name))
    return found


def _types(types: set[str]) -> str:
    return " or ".join(sorted(types))


# Allowed differences


def _judged(difference: Difference) -> Difference:
    if not difference.could_matter:
        return difference
    for allowance in ALLOWED:
        if allowance.kind == difference.kind and allowance.fits(difference):
            return replace(difference, could_matter=False, reason=allowance.reason)
    return difference
