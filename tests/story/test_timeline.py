"""What a reader must be able to find in a failure's story."""

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from story_rig import (
    BEFORE,
    LATE,
    RUN,
    STATE,
    Happening,
    at,
    persisted,
    poll,
    seen,
    with_run,
)

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.schedule import Fault, Moment, Network, ServerTiming
from race_harness.model.verdict import Judgement
from race_harness.story.timeline import short_story, timeline, timeline_text


def told(failure: Failure, width: int = 200) -> list[str]:
    """The table's rows, wide enough that none wraps."""
    lines = timeline_text(failure, width=width).splitlines()
    return [line for line in lines if re.match(r"\s*\d+\.\d ", line)]


def row(failure: Failure, words: str) -> int:
    """Where the one row with these words stands."""
    (where,) = [n for n, line in enumerate(told(failure)) if words in line]
    return where


def column(failure: Failure, words: str) -> str:
    """The heading above the one cell with these words."""
    lines = timeline_text(failure, width=200).splitlines()
    (heading,) = [line for line in lines if "client thread" in line]
    (line,) = [line for line in lines if re.match(r"\s*\d+\.\d ", line) and words in line]
    starts = {name: heading.index(name) for name in ("client", "socket", "REST", "server")}
    before = [name for name, start in starts.items() if start <= line.index(words)]
    return before[-1]


def test_the_story_keeps_the_order_of_what_happened(failure: Failure) -> None:
    order = [
        "run() called",
        "POST run → 200",
        "status running set",
        "3 polls: running",
        "#2 ActionEvent(finish) persisted",
        "#3 ObservationEvent(finish) persisted",
        "status finished set",
        "poll: finished",
        "run() returns",
        "#2 published",
        "#3 published",
        "#2 delivered, callback, visible",
        "#3 delivered, callback, visible",
        "close() called",
    ]
    found = [row(failure, words) for words in order]
    assert found == sorted(found)


def test_times_count_from_the_call_of_run(failure: Failure) -> None:
    def later(facts: dict[str, Any]) -> dict[str, Any]:
        return {key: value + 500 if key.endswith("_ms") else value for key, value in facts.items()}

    evidence = tuple(
        replace(entry, events=tuple(later(event) for event in entry.events))
        for entry in failure.judgement.evidence
    )
    judgement = replace(failure.judgement, evidence=evidence)
    happenings = tuple(later(happening) for happening in failure.happenings)
    assert timeline_text(replace(failure, judgement=judgement, happenings=happenings)) == (
        timeline_text(failure)
    )


def test_times_grow(failure: Failure) -> None:
    times = [float(line.split()[0]) for line in told(failure)]
    assert times == sorted(times)
    assert told(failure)[row(failure, "run() returns")].split()[0] == "3024.0"


def test_every_party_has_its_column(failure: Failure) -> None:
    assert column(failure, "run() returns") == "client"
    assert column(failure, "#2 delivered") == "socket"
    assert column(failure, "polls: running") == "REST"
    assert column(failure, "#2 published") == "server"


def test_the_end_of_run_says_what_was_missing(failure: Failure) -> None:
    line = told(failure)[row(failure, "run() returns")]
    assert "run() returns; 2 persisted events not visible: #2, #3" in line


def test_an_event_visible_in_the_same_moment_but_before_the_end_is_not_missing(
    failure: Failure,
) -> None:
    happenings = [entry for entry in RUN if entry["what"] != "run-returned"]
    after_action = next(
        n for n, h in enumerate(happenings) if h["what"] == "visible" and h["event"] == "e-action"
    )
    happenings.insert(after_action + 1, at(5501.0, "client", "run-returned"))
    line = told(replace(failure, happenings=tuple(happenings)))
    assert any("run() returns; 1 persisted event not visible: #2" in text for text in line)


def test_a_raising_run_says_its_error_and_what_was_missing(failure: Failure) -> None:
    happenings = tuple(
        at(3024.0, "client", "run-raised", error="ConversationRunError: no\nanswer")
        if entry["what"] == "run-returned"
        else entry
        for entry in failure.happenings
    )
    raised = replace(failure, happenings=happenings)
    line = told(raised)[row(raised, "run() raises")]
    assert "run() raises ConversationRunError: no answer; 2 persisted events not visible" in line


def test_trailing_events_are_not_missing(failure: Failure) -> None:
    trailing = replace(LATE, events=tuple({**event, "trailing": True} for event in LATE.events))
    changed = replace(failure, judgement=Judgement(("late",), (trailing,)))
    assert "not visible" not in told(changed)[row(changed, "run() returns")]


@pytest.mark.parametrize(
    ("progress", "says"),
    [
        ([], "the server's run has not begun"),
        ([at(11.0, "server", "run-started", run=1)], "the server's run has not ended"),
    ],
)
def test_an_early_end_says_where_the_server_was(
    failure: Failure, progress: list[Happening], says: str
) -> None:
    early = replace(failure, judgement=Judgement(("early",)))
    changed = with_run(early, *progress, at(20.0, "client", "run-returned"))
    assert f"run() returns; {says}" in told(changed)[row(changed, "run() returns")]


def test_a_run_that_never_returned_ends_the_story(failure: Failure) -> None:
    polls = [entry for n in range(600) for entry in poll(n, 1000.0 * n + 20, "running")]
    hang = replace(
        with_run(failure, *polls),
        judgement=Judgement(("hang",)),
        stacks={"MainThread": 'File "remote_conversation.py", line 42, in run\n  sleep(1)'},
    )
    lines = told(hang)
    assert "600 polls: running, last at 599021.0" in lines[1]
    assert "run() has not returned" in lines[2]
    assert len(lines) == 3
    text = timeline_text(hang)
    assert "thread MainThread" in text
    assert "sleep(1)" in text


def test_the_concerned_events_are_marked_all_along_and_nothing_else(failure: Failure) -> None:
    marked = [line for line in told(failure) if "◆" in line]
    assert [re.sub(r"\s+", " ", line.split("◆ ")[1]).strip() for line in marked] == [
        "#2 ActionEvent(finish) persisted",
        "#3 ObservationEvent(finish) persisted",
        "#2 published",
        "#3 published",
        "#2 delivered, callback, visible",
        "#3 delivered, callback, visible",
    ]


def test_marked_rows_are_also_coloured(failure: Failure) -> None:
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=True, color_system="standard").print(
        timeline(failure)
    )
    (line,) = [line for line in out.getvalue().splitlines() if "#2 published" in line]
    assert "\x1b[1;31m" in line
    (plain,) = [line for line in out.getvalue().splitlines() if "poll: finished" in line]
    assert "\x1b[" not in plain


def test_what_came_before_run_is_one_line(failure: Failure) -> None:
    text = timeline_text(failure)
    assert f"before run(), not shown: {len(BEFORE)} happenings" in text
    assert "events persisted by then: 1" in text
    assert "SystemPromptEvent" not in text
    assert "subscribed" not in text


def test_a_concerned_event_before_run_is_told(failure: Failure) -> None:
    system = replace(LATE, events=({"id": "e-system"},))
    changed = replace(failure, judgement=Judgement(("late",), (system,)))
    assert row(changed, "◆ #1 SystemPromptEvent persisted") < row(changed, "run() called")
    assert "not shown: 3 happenings" in timeline_text(changed)


def test_a_fault_before_run_is_told(failure: Failure) -> None:
    fault = at(5.0, "network", "fault", action="half-open", link="socket", peer="client")
    faulty = replace(failure, happenings=(*BEFORE, fault, *RUN))
    assert row(faulty, "fault: half-open") < row(faulty, "run() called")
    assert column(faulty, "fault: half-open") == "socket"


@pytest.mark.parametrize(("thread", "where"), [("main", "client"), ("Thread-1 (run)", "socket")])
def test_a_stall_at_a_line_is_told(failure: Failure, thread: str, where: str) -> None:
    stall = at(
        5.0, "client", "line-stalled", function="C.run", line="x = 1", thread=thread, for_ms=12.5
    )
    stalled = replace(failure, happenings=(*BEFORE, stall, *RUN))
    assert column(stalled, 'stalled 12.5 ms in C.run at "x = 1"') == where


def test_a_question_and_its_late_answer_show_what_lay_between(failure: Failure) -> None:
    """A stale answer: asked before the event was persisted, believed after."""
    changed = with_run(
        failure,
        at(10.0, "rest", "request", method="POST", route="/api/conversations/0a1b/run", number=1),
        persisted(11.0, "e-action", "ActionEvent"),
        at(12.0, "rest", "answer", number=1, status=200),
        at(13.0, "rest", "request", method="GET", route="/api/conversations/0a1b/", number=2),
        persisted(14.0, "e-observation", "ObservationEvent"),
        at(15.0, "rest", "answer", number=2, status=200, execution_status="idle"),
        at(16.0, "rest", "request", method="GET", route="/api/x/events/search?limit=1", number=3),
        at(17.0, "rest", "unanswered", number=3),
        at(18.0, "rest", "request", method="GET", route="/api/conversations/0a1b/", number=4),
    )
    cells = [re.split(r"\s{2,}", line.strip())[1] for line in told(changed)]
    assert cells == [
        "run() called",
        "POST run",
        "◆ #1 ActionEvent persisted",
        "POST run → 200",
        "◆ #2 ObservationEvent persisted",
        "poll: idle (asked at 13.0)",
        "GET x/events/search → no answer",
        "GET conversation → never answered",
        "run() has not returned",
    ]


def test_a_slow_callback_shows_when_it_ended(failure: Failure) -> None:
    changed = with_run(
        failure,
        persisted(11.0, "e-action", "ActionEvent"),
        at(12.0, "client", "callback", event="e-action", kind="ActionEvent"),
        at(13.0, "client", "run-returned"),
        at(3012.0, "client", "callback-done", event="e-action"),
        at(3012.0, "client", "visible", event="e-action"),
    )
    assert row(changed, "#1 ActionEvent persisted") < row(changed, "run() returns")
    assert row(changed, "#1 callback done, visible") > row(changed, "run() returns")


def test_a_pattern_of_reads_is_told_once(failure: Failure) -> None:
    reads: list[Happening] = []
    for n in range(0, 80, 2):
        reads += poll(n, 20.0 + 10 * n, "running")
        route = "/api/conversations/0a1b/events/search"
        reads.append(at(22.0 + 10 * n, "rest", "request", method="GET", route=route, number=n + 1))
        reads.append(at(23.0 + 10 * n, "rest", "answer", number=n + 1, status=200))
    lines = told(with_run(failure, *reads))
    assert len(lines) == 4
    assert "40 polls: running, last at 801.0" in lines[1]
    assert "40 × GET events/search → 200, last at 803.0" in lines[2]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_long_path_of_a_client_is_not_broken(failure: Failure, width: int) -> None:
    path = (
        "/home/me/src/with/many/folders/of-long-names/software-agent-sdk/checkouts/own_client.py"
    )
    head = timeline_text(replace(failure, client=path), width=width).splitlines()[0]
    assert "/own_client.py (1.10.0), scenario" in head
    assert ("…" in head) == (width < 160)


def reconnecting(times: int) -> list[Happening]:
    """A client that polls, and whose socket is closed by the server each time."""
    happenings: list[Happening] = []
    for n in range(times):
        peer, at_ms = 50_000 + n, 20.0 + 1_000 * n
        happenings += [
            at(at_ms, "socket", "subscribed", peer=peer),
            at(at_ms, "socket", "frame-sent", peer=peer, event=f"full-{n}", key="full_state"),
            at(at_ms + 1, "socket", "frame-delivered", peer=peer, event=f"full-{n}"),
            *poll(n, at_ms + 2, "running"),
            at(at_ms + 4, "socket", "disconnected", peer=peer, why="code 1001"),
            at(at_ms + 4, "socket", "keep-alive", number=n, peer=peer),
        ]
    return happenings


def test_a_hang_is_as_short_as_what_repeats_in_it(failure: Failure) -> None:
    hang = replace(with_run(failure, *reconnecting(300)), judgement=Judgement(("hang",)))
    text = timeline_text(hang, width=200)
    (account,) = [line for line in text.splitlines() if "more" in line]
    assert account.strip() == (
        "… 297 times more, every 1.0 s, to 298.0 s: subscribed; full state published; full state "
        "delivered; GET conversation → 200 running; disconnected: code 1001; keep-alive"
    )
    assert len(told(hang)) == 1 + 3 * 6 + 1
    assert f"[{50_299}]" in text  # the last one


def test_everything_is_told_where_that_is_asked_for(failure: Failure) -> None:
    hang = replace(failure, happenings=(*BEFORE, *RUN, *reconnecting(300)))
    console = Console(file=io.StringIO(), record=True, width=200)
    console.print(timeline(hang, everything=True))
    text = console.export_text()
    assert "more" not in text
    assert "not shown" not in text
    assert text.count("keep-alive") == 300
    assert text.count("poll: running") == 303
    assert "POST conversations" in text


def test_a_long_uneventful_stretch_is_told_in_one_row_for_each_column(failure: Failure) -> None:
    quiet: list[Happening] = []
    for n in range(40):
        quiet.append(persisted(20.0 + n, f"e-{n}", "MessageEvent"))
        quiet += seen(20.5 + n, f"e-{n}")
    lines = told(with_run(failure, *quiet, persisted(99.0, "e-action", "ActionEvent")))
    assert len(lines) == 5
    assert "#1 to #40 persisted, until 59.0" in lines[1]
    assert "#1 to #40 delivered, callback, callback done, visible, until 59.5" in lines[2]
    assert "#41 ActionEvent persisted" in lines[3]


def test_a_stretch_does_not_claim_for_all_what_happened_to_some(failure: Failure) -> None:
    quiet: list[Happening] = []
    for n in range(40):
        quiet.append(persisted(20.0 + n, f"e-{n}", "MessageEvent"))
        quiet += seen(20.5 + n, f"e-{n}")[: 4 if n < 39 else 1]
    lines = told(with_run(failure, *quiet, at(99.0, "client", "run-returned")))
    assert "#1 to #39 delivered, callback, callback done, visible, until 58.5" in lines[2]
    assert "#40 delivered, until 59.5" in lines[3]


def test_a_concerned_event_is_never_swallowed_by_a_stretch(failure: Failure) -> None:
    quiet: list[Happening] = []
    for n in range(40):
        event = "e-action" if n == 20 else f"e-{n}"
        quiet.append(persisted(20.0 + n, event, "MessageEvent"))
        quiet += seen(20.5 + n, event)
    lines = told(with_run(failure, *quiet))
    assert ["◆" in line for line in lines] == [
        False,
        False,
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def test_unknown_happenings_are_shown_in_their_lane(failure: Failure) -> None:
    changed = with_run(
        failure,
        at(11.0, "server", "lease-renewed", holder="w1"),
        at(12.0, "disk", "fsync", file="log"),
    )
    assert column(changed, "lease-renewed holder=w1") == "server"
    assert column(changed, "disk: fsync file=log") == "client"


def test_peers_are_told_apart_when_there_are_several(failure: Failure) -> None:
    frame = {"event": "e-action", "kind": "ActionEvent"}
    changed = with_run(
        failure,
        at(11.0, "socket", "disconnected", peer="p1", why="1001"),
        at(12.0, "socket", "connected", peer="p2"),
        at(13.0, "socket", "frame-sent", peer="p2", **frame),
    )
    lines = told(changed)
    assert "disconnected [p1]: 1001" in lines[1]
    assert "connected [p2]" in lines[2]
    assert "ActionEvent published [p2]" in lines[3]
    assert "[client]" not in "\n".join(told(failure))


def test_underneath_stand_evidence_differences_and_the_way_back(failure: Failure) -> None:
    failure = replace(
        failure,
        schedule=replace(
            failure.schedule,
            network=Network(
                faults=(Fault("close", Moment("persisted", 2, 5.0)), Fault("stall", for_ms=9.0))
            ),
        ),
    )
    text = timeline_text(failure, Path("out dir/failure.json"), width=200)
    rest = text[text.index("close() returns") :]
    assert f"late: {LATE.says}" in rest
    assert (
        "◆ #2 ActionEvent(finish): persisted 2500.0, published 5500.0, delivered 5501.0, "
        "visible 5501.0"
    ) in rest
    assert f"server.publish_ms = 3000.0 (benign: {ServerTiming().publish_ms})" in rest
    assert "close (code 1001) of socket at persisted no. 2 + 5.0 ms" in rest
    assert "stall (9.0 ms) of socket at run-called (benign: none)" in rest
    assert "server.think_ms" not in rest
    assert "race replay 'out dir/failure.json'" in rest


def test_an_event_that_was_never_visible_is_called_so(failure: Failure) -> None:
    facts = {"id": "e-action", "persisted_ms": 1.0, "published_ms": 2.0, "trailing": True}
    lost = Evidence("lost", "gone", (facts,))
    text = timeline_text(replace(failure, judgement=Judgement(("lost",), (lost,))))
    assert "#2 ActionEvent(finish): persisted 1.0, published 2.0, never delivered," in text
    assert "never visible, trailing" in " ".join(text.split())


def test_what_happens_to_several_events_at_once_is_one_row(failure: Failure) -> None:
    fetched = [at(50.0, "client", "visible", event=f"e-{n}") for n in (1, 2, 3, 5)]
    logged = [persisted(10.0 + n, f"e-{n}", "MessageEvent") for n in (1, 2, 3, 4, 5)]
    changed = with_run(failure, *logged, *fetched)
    assert "#1 to #3, #5 visible" in told(changed)[-2]


def test_state_updates_are_named_by_what_they_update(failure: Failure) -> None:
    status: Happening = {"event": "e-1", "kind": STATE, "key": "execution_status"}
    whole: Happening = {"event": "e-3", "kind": STATE, "key": "full_state", "value": "idle"}
    changed = with_run(
        failure,
        at(11.0, "server", "persisted", **status),
        persisted(11.1, "e-2", STATE, key="stats"),
        at(12.0, "socket", "frame-sent", peer="p1", **status, value="running"),
        at(13.0, "socket", "frame-sent", peer="p1", **whole),
    )
    lines = told(changed)
    # The status is known from the frame, which is sent only after the event is persisted.
    assert "#1 status=running persisted" in lines[1]
    assert "#2 state stats persisted" in lines[2]
    assert "full state published" in lines[4]


@pytest.mark.parametrize(
    ("route", "shown"),
    [
        ("/api/conversations/0a1b/run", "POST run"),
        ("/api/conversations/0a1b?x=1", "POST conversation"),
        ("/api/conversations", "POST conversations"),
        ("POST events/search", "POST events/search"),
        ("/health", "POST health"),
    ],
)
def test_routes_are_short(failure: Failure, route: str, shown: str) -> None:
    ask = at(11.0, "rest", "request", method="POST", route=route, number=1)
    answer = at(11.0, "rest", "answer", number=1, status=200)
    assert f" {shown} → 200" in told(with_run(failure, ask, answer))[1]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_story_fits_the_terminal_without_breaking_words(failure: Failure, width: int) -> None:
    text = timeline_text(failure, width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    for word in ("ObservationEvent(finish)", "delivered,", "returns;", "3024.0", "persisted"):
        assert re.search(rf"(?<!\S){re.escape(word)}(?!\S)", text), word


def test_a_long_error_leaves_the_other_columns_their_room(failure: Failure) -> None:
    error = "RunError: run failed for id=e3e70682-c209-4cac-a29f-6fbed82c07cd/e3e70682-c209"
    raised = at(3024.0, "client", "run-raised", error=error)
    changed = replace(failure, happenings=(*RUN[:-6], raised, *seen(3025.0, "e-action")))
    for width, words in ((80, "ObservationEvent(finish)"), (100, "◆ #1 delivered,")):
        text = timeline_text(changed, width=width)
        assert words in text[: text.index("late: 2 events")]


def test_a_terminal_without_unicode_gets_an_equal_story(failure: Failure) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Console(file=out, width=100).print(timeline(failure))
    out.flush()
    text = raw.getvalue().decode("ascii")
    assert "* #2 published" in text
    assert "POST run > 200" in text


def test_markup_in_names_is_only_text(failure: Failure) -> None:
    assert "client [red]x, scenario" in timeline_text(
        replace(failure, client="[red]x", resolved_version="[red]x")
    )


def test_short_story_says_all_in_few_lines(failure: Failure) -> None:
    lines = short_story(failure, Path("f.json")).splitlines()
    assert lines == [
        "late: client 1.10.0, scenario slow-publication, sim world, fake server; "
        "not tried on the real server",
        f"late: {LATE.says} [#2 ActionEvent(finish), #3 ObservationEvent(finish)]",
        "differs from a benign schedule: server.publish_ms = 3000.0 "
        f"(benign: {ServerTiming().publish_ms})",
        "replay: race replay f.json",
    ]


def test_many_events_are_not_all_listed(failure: Failure) -> None:
    logged = [persisted(20.0 + n, f"e-{n}", "MessageEvent") for n in range(50)]
    lost = Evidence("lost", "50 events lost", tuple({"id": f"e-{n}"} for n in range(50)))
    changed = replace(with_run(failure, *logged), judgement=Judgement(("lost",), (lost,)))
    text = timeline_text(changed)
    assert "◆ #12 MessageEvent" in text[text.index("50 events lost") :]
    assert "◆ #13 MessageEvent" not in text[text.index("50 events lost") :]
    assert "... and 38 more events" in text
    assert "lost: 50 events lost [#1 to #50]" in short_story(changed).splitlines()


def test_short_story_stays_short(failure: Failure) -> None:
    many = replace(failure, judgement=Judgement(("late",), (LATE,) * 9))
    lines = short_story(many).splitlines()
    assert len(lines) == 8
    assert "... and 5 more findings" in lines
