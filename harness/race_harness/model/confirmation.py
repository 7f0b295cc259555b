"""Whether a failure happens in other combinations too, above all on the real server."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from race_harness.model.combination import Combination


@dataclass(frozen=True)
class Confirmation:
    """The results of trying a failure in one combination. The number of tries is fixed first."""

    tries: int
    reproduced: int
    """Tries in which the failure's headline was among the verdicts."""
    verdicts: Mapping[str, int]
    """Tries by verdict; one with two verdicts is counted under both, a void one under `void`."""
    resolved_version: str
    server_version: str | None = None
    reason: str | None = None
    """Why it was not tried at all, if it was not."""

    @property
    def rate(self) -> float | None:
        """None if nothing was tried."""
        return self.reproduced / self.tries if self.tries else None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the fields by name, and the rate."""
        return {**asdict(self), "verdicts": dict(self.verdicts), "rate": self.rate}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Confirmation":
        """Build it from the JSON form, which must be valid."""
        return Confirmation(**{name: value for name, value in data.items() if name != "rate"})


def by_itself(
    combination: Combination,
    verdicts: tuple[str, ...],
    resolved_version: str,
    server_version: str | None,
) -> dict[str, Confirmation]:
    """Return what the place where a failure was found confirms: nothing, if it was found in the
    simulation on a server that is not real, as most are."""
    if combination.server != "real" and not combination.in_real_time:
        return {}
    found = Confirmation(1, 1, tally([verdicts]), resolved_version, server_version)
    return {str(combination): found}


def decides(combination: Combination) -> bool:
    """Whether a failure in this combination proves a fault of the client, and not of a model.

    It does against the real server; for a client that brings its own server, over real sockets.
    """
    return combination.server == "real" or combination == Combination("real", "own")


def reproduced_where_it_counts(confirmed: Mapping[str, Confirmation]) -> bool:
    """Whether the failure was reproduced in any combination that decides."""
    return any(one.reproduced for one in deciding(confirmed).values())


def deciding(confirmed: Mapping[str, Confirmation]) -> dict[str, Confirmation]:
    """Return the confirmations of the combinations that decide and were tried."""
    return {
        name: one
        for name, one in confirmed.items()
        if decides(Combination.parse(name)) and one.tries
    }


def rank(confirmed: Mapping[str, Confirmation]) -> int:
    """Return the failure's place in a report: 0 confirmed; 1 not tried in any combination that
    decides, so that it may still be real; 2 not reproduced."""
    if reproduced_where_it_counts(confirmed):
        return 0
    return 2 if deciding(confirmed) else 1


def tally(verdicts: Iterable[tuple[str, ...]]) -> dict[str, int]:
    """Count tries by verdict, in the order in which the verdicts first appeared."""
    counts: dict[str, int] = {}
    for several in verdicts:
        for verdict in several:
            counts[verdict] = counts.get(verdict, 0) + 1
    return counts
