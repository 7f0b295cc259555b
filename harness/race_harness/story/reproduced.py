"""One line, shared by all forms of a story, that says whether a failure was confirmed."""

from collections.abc import Mapping

from race_harness.model.combination import Combination
from race_harness.model.confirmation import (
    Confirmation,
    decides,
    deciding,
    reproduced_where_it_counts,
)
from race_harness.model.failure import Failure
from race_harness.model.verdict import PASSING


def confirmed_line(failure: Failure) -> str:
    """Such as `confirmed on the real server (5 of 5)`; `not tried on the real server`.

    Empty for a trial that did not fail, and, until it is tried over real sockets, for a client
    with a server of its own.
    """
    own = failure.server == "own"
    if failure.judgement.headline in (*PASSING, "void") or (own and not failure.confirmed):
        return ""
    return confirmed_words(failure.confirmed, "over real sockets" if own else "on the real server")


def not_found(results: Mapping[str, Confirmation]) -> str:
    """The line for a schedule that failed nowhere, such as `passes wherever it was tried (sim×fake
    5 of 5): there is nothing to confirm`."""
    passed = {name: _passed(one) for name, one in results.items() if one.tries}
    if not any(passed.values()):
        return "no verdict: no trial has any"
    counts = ", ".join(
        f"{name} {count} of {results[name].tries}" for name, count in passed.items()
    )
    everywhere = all(count == results[name].tries for name, count in passed.items())
    where = "wherever it was tried" if everywhere else "wherever it has a verdict"
    return f"passes {where} ({counts}): there is nothing to confirm"


def _passed(one: Confirmation) -> int:
    """How many trials passed; one that passed may have two verdicts."""
    return min(one.tries, sum(one.verdicts.get(verdict, 0) for verdict in PASSING))


def confirmed_words(confirmed: Mapping[str, Confirmation], where: str) -> str:
    """The line; `where` says in words which combination decides."""
    tried = deciding(confirmed)
    others = {name: one for name, one in confirmed.items() if one.tries and name not in tried}
    if tried:
        seen = reproduced_where_it_counts(confirmed)
        named = len(tried) + len(others) > 1
        line = f"{'confirmed' if seen else 'not reproduced'} {where} ({_counts(tried, named)})"
    else:
        line = f"not tried {where}"
        reasons = [one.reason for name, one in confirmed.items() if one.reason and _decides(name)]
        if reasons:
            line += f" ({'; '.join(dict.fromkeys(reasons))})"
    return line + (f"; {_counts(others, named=True)}" if others else "")


def _decides(name: str) -> bool:
    return decides(Combination.parse(name))


def _counts(tried: Mapping[str, Confirmation], named: bool) -> str:
    return ", ".join(
        f"{name + ' ' if named else ''}{one.reproduced} of {one.tries}"
        for name, one in tried.items()
    )
