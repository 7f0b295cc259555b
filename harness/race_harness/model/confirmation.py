"""Whether a failure was seen again elsewhere: above all, on the real server."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from race_harness.model.combination import Combination


@dataclass(frozen=True)
class Confirmation:
    """What came of trying a failure in one combination; the number of tries is fixed before."""

    tries: int
    reproduced: int
    """Tries in which the failure's headline was among the verdicts."""
    verdicts: Mapping[str, int]
    """Tries by verdict; one with two verdicts is counted under both, a void one under `void`."""
    resolved_version: str
    server_version: str | None = None
    reason: str | None = None
    """Why it was not run, and then nothing was tried."""

    @property
    def rate(self) -> float | None:
        """None if nothing was tried."""
        return self.reproduced / self.tries if self.tries else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: the fields by name, and the rate."""
        return {**asdict(self), "verdicts": dict(self.verdicts), "rate": self.rate}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Confirmation":
        """From the JSON form, which was checked."""
        return Confirmation(**{name: value for name, value in data.items() if name != "rate"})


def by_itself(
    combination: Combination,
    verdicts: tuple[str, ...],
    resolved_version: str,
    server_version: str | None,
) -> dict[str, Confirmation]:
    """What a failure confirms by where it was found: nothing, if that is where all are hunted."""
    if combination.server != "real" and not combination.in_real_time:
        return {}
    found = Confirmation(1, 1, tally([verdicts]), resolved_version, server_version)
    return {str(combination): found}


def decides(combination: Combination) -> bool:
    """Whether a failure that is seen there is one of the client, and not of a model.

    Against the real server; for a client that brings its own, over real sockets.
    """
    return combination.server == "real" or combination == Combination("real", "own")


def reproduced_where_it_counts(confirmed: Mapping[str, Confirmation]) -> bool:
    """Whether any combination that decides has reproduced it."""
    return any(one.reproduced for one in deciding(confirmed).values())


def deciding(confirmed: Mapping[str, Confirmation]) -> dict[str, Confirmation]:
    """Those that decide and were tried."""
    return {
        name: one
        for name, one in confirmed.items()
        if decides(Combination.parse(name)) and one.tries
    }


def rank(confirmed: Mapping[str, Confirmation]) -> int:
    """Where in a report the failure belongs, lowest first: confirmed; not tried where it counts,
    so that it may be real yet; not reproduced."""
    if reproduced_where_it_counts(confirmed):
        return 0
    return 2 if deciding(confirmed) else 1


def tally(verdicts: Iterable[tuple[str, ...]]) -> dict[str, int]:
    """Tries by verdict, in the order in which the verdicts came up."""
    counts: dict[str, int] = {}
    for several in verdicts:
        for verdict in several:
            counts[verdict] = counts.get(verdict, 0) + 1
    return counts
