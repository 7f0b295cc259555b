"""Rules, allowed differences and limits as Markdown, for docs/explanation/fidelity.md."""

from collections.abc import Iterable

from race_harness.conformance.bounds import LIMITS
from race_harness.conformance.compare import ALLOWED
from race_harness.conformance.legal import RULES


def rules() -> str:
    """What every order of the fake keeps, and why the real server does."""
    return _table(
        ("rule", "why the real server keeps it"), ((rule.name, rule.reason) for rule in RULES)
    )


def allowed() -> str:
    """Where the fake may differ from the real server, and why that is no matter."""
    rows = ((entry.kind, f"`{entry.says}`", entry.reason) for entry in ALLOWED)
    return _table(("what", "difference (`*` is anything)", "why it is allowed"), rows)


def limits() -> str:
    """Those of the real server, and what the fake has of them."""
    rows = ((limit.what, limit.upstream, limit.fake) for limit in LIMITS)
    return _table(("limit of the real server", "upstream, 1.58.2", "in the fake"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
