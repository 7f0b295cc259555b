"""The trace must keep the rules of the format, or Perfetto drops what breaks them."""

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

from story_rig import at, persisted, poll, seen, with_run

from race_harness.model.failure import Failure
from race_harness.story.perfetto import trace_events

Event = dict[str, Any]


def checked(failure: Failure) -> list[Event]:
    """The events without headings, after all rules have been checked."""
    trace = json.loads(json.dumps(trace_events(failure), allow_nan=False))
    headings = [event for event in trace["traceEvents"] if event["ph"] == "M"]
    events = [event for event in trace["traceEvents"] if event["ph"] != "M"]
    named = {event["tid"] for event in headings if event["name"] == "thread_name"}
    tracks: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        assert event["ph"] in ("X", "i", "s", "t", "f")
        assert isinstance(event["name"], str)
        assert event["name"]
        assert event["pid"] == 1
        assert event["tid"] in named
        assert isinstance(event["ts"], int)
        if event["ph"] == "X":
            assert event["dur"] > 0
        if event["ph"] == "i":
            assert event["s"] == "t"
        tracks[event["tid"]].append(event)
    for track in tracks.values():
        times = [event["ts"] for event in track]
        assert times == sorted(times)
        check_nesting(track)
    check_arrows(events)
    return events


def check_nesting(track: list[Event]) -> None:
    """Slices lie in each other or apart; an arrow's end lies in the slice before it."""
    ends: list[int] = []
    last: Event | None = None
    for event in track:
        while ends and ends[-1] <= event["ts"]:
            ends.pop()
        if event["ph"] == "X":
            end = event["ts"] + event["dur"]
            assert not ends or end <= ends[-1], event
            ends.append(end)
        elif event["ph"] in "stf":
            assert last is not None
            assert last["ph"] == "X"
            assert last["ts"] <= event["ts"] < last["ts"] + last["dur"]
        last = event


def check_arrows(events: list[Event]) -> None:
    arrows: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event["ph"] in "stf":
            arrows[event["id"]].append(event)
    for arrow in arrows.values():
        phases = "".join(event["ph"] for event in arrow)
        assert phases == f"s{'t' * (len(arrow) - 2)}f"
        assert len({(event["name"], event["cat"]) for event in arrow}) == 1
        assert arrow[-1]["bp"] == "e"


def of(events: list[Event], name: str) -> Event:
    (event,) = [event for event in events if event["name"] == name]
    return event


def track_names(failure: Failure) -> dict[int, str]:
    return {
        event["tid"]: event["args"]["name"]
        for event in trace_events(failure)["traceEvents"]
        if event["name"] == "thread_name"
    }


def test_what_lasts_is_a_slice_on_the_track_of_its_party(failure: Failure) -> None:
    events, tracks = checked(failure), track_names(failure)
    for name, track, ts, dur in (
        ("run()", "client thread", 0, 3_024_000),
        ("close()", "client thread", 13_024_000, 1_000),
        ("run", "server", 11_400, 2_489_800),
        ("POST run", "REST", 10_000, 1_000),
        ("GET conversation: finished", "REST", 3_023_000, 1_000),
    ):
        event = of(events, name)
        assert (event["ph"], tracks[event["tid"]]) == ("X", track), name
        assert (event["ts"], event["dur"]) == (ts, dur), name
    assert of(events, "status finished")["ph"] == "i"
    assert tracks[of(events, "subscribed")["tid"]] == "socket thread"


def test_what_begins_at_once_is_nested_on_one_track(failure: Failure) -> None:
    changed = with_run(
        failure,
        persisted(1.0, "e-1", "MessageEvent"),
        at(1.0, "server", "run-started", run=1),
        at(5.0, "server", "run-ended", run=1, status="finished"),
    )
    events = checked(changed)
    assert of(events, "run")["tid"] == of(events, "#1 MessageEvent persisted")["tid"]


def test_arrows_lead_along_each_events_way(failure: Failure) -> None:
    events, tracks = checked(failure), track_names(failure)
    way = [
        (events[n - 1]["name"], tracks[event["tid"]], event["ph"])
        for n, event in enumerate(events)
        if event["ph"] in "stf" and events[n - 1]["args"]["event"] == "e-action"
    ]
    assert way == [
        ("◆ #2 ActionEvent(finish) persisted", "server", "s"),
        ("◆ #2 ActionEvent(finish) published", "server", "t"),
        ("◆ #2 ActionEvent(finish) delivered", "socket thread", "t"),
        ("◆ #2 ActionEvent(finish) visible", "socket thread", "f"),
    ]
    assert of(events, "#1 SystemPromptEvent persisted")["dur"] == 1


def test_an_event_with_one_step_has_no_arrow(failure: Failure) -> None:
    events = checked(with_run(failure, persisted(1.0, "e-1", "MessageEvent")))
    assert not [event for event in events if event["ph"] in "stf"]


def test_an_event_published_before_it_is_persisted_goes_forward(failure: Failure) -> None:
    sent = at(1.0, "socket", "frame-sent", event="e-1", kind="MessageEvent", peer="c")
    events = checked(with_run(failure, sent, persisted(2.0, "e-1", "MessageEvent")))
    assert [event["ts"] for event in events if event["ph"] in "stf"] == [1000, 2000]


def test_a_slow_callback_lasts_and_two_that_overlap_get_two_tracks(failure: Failure) -> None:
    def slow(event: str, begin: float, end: float) -> list[Event]:
        return [
            at(begin, "client", "callback", event=event, kind="X"),
            at(end, "client", "callback-done", event=event),
        ]

    both = sorted([*slow("a", 1.0, 5.0), *slow("b", 3.0, 9.0)], key=lambda entry: entry["at_ms"])
    changed = with_run(failure, *both, at(10.0, "client", "run-returned"))
    events, tracks = checked(changed), track_names(changed)
    slices = [event for event in events if event["name"].startswith("callback")]
    assert [(event["ts"], event["dur"]) for event in slices] == [(1000, 4000), (3000, 6000)]
    assert [tracks[e["tid"]] for e in slices] == ["socket thread", "socket thread (2)"]


def test_what_never_ended_lasts_until_the_end_of_the_trial(failure: Failure) -> None:
    ask = at(5.0, "rest", "request", method="GET", route="/x", number=9)
    hang = with_run(failure, at(1.0, "server", "run-started", run=1), ask, *poll(2, 99.0, "idle"))
    events = checked(hang)
    for name, ts in (("run()", 0), ("run", 1000), ("GET x", 5000)):
        assert of(events, name)["ts"] == ts
        assert of(events, name)["dur"] == 100_000 - ts


def test_a_callback_given_twice_is_two_slices(failure: Failure) -> None:
    given = at(2.0, "client", "callback", event="e-1", kind="X")
    events = checked(
        with_run(failure, persisted(1.0, "e-1", "X"), given, given, *seen(3.0, "e-1"))
    )
    assert [e["ts"] for e in events if e["name"] == "callback #1"] == [2000, 2000, 3000]


def test_happenings_and_lanes_of_a_newer_harness_are_kept(failure: Failure) -> None:
    changed = with_run(failure, at(1.0, "disk", "fsync", file="log"))
    event = of(checked(changed), "fsync")
    assert track_names(changed)[event["tid"]] == "disk"
    assert event["args"] == {"file": "log"}
    assert checked(replace(failure, happenings=())) == []
