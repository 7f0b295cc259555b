"""Tries a schedule that nobody has run yet: where a client fails on it, and whether it also fails
elsewhere.

It has no verdict until a trial gives it one: the gravest verdict of the first trial that fails, in
the simulation with the fake server if one fails there, else in the first combination in which one
does. The file is of that very trial.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from race_harness.campaign.campaign import keep, whole_failure
from race_harness.campaign.elsewhere import Confirmer, Tries, cannot_run, not_tried
from race_harness.campaign.resolve import recorded
from race_harness.clients import own_clients
from race_harness.model.combination import SIM_FAKE, Combination
from race_harness.model.confirmation import Confirmation
from race_harness.model.errors import ClientUnavailable
from race_harness.model.failure import Failure
from race_harness.model.failure import confirm as confirm_in_file
from race_harness.model.schedule import Schedule
from race_harness.store.store import CampaignRecord

_SIM_OWN: Final = Combination("sim", "own")


def home_of(client: str) -> Combination:
    """The combination in which a client, by its argument, is tried first."""
    return _SIM_OWN if own_clients.split(client) else SIM_FAKE


class Found:
    """The results of a schedule, combination by combination; `home` is the first."""

    def __init__(self, home: Combination, record: CampaignRecord) -> None:
        self._home = home
        self._record = record
        self._outcomes: dict[Combination, Tries | Confirmation] = {}
        self.results: dict[str, Confirmation] = {}
        """The results by the name of the combination, in the order of the tries."""
        self.failure: Failure | None = None
        """The first trial that failed, with the results elsewhere; None: none failed."""
        self.path = Path()
        """The path of the failure's file, if there is one."""
        self.place: Combination | None = None
        """The combination in which the failure was found."""
        self.void: str | None = None
        """Why the first trial that has no verdict has none."""

    def add(self, combination: Combination, outcome: Tries | Confirmation) -> None:
        """Count the results of a combination, or note why there are none.

        Raises:
            UsageError: the file cannot be written.
        """
        self._outcomes[combination] = outcome
        if isinstance(outcome, Tries) and self.void is None:
            reasons = (
                result.void.says.partition("\n")[0]
                for result in outcome.results
                if result.void is not None
            )
            self.void = next(reasons, None)
        if self.failure is None and isinstance(outcome, Tries) and outcome.wholes:
            self._keep_first(combination, outcome)
            # Only now is there a verdict to count in the combinations before.
            for each in self._outcomes:
                self._count(each)
        else:
            self._count(combination)

    def _keep_first(self, combination: Combination, tries: Tries) -> None:
        first = min(tries.wholes)
        self.failure = whole_failure(
            tries.client,
            tries.workers,
            tries.schedules[first],
            tries.results[first],
            tries.wholes[first],
        )
        self.path = keep(self.failure, series=tries.series)
        self.place = combination

    def _count(self, combination: Combination) -> None:
        outcome = self._outcomes[combination]
        if isinstance(outcome, Tries):
            found = self.failure
            outcome = outcome.confirmation(found.judgement.headline if found else None)
        self.results[str(combination)] = outcome
        if self.failure is not None and not combination == self._home == self.place:
            self.failure = confirm_in_file(self.path, combination, outcome)
            self._record.store.confirmed(self.failure, combination)


@dataclass(frozen=True)
class _Client:
    """The client as it was met where it was tried first."""

    client: str
    resolved_version: str
    server_version: str | None
    combination: Combination


def try_schedule(
    schedule: Schedule,
    client: str,
    combinations: Sequence[Combination],
    confirmer: Confirmer,
    record: CampaignRecord,
) -> Found:
    """Try a schedule on a client, as `find_client` takes it, in its home combination and then in
    each of the others. Once a trial has failed, the file holds all results so far, also after an
    interrupt.

    Raises:
        ClientUnavailable: there is no such client.
        UsageError: the file cannot be written.
        WorldBroken: a trial left its world.
    """
    home = home_of(client)
    found = Found(home, record)
    first = confirmer.tries(client, "fake", schedule, home)
    found.add(home, first)
    version = first.client.resolved_version
    met = _Client(first.client.anywhere, version, first.workers.server_version or None, home)
    for each in combinations:
        if each == home:
            continue
        if reason := cannot_run(schedule, each):
            found.add(each, not_tried(version, reason))
            continue
        try:
            tries = confirmer.tries(*recorded(met, each), schedule, each)
        except ClientUnavailable as error:
            found.add(each, not_tried(version, str(error)))
        else:
            found.add(each, tries)
    return found
