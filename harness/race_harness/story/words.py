"""A failure in a few plain sentences, each of them a fact of the trace.

They say which order of acts led to it: the faults, what the server had done, what the last poll
said, how `run()` ended, and what became of the missing events. They guess nothing: a sentence says
what came before what, not what the client thought.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.story.facts import Step, blamed_call, names_of, requests, since_run, ways
from race_harness.story.interleaving import meetings, sentence_of
from race_harness.story.lanes import short
from race_harness.story.names import clock, several
from race_harness.story.reproduced import confirmed_line
from race_harness.story.thread_rows import waiting

_FAULTS: Final = {
    "reset": "was reset",
    "close": "was closed with code {code}",
    "reject": "was refused with code {code} when it came back",
    "refuse": "could not be made again for {for_ms} ms",
    "stall": "stalled{way}",
    "half-open": "went silent{way} without either end being told",
    "interject": "carried a frame of the gateway's own, which is no JSON",
    "gave-up": "was answered 504 by the gateway, which had waited for the server in vain",
    "idle-closed": "was closed by the gateway, since it had been idle for too long",
    "lost-request": "had been closed already when the client sent something on it",
    "turned-away": "was turned away by the gateway, which takes no more connections",
}
_PROCESS: Final = {
    "frozen": "the server's process was frozen for {for_ms} ms",
    "crashed": "the server's process died, and was started again after {for_ms} ms",
    "disk-filled": "the disk of the server's machine was full, for {for_ms} ms",
    "clock-stepped": "the server's clock was set by {by_ms:+} ms",
}
_WAYS: Final = {"up": " on the way to the server", "down": " on the way to the client"}


def in_words(failure: Failure) -> str:
    """The paragraph, without line breaks; its times count from the call of `run()`."""
    return " ".join(_Words(since_run(failure)).sentences())


_ACTS: Final = {
    "send-message": "send_message()",
    "pause": "pause()",
    "interrupt": "interrupt()",
    "close": "close()",
    "state": "reading the state",
}


_ASKED: Final = {
    "run": "asked for a run",
    "message": "sent a message",
    "message-and-run": "sent a message and asked for a run",
    "pause": "paused",
    "confirm": "confirmed the waiting action",
    "reject": "rejected the waiting action",
}
"""What another user did in the conversation."""


def _act(happening: dict[str, Any]) -> str:
    act = str(happening.get("act", "something"))
    return _ACTS.get(act, act)


class _Words:
    def __init__(self, failure: Failure) -> None:
        self._failure = failure
        self._names = names_of(failure)
        self._happenings = failure.happenings
        self._ways = ways(failure)
        called, end = blamed_call(failure)
        self._called = -1 if called is None else called
        self._end = len(self._happenings) if end is None else end
        last_ms = float(self._happenings[-1]["at_ms"]) if self._happenings else 0.0
        self._end_ms = last_ms if end is None else self._at(end)
        self._tellers: dict[str, Callable[[Evidence], Iterator[str]]] = {
            "early": self._early,
            "unrun": self._early,
            "late": self._late,
            "lost": self._lost,
            "missed-callback": self._missed,
            "duplicate-callback": self._doubled,
        }

    def sentences(self) -> Iterator[str]:
        if self._failure.schedule.test is not None:
            yield from self._test()
        elif self._called < 0:
            yield "run() was never called."
        else:
            yield from self._faults()
            yield from self._process()
            yield from self._acts()
            yield from self._server()
            yield self._ending()
        for entry in self._failure.judgement.evidence:
            # Evidence about an act has nothing to do with the end of `run()`.
            tell = self._tellers.get(entry.verdict) if entry.act is None else None
            if tell is not None:
                yield from tell(entry)
            else:
                yield f"{' '.join(entry.says.split())}."
        if not self._failure.judgement.evidence:
            yield "The oracle found nothing to blame the client for."
        elif self._failure.confirmed and (confirmed := confirmed_line(self._failure)):
            yield f"{confirmed[0].upper()}{confirmed[1:]}."

    def _test(self) -> Iterator[str]:
        yield from self._faults()
        for position, happening in enumerate(self._happenings):
            if happening["what"] == "line-stalled":
                yield self._stalled(position)
        for meeting in meetings(self._failure):
            yield sentence_of(meeting, self._happenings)
        at_ms = clock(self._end_ms)
        yield f"The test had run for {at_ms} ms." if self._called >= 0 else "It never began."
        if self._failure.judgement.headline == "hang":
            for thread, on, where in waiting(self._failure):
                yield f"{short(thread)} waits{f' ({on})' if on else ''} in {where}."

    def _stalled(self, position: int) -> str:
        happening = self._happenings[position]
        thread = short(str(happening.get("by") or happening.get("thread")))
        return (
            f"At {clock(self._at(position))} ms {thread} stood still for "
            f"{happening['for_ms']} ms in {happening['function']}, at `{happening['line']}`."
        )

    def _faults(self) -> Iterator[str]:
        for position, happening in enumerate(self._happenings):
            if happening["what"] != "fault":
                continue
            if happening["lane"] == "rest":
                yield self._spoiled(position, happening)
                continue
            link = str(happening.get("link"))
            did = _FAULTS.get(str(happening.get("action")), f"had a {happening.get('action')}")
            did = did.format(
                code=happening.get("code", 1001),
                for_ms=happening.get("for_ms"),
                way=_WAYS.get(str(happening.get("way")), ""),
            )
            name = {"rest": "REST", "raw": "raw"}.get(link, "socket")
            text = (
                f"At {clock(self._at(position))} ms{self._when(happening)} the {name} "
                f"connection {did}"
            )
            told = link != "rest" and self._failure.schedule.test is None
            if told and happening.get("action") not in ("stall", "refuse", "interject"):
                again = self._first("subscribed", position)
                text += (
                    ", and no socket was subscribed after that"
                    if again is None
                    else f"; the next was subscribed at {clock(self._at(again))} ms"
                )
            yield f"{text}."

    def _process(self) -> Iterator[str]:
        """What happened to the server's process as a whole."""
        for position, happening in enumerate(self._happenings):
            told = _PROCESS.get(happening["what"]) if happening["lane"] == "server" else None
            if happening.get("clock") == "stands":
                told = "the server's machine stood still, and its clock with it, for {for_ms} ms"
            if happening["what"] == "restarted":
                status = happening.get("status")
                told = (
                    "it was back, but did not know the conversation any more"
                    if status is None
                    else "it was back, and its status was `{status}`"
                )
            if told is not None:
                yield f"At {clock(self._at(position))} ms {told.format(**happening)}."

    def _when(self, fault: dict[str, Any]) -> str:
        """The moment on the wire when a fault struck, such as `, when GET /a was answered,`."""
        faults = self._failure.schedule.network.faults
        index = fault.get("fault")
        if not isinstance(index, int) or index not in range(len(faults)):
            return ""
        moment = faults[index].at
        if not moment.of_wire:
            return ""
        request = "a request" if moment.request is None else moment.request
        socket = "" if moment.socket is None else f" of socket no. {moment.socket}"
        link = {None: "a", "rest": "a REST", "socket": "a socket", "raw": "a raw"}[moment.link]
        came = {
            "connection-opened": f"{link} connection was opened",
            "request-sent": f"{request} was sent",
            "request-received": f"{request} reached the server",
            "request-answered": f"{request} was answered",
            "frame-up": f"the client sent a frame{socket}",
            "frame-down": f"the server sent a frame{socket}",
        }[moment.what]
        nth = f" for the {_ordinal(moment.nth)} time" if moment.nth > 1 else ""
        later = f"{moment.after_ms} ms after " if moment.after_ms else "when "
        return f", {later}{came}{nth},"

    def _spoiled(self, position: int, happening: dict[str, Any]) -> str:
        """What became of one request."""
        number = happening.get("number")
        asked = next((r.says for r in requests(self._failure) if r.number == number), "a request")
        did = {
            "status": f"{asked} was answered {happening.get('status')} by the proxy",
            "delay": f"{asked} was held up for {happening.get('delay_ms')} ms",
            "timeout": f"{asked} was never answered",
            "truncate": f"the answer to {asked} broke off",
            "empty": f"{asked} was answered with an empty page",
            "gave-up": f"the gateway answered 504 to {asked}, after {happening.get('after_s')} s",
        }.get(str(happening.get("action")), f"{asked} met a {happening.get('action')}")
        return f"At {clock(self._at(position))} ms {did}."

    def _acts(self) -> Iterator[str]:
        running: set[object] = set()
        for position, happening in enumerate(self._happenings):
            if happening["what"] == "run-called":
                running.add(happening.get("call"))
            elif happening["what"] in ("run-returned", "run-raised"):
                running.discard(happening.get("call"))
            if happening["what"] == "act-called" and running:
                yield (
                    f"At {clock(self._at(position))} ms another thread called {_act(happening)}."
                )
            elif happening["what"] == "act-raised":
                error = " ".join(str(happening.get("error")).split())
                yield f"At {clock(self._at(position))} ms {_act(happening)} raised {error}."
            elif happening["what"] == "line-stalled":
                yield self._stalled(position)
            elif (happening["lane"], happening["what"]) == ("other", "asked"):
                did = _ASKED.get(str(happening.get("act")), "did something")
                answer = self._answer_to_other(happening.get("number"))
                yield f"At {clock(self._at(position))} ms somebody else {did}{answer}."

    def _answer_to_other(self, number: object) -> str:
        """Such as `, which the server refused (409)`; nothing if the server did it."""
        for happening in self._happenings:
            if happening["lane"] == "other" and happening.get("number") == number:
                status = happening.get("status")
                if happening["what"] == "unanswered":
                    return ", and got no answer"
                if isinstance(status, int) and status >= 400:
                    return f", which the server refused ({status})"
        return ""

    def _server(self) -> Iterator[str]:
        ended = self._first("run-ended", self._called)
        if ended is None or ended > self._end:
            return
        held = sum(self._what(n) == "persisted" for n in range(ended))
        yield (
            f"The server assigned `{self._happenings[ended].get('status')}` "
            f"{clock(self._at(ended))} ms after run() was called, and had persisted "
            f"{held} event{'s' * (held != 1)} by then."
        )

    def _ending(self) -> str:
        at = f"at {clock(self._end_ms)} ms"
        if self._end == len(self._happenings):
            says = f"run() had not returned when the trial ended {at}"
        elif self._what(self._end) == "run-raised":
            error = " ".join(str(self._happenings[self._end].get("error")).split())
            says = f"run() raised {error} {at}"
        else:
            says = f"run() returned {at}"
        polls = [
            request
            for request in requests(self._failure)
            if request.polled is not None and self._called < request.answered_at < self._end
        ]
        if not polls:
            return f"{says}; no poll had been answered."
        poll = polls[-1]
        assert poll.end_ms is not None
        asked = (
            f" (asked at {clock(poll.begin_ms)})"
            if clock(poll.begin_ms) != clock(poll.end_ms)
            else ""
        )
        which = "last poll" if len(polls) > 1 else "only poll"
        return f"The {which}, at {clock(poll.end_ms)} ms{asked}, said `{poll.polled}`, and {says}."

    def _early(self, entry: Evidence) -> Iterator[str]:
        if entry.fact == "unseen-at-return":
            yield f"{entry.says}."
            return
        started = self._first("run-started", self._called)
        ended = self._first("run-ended", self._called)
        if started is None:
            yield "The server never began a run for it."
            return
        begun = (
            f"had begun at {clock(self._at(started))} ms"
            if started < self._end
            else f"had not begun then: it began at {clock(self._at(started))} ms, "
            f"{self._later(self._at(started))},"
        )
        over = "never ended" if ended is None else f"ended at {clock(self._at(ended))} ms"
        yield f"The server's run {begun} and {over}."

    def _late(self, entry: Evidence) -> Iterator[str]:
        ids = _ids(entry)
        yield f"When run() returned, {self._several(ids)} {_were(ids)} persisted and not visible."
        for state, group in self._by_state(ids).items():
            arrived, seen = self._times(group, "delivered"), self._times(group, "visible")
            they = _they(group)
            if state == "waiting":
                yield (
                    f"{self._several(group)} had reached the client already and became visible "
                    f"{self._later(*seen)}."
                )
                continue
            frames = f"The {_frames(group)} of {self._several(group)}"
            sent = "had not been sent yet" if state == "unsent" else f"{_were(group)} on the way"
            if not arrived:
                yield f"{frames} never arrived; {they} became visible {self._later(*seen)}."
            elif [*map(clock, arrived)] == [*map(clock, seen)]:
                yield f"{frames} {sent} and reached the client {self._later(*arrived)}."
            else:
                yield (
                    f"{frames} {sent} and reached the client {self._later(*arrived)}; "
                    f"{they} became visible {self._later(*seen)}."
                )

    def _lost(self, entry: Evidence) -> Iterator[str]:
        for state, group in self._by_state(_ids(entry), len(self._happenings)).items():
            frames = _frames(group)
            how = {
                "unsent": f"no frame of {_them(group)} was ever sent",
                "under way": f"the {frames} {_were(group)} sent and never arrived",
                "waiting": f"the {frames} reached the client, which did not show {_them(group)}",
            }[state]
            which = self._several(group)
            yield f"{which} {_were(group)} persisted and never became visible: {how}."

    def _missed(self, entry: Evidence) -> Iterator[str]:
        ids = _ids(entry)
        framed = [event for event in ids if "delivered" in self._ways.get(event, {})]
        unframed = [event for event in ids if event not in framed]
        for group, frames in (
            (unframed, "no frame of {them} was ever delivered"),
            (framed, "the {frames} of {them} reached the client"),
        ):
            if group:
                told = frames.format(them=_them(group), frames=_frames(group))
                yield (
                    f"{self._several(group)} became visible at "
                    f"{_span(self._times(group, 'visible'))} ms and {_were(group)} never given "
                    f"to the callback; {told}."
                )

    def _doubled(self, entry: Evidence) -> Iterator[str]:
        given = Counter(
            str(happening.get("event"))
            for happening in self._happenings
            if happening["what"] == "callback"
        )
        for event in _ids(entry):
            yield f"The callback was called {given[event]} times with {self._names.full(event)}."

    def _by_state(self, events: Sequence[str], at: int | None = None) -> dict[str, list[str]]:
        """Where each event was at a position, by default when `run()` ended."""
        position = self._end if at is None else at
        groups: dict[str, list[str]] = {}
        for event in events:
            steps = self._ways.get(event, {})
            state = (
                "waiting"
                if _taken(steps, "delivered", position)
                else "under way"
                if _taken(steps, "published", position)
                else "unsent"
            )
            groups.setdefault(state, []).append(event)
        return groups

    def _several(self, events: Sequence[str]) -> str:
        *most, last = several([self._names.short(event) for event in events]).split(", ")
        return f"{', '.join(most)} and {last}" if most else last

    def _times(self, events: Sequence[str], step: str) -> list[float]:
        """When the step happened, for those of the events that took it."""
        return [
            self._ways[event][step].at_ms for event in events if step in self._ways.get(event, {})
        ]

    def _later(self, *times: float) -> str:
        if not times:
            return "at a time that the file does not give"
        later = _span([at_ms - self._end_ms for at_ms in times])
        return "in the same instant, but after it" if later == clock(0) else f"{later} ms later"

    def _first(self, what: str, after: int = -1) -> int | None:
        return next(
            (n for n in range(after + 1, len(self._happenings)) if self._what(n) == what), None
        )

    def _what(self, position: int) -> Any:
        return self._happenings[position]["what"]

    def _at(self, position: int) -> float:
        return float(self._happenings[position]["at_ms"])


def _ordinal(number: int) -> str:
    """Such as `2nd`."""
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _ids(entry: Evidence) -> list[str]:
    return list(dict.fromkeys(str(event["id"]) for event in entry.events))


def _taken(steps: dict[str, Step], step: str, position: int) -> bool:
    return step in steps and steps[step].position < position


def _span(times: Sequence[float]) -> str:
    first, last = clock(min(times)), clock(max(times))
    return first if first == last else f"{first} to {last}"


def _were(events: Sequence[str]) -> str:
    return "were" if len(events) > 1 else "was"


def _they(events: Sequence[str]) -> str:
    return "they" if len(events) > 1 else "it"


def _them(events: Sequence[str]) -> str:
    return "them" if len(events) > 1 else "it"


def _frames(events: Sequence[str]) -> str:
    return "frames" if len(events) > 1 else "frame"
