"""Faults in requests, and in what the caller does besides."""

from race_harness.clients.reference.client import Call, ReferenceClient, RunFailedError
from race_harness.clients.reference.events import EventLog
from race_harness.clients.reference.http import LostError, Rest


class ConflictRaises(ReferenceClient):
    """Takes the refusal of a second run, 409, for an error.

    Source: a classic; the released client accepts 409.
    """

    def _refused(self, call: Call) -> bool:
        raise RunFailedError("the server answered 409")


class ConflictIsOver(ReferenceClient):
    """Returns at once where the server refuses a second run, instead of waiting for the first.

    Source: a classic, "somebody else does it already".
    """

    def _refused(self, call: Call) -> bool:
        call.ended_before = len(self._log.events)
        return True


class HopefulPost(ReferenceClient):
    """Takes a `POST /run` whose answer was lost for accepted.

    Source: a classic of at-most-once requests.
    """

    def _unanswered(self, call: Call, error: LostError, asking_s: float) -> bool:
        call.accepted = True
        return True


class EndlessRest(Rest):
    patience_s = None

    def _adapt(self, seconds: float) -> None:
        pass


class EndlessPatience(ReferenceClient):
    """Waits for answers for ever.

    Source: a classic, the HTTP client without a timeout.
    """

    rest = EndlessRest


class StubbornLog(EventLog):
    def _unreachable(self) -> bool:
        return False


class CloseForgets(ReferenceClient):
    """close() ends the connections and leaves run() waiting.

    Source: a classic; the released client's close() does not tell its run() either.
    """

    event_log = StubbornLog

    def close(self) -> None:
        self._doorbell.close()
        self._rest.close()
