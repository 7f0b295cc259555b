"""The nearest passing neighbour of a failing schedule, in a sentence or two."""

from typing import Final

from race_harness.search.neighbour import Neighbour
from race_harness.story.fields import value_text

NONE_PASSES: Final = "No single field that is set to its benign value makes it pass."


def describe(neighbour: Neighbour | None) -> str:
    """What would have to be different for the trial to pass."""
    if neighbour is None:
        return NONE_PASSES
    path, passing = neighbour.path, value_text(neighbour.passing)
    here = value_text(neighbour.failing)
    change = (
        f"without {path} ({here})"
        if neighbour.passing is None
        else f"when {path} is {passing} instead of {here}"
    )
    border = (
        f" {value_text(neighbour.still_failing)} still fails."
        if neighbour.still_failing != neighbour.failing
        else ""
    )
    return f"It passes {change}, all else the same.{border} ({neighbour.tries} trials)"
