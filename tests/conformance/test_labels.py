"""Which frames are compared."""

from typing import Any

from race_harness.conformance.labels import delivered, labels_of
from race_harness.model.trace import Happening


def frame(event: str, what: str, peer: int = 1) -> Happening:
    return Happening(0, "socket", what, {"event": event, "peer": peer})


def client(what: str, **detail: Any) -> Happening:
    return Happening(0, "client", what, detail)


def sent(*happenings: Happening) -> list[tuple[str, int]]:
    return [
        (entry.detail["event"], entry.detail["peer"])
        for entry in delivered(happenings)
        if entry.what == "frame-sent"
    ]


def test_a_frame_that_the_client_got_counts_and_one_that_was_lost_does_not() -> None:
    got, lost = frame("1", "frame-sent"), frame("2", "frame-sent")
    assert sent(got, lost, frame("1", "frame-delivered")) == [("1", 1)]
    # On another connection it was.
    assert sent(lost, frame("2", "frame-sent", 2), frame("2", "frame-delivered", 2)) == [("2", 2)]


def test_nothing_is_promised_to_a_caller_that_has_closed() -> None:
    first, second = frame("1", "frame-sent"), frame("2", "frame-sent")
    both = [frame("1", "frame-delivered"), frame("2", "frame-delivered")]
    assert sent(first, client("act-called", act="pause"), second, *both) == [("1", 1), ("2", 1)]
    for closing in (client("act-called", act="close"), client("close-called")):
        assert sent(first, closing, second, *both) == [("1", 1)]


def test_all_else_is_kept() -> None:
    others = [client("run-called"), Happening(0, "server", "persisted", {"event": "1"})]
    assert delivered([*others, frame("1", "frame-sent")]) == others


def test_what_others_ask_for_and_get_is_compared() -> None:
    facts = {"act": "run", "number": 1}
    asked = Happening(0, "other", "asked", facts)
    answered = Happening(1, "other", "answered", {**facts, "status": 409})
    silent = Happening(1, "other", "unanswered", {**facts, "error": "OSError: gone"})
    assert [*map(str, labels_of([asked, answered]))] == ["asked run", "answered run 409"]
    assert [*map(str, labels_of([asked, silent]))] == ["asked run", "not answered run"]
