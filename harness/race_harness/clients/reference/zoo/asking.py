"""Faults in requests, and in the caller's other acts."""

from race_harness.clients.reference.client import (
    Call,
    ReferenceClient,
    RunFailedError,
    is_the_agents,
)
from race_harness.clients.reference.events import EventLog
from race_harness.clients.reference.http import LostError, Rest

PATIENT_S = 120.0


class ConflictRaises(ReferenceClient):
    """Treats the refusal of a second run, 409, as an error.

    Source: a classic; the released client accepts 409.
    """

    def _refused(self, call: Call) -> bool:
        raise RunFailedError("the server answered 409")


class ConflictIsOver(ReferenceClient):
    """Returns at once if the server refuses a second run, instead of waiting for the first.

    Source: a classic, "somebody else does it already".
    """

    def _refused(self, call: Call) -> bool:
        call.ended_before = len(self._log.events)
        return True


class HopefulPost(ReferenceClient):
    """Treats a `POST /run` whose answer was lost as accepted.

    Source: a classic of at-most-once requests.
    """

    silence_s = None

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


class OneThingAtATime(ReferenceClient):
    """Accepts no message while a run is going on.

    Source: a classic, the client that is not made for two threads.
    """

    def send_message(self, text: str) -> None:
        if not all(call.over for call in self._calls):
            raise RuntimeError("a run is going on")
        super().send_message(text)


class PauseAwaitsAgent(ReferenceClient):
    """pause() returns only after the agent has done something more.

    Source: a classic, waiting for the other side to act; the server of early releases did so too,
    since its pause waited for the LLM.
    """

    def pause(self) -> None:
        super().pause()
        known = len(self._log.events)
        self._log.wait(lambda: any(map(is_the_agents, self._log.events[known:])), PATIENT_S)


class CloseForgets(ReferenceClient):
    """close() ends the connections and leaves run() waiting.

    Source: a classic; the released client's close() does not tell its run() either.
    """

    event_log = StubbornLog

    def close(self) -> None:
        self._doorbell.close()
        self._rest.close()
