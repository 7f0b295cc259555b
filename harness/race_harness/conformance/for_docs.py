"""Rules, allowed differences and limits as Markdown, for docs/explanation/fidelity.md."""

from collections.abc import Iterable

from race_harness.conformance.bounds import LIMITS
from race_harness.conformance.compare import ALLOWED
from race_harness.conformance.legal import RULES


def rules() -> str:
    """Return the rules that every order keeps, and why the real server keeps them."""
    return _table(
        ("rule", "why the real server keeps it"), ((rule.name, rule.reason) for rule in RULES)
    )


def allowed() -> str:
    """Return how the fake may differ from the real server, and why that does not matter."""
    rows = ((entry.kind, f"`{entry.says}`", entry.reason) for entry in ALLOWED)
    return _table(("what", "difference (`*` is anything)", "why it is allowed"), rows)


def limits() -> str:
    """Return the limits of the real server, and what the fake does about each."""
    rows = ((limit.what, limit.upstream, limit.fake) for limit in LIMITS)
    return _table(("limit of the real server", "upstream, 1.58.2", "in the fake"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
