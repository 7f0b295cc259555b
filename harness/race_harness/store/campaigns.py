"""Campaigns, by what people call them."""

from race_harness.model.errors import UsageError
from race_harness.store.store import Store


def campaigns_named(store: Store, named: str) -> list[str]:
    """The ids of the campaigns of that name, the oldest first, or of the one whose id is or begins
    so; empty if there is none.

    Raises:
        UsageError: several ids begin so.
    """
    rows = store.execute(
        "SELECT id FROM campaigns WHERE name = ? OR id = ? ORDER BY began, id", (named, named)
    ).fetchall()
    if not rows and named:
        rows = store.execute(
            "SELECT id FROM campaigns WHERE substr(id, 1, length(?)) = ?", (named, named)
        ).fetchall()
        if len(rows) > 1:
            raise UsageError(
                f"several campaigns in {store.path or 'the record'} begin with {named!r}: give "
                "more of the id"
            )
    return [identity for (identity,) in rows]
