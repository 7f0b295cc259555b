"""Further clients that look on in the client's conversation, and what they show at the end."""

import json
from dataclasses import dataclass
from typing import Any

from race_harness.clients import Adapter, Client, SeenEvent, attached
from race_harness.model.trace import Trace


@dataclass(frozen=True)
class Attached:
    """A further client. The one under test is number one."""

    number: int
    client: Client


class Onlookers:
    def __init__(self, adapter: Adapter, trace: Trace) -> None:
        self._adapter = adapter
        self._trace = trace
        self._there: list[Attached] = []

    def attach(self, number: int, url: str, conversation: str) -> None:
        """Connect one more client, which may take a while.

        Raises:
            NotImplementedError: the adapter cannot attach clients.
        """

        def given(event: SeenEvent) -> None:
            self._trace.record("watcher", "given", client=number, event=event.id)

        try:
            client = attached(self._adapter, url, conversation, given)
        except NotImplementedError:
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            self._trace.record("watcher", "attach-failed", client=number, error=told)
        else:
            self._trace.record("watcher", "attached", client=number)
            self._there.append(Attached(number, client))

    def end(self) -> None:
        """Record what each client shows, and close it."""
        for one in sorted(self._there, key=lambda one: one.number):
            events = [*one.client.visible()]
            self._trace.record("watcher", "shown", client=one.number, events=events)
            self._read_state(one)
            try:
                one.client.close()
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
                self._trace.record("watcher", "close-failed", client=one.number, error=told)

    def _read_state(self, one: Attached) -> None:
        read = getattr(one.client, "state", None)
        if read is None:
            return
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for field, value in read().items():
            try:
                values[field] = json.loads(json.dumps(value()))
            except Exception as error:
                errors[field] = f"{type(error).__name__}: {error}"
        told: dict[str, Any] = {"client": one.number, "values": values, "errors": errors}
        self._trace.record("watcher", "state-shown", **told)
