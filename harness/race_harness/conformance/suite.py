"""Named schedules on which the fake and the real server are compared.

Each is about one thing, with or without faults. `campaign.side_by_side` adds drawn schedules.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from race_harness.model.schedule import (
    Act,
    Caller,
    Fault,
    Gateway,
    Late,
    Link,
    Moment,
    Network,
    OtherAct,
    ProcessEvent,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
    Turn,
    Watcher,
)

LINKS: Final = Network(Link(0.53), Link(0.61))
"""Odd latencies, so that nothing happens to reach the client in the very instant in which the
server does its next thing, where neither of them decides which comes first."""


def _case(
    script: Script | None = None,
    server: ServerTiming | None = None,
    network: Network | None = None,
    rest: RestFault | None = None,
    caller: Caller | None = None,
) -> Schedule:
    return Schedule(
        scenario="conformance",
        script=script or Script(),
        server=server or ServerTiming(),
        network=network or LINKS,
        rest=() if rest is None else (rest,),
        caller=caller or Caller(),
    )


def _act(
    what: str,
    moment: str = "run-started",
    after_ms: float = 0.0,
    script: Script | None = None,
    server: ServerTiming | None = None,
) -> Schedule:
    at = Moment(moment, after_ms=after_ms)  # type: ignore[arg-type]
    caller = Caller(acts=(Act(what, at),))  # type: ignore[arg-type]
    return _case(script, server, caller=caller)


def _limited(
    steps: int, script: Script | None = None, runs: int = 1, act: str | None = None
) -> Schedule:
    acts = () if act is None else (Act(act, Moment("run-started", after_ms=50)),)  # type: ignore[arg-type]
    return _case(script, caller=Caller(runs=runs, acts=acts, max_iterations=steps))


def _fault(*faults: Fault) -> Schedule:
    return _case(network=replace(LINKS, faults=faults))


def _process(
    *events: ProcessEvent, script: Script | None = None, think_ms: float = 200.0
) -> Schedule:
    return _case(script, ServerTiming(think_ms=think_ms, process=events))


def _gateway(gateway: Gateway, *faults: Fault) -> Network:
    return replace(LINKS, gateway=gateway, faults=faults)


def _others(
    what: str,
    moment: str = "run-started",
    after_ms: float = 0.0,
    script: Script | None = None,
    server: ServerTiming | None = None,
    caller: Caller | None = None,
) -> Schedule:
    at = Moment(moment, after_ms=after_ms)  # type: ignore[arg-type]
    act = OtherAct(what, at)  # type: ignore[arg-type]
    return replace(_case(script, server, caller=caller), others=(act,))


_WAITING: Final = Script(outcome="waiting_for_confirmation")

_STARTED: Final = Moment("run-started")
_IN_RUN: Final = Moment("run-started", after_ms=50)

CASES: Final[Mapping[str, Schedule]] = {
    # What the agent does
    "benign": _case(),
    "tool calls": _case(Script(tool_calls=2)),
    "parallel tool calls": _case(Script(tool_calls=3, calls_each=3)),
    "failing tool call": _case(Script(tool_calls=2, failing_calls=1)),
    "failing tool calls at once": _case(Script(tool_calls=3, calls_each=3, failing_calls=2)),
    "answer without a tool": _case(Script(says="message")),
    "streamed answer": _case(Script(deltas=3, tool_calls=1)),
    "more events than a page holds": _case(Script(tool_calls=60, calls_each=20)),
    "large observations": _case(Script(tool_calls=2, event_kb=40)),
    "observations larger than a client takes": _case(Script(tool_calls=1, event_kb=1_100)),
    "long instructions": _case(Script(state_kb=200)),
    "large frames, slow and few at a time": _case(
        Script(tool_calls=3, event_kb=100, state_kb=20),
        network=replace(LINKS, socket=replace(LINKS.socket, kbit_s=4_000.0, buffer_kb=64)),
    ),
    "statistics": _case(Script(statistics=True, tool_calls=2)),
    "statistics of slow appends": _case(Script(statistics=True), ServerTiming(persist_ms=100)),
    "statistics of an answer without a tool": _case(Script(says="message", statistics=True)),
    "LLM error": _case(Script(outcome="error")),
    "stuck": _case(Script(outcome="stuck", tool_calls=1)),
    "paused by another client": _case(Script(outcome="paused")),
    "waiting for confirmation": _case(Script(outcome="waiting_for_confirmation")),
    "message before what waits for confirmation": _act(
        "send-message", after_ms=50, script=Script(outcome="waiting_for_confirmation")
    ),
    "confirmed by the next run": _case(
        Script(outcome="waiting_for_confirmation"), caller=Caller(runs=2)
    ),
    "stop hook": _case(Script(stop_hook_denials=1)),
    "stop hook, twice, after tools": _case(Script(stop_hook_denials=2, tool_calls=2)),
    "two runs": _case(caller=Caller(runs=2)),
    "two runs, long after each other": _case(caller=Caller(runs=2, between_ms=8_000)),
    "a run after an error": _case(
        Script(outcome="error", later=(Turn(tool_calls=1),)), caller=Caller(runs=2)
    ),
    # The limit of steps in a run
    "too many steps": _limited(2, Script(tool_calls=5)),
    "finish with the last step": _limited(3, Script(tool_calls=2)),
    "finish with the last step, and a stop hook": _limited(
        3, Script(tool_calls=2, stop_hook_denials=1)
    ),
    "stop hook until there are no more steps": _limited(3, Script(stop_hook_denials=5)),
    "answer with the last step": _limited(1, Script(says="message")),
    "error with the last step": _limited(1, Script(outcome="error")),
    "paused with the last step": _limited(1, Script(outcome="paused")),
    "waiting with the last step": _limited(1, Script(outcome="waiting_for_confirmation"), runs=2),
    "steps are counted in each run": _limited(
        3, Script(tool_calls=5, later=(Turn(tool_calls=1), Turn(tool_calls=3))), runs=3
    ),
    "message in the last step": _limited(1, act="send-message"),
    "message in the last step, which waits": _limited(
        1, Script(outcome="waiting_for_confirmation"), act="send-message"
    ),
    # How long the server and the links take
    "slow answer to run": _case(server=ServerTiming(answer_run_ms=300)),
    "slow start": _case(server=ServerTiming(start_ms=2_000)),
    "slow publications": _case(server=ServerTiming(publish_ms=300)),
    "another slow subscriber": _case(server=ServerTiming(other_subscriber_ms=3_000)),
    "another subscriber slower than the tail waits": _case(
        server=ServerTiming(other_subscriber_ms=40_000)
    ),
    "another slow subscriber, served first": _case(
        Script(tool_calls=1), ServerTiming(other_subscriber_ms=300, other_subscriber_first=True)
    ),
    "late final status": _case(server=ServerTiming(status_ms=500)),
    "slow snapshots": _case(server=ServerTiming(snapshot_ms=500)),
    "slow appends": _case(server=ServerTiming(persist_ms=100)),
    "one late append": _case(server=ServerTiming(late=(Late("append", 5, 100.0),))),
    "one late publication": _case(server=ServerTiming(late=(Late("publication", 5, 1_000.0),))),
    "many late publications": _case(
        server=ServerTiming(late=(Late("publication", 4, 300.0), Late("publication", 7, 200.0)))
    ),
    "late request and answer": _case(
        server=ServerTiming(late=(Late("request", 5, 100.0), Late("answer", 5, 300.0)))
    ),
    "slow links": _case(network=Network(rest=Link(50.0), socket=Link(400.0))),
    # What the network does
    "socket reset at run()": _fault(Fault("reset")),
    "socket closed in a run": _fault(Fault("close", _STARTED)),
    "socket half-open in a run": _fault(Fault("half-open", _STARTED)),
    "socket half-open for longer than a pong is waited for": replace(
        _fault(Fault("half-open", _STARTED)), server=ServerTiming(think_ms=90_000)
    ),
    "socket stalled in a run": _fault(Fault("stall", _STARTED, for_ms=2_000)),
    "reconnect rejected": _fault(Fault("reset"), Fault("reject")),
    "frames held up, one way": _fault(Fault("stall", _STARTED, for_ms=2_000, way="down")),
    "pings lost, one way": replace(
        _fault(Fault("half-open", _STARTED, way="up")), server=ServerTiming(think_ms=30_000)
    ),
    "a gateway that waits a second for the answer to run": _case(
        server=ServerTiming(answer_run_ms=3_000), network=_gateway(Gateway(answer_s=1.03))
    ),
    "a gateway that closes what is idle": _case(
        server=ServerTiming(think_ms=6_000), network=_gateway(Gateway(idle_s=2.03))
    ),
    "a gateway that takes two connections": _case(
        server=ServerTiming(think_ms=3_000),
        network=_gateway(Gateway(connections=2), Fault("reset", _STARTED)),
    ),
    # What happens to the server's process
    "killed in a run": _process(
        ProcessEvent("crash", _IN_RUN, 1_500.0), script=Script(tool_calls=2)
    ),
    "killed in a run, and then another": replace(
        _process(ProcessEvent("crash", _IN_RUN, 1_500.0)), caller=Caller(runs=2, between_ms=3_000)
    ),
    "killed while a tool is used": _case(
        Script(tool_calls=2, calls_each=2),
        ServerTiming(
            tool_ms=1_000,
            process=(ProcessEvent("crash", Moment("run-started", after_ms=700), 1_500.0),),
        ),
        caller=Caller(runs=2, between_ms=3_000),
    ),
    "killed before the run begins": _case(
        server=ServerTiming(
            start_ms=500,
            process=(ProcessEvent("crash", Moment("run-answered", after_ms=50), 700.0),),
        )
    ),
    "killed after a run": _process(
        ProcessEvent("crash", Moment("run-returned", after_ms=500), 1_500.0)
    ),
    "killed after a run, and then another": replace(
        _process(ProcessEvent("crash", Moment("run-cleared", after_ms=3_000), 500.0)),
        caller=Caller(runs=2, between_ms=6_000),
    ),
    "killed while it waits for confirmation": replace(
        _process(
            ProcessEvent("crash", Moment("run-cleared", after_ms=3_000), 500.0),
            script=Script(outcome="waiting_for_confirmation"),
        ),
        caller=Caller(runs=2, between_ms=6_000),
    ),
    "killed in a run, and away for long": _process(ProcessEvent("crash", _IN_RUN, 20_000.0)),
    "frozen in a run": _process(
        ProcessEvent("freeze", _IN_RUN, 1_500.0), script=Script(tool_calls=2)
    ),
    "frozen between the end and the answer": _process(
        ProcessEvent("freeze", Moment("run-ended", after_ms=5.3), 2_500.0)
    ),
    "frozen before run() is heard": _process(
        ProcessEvent("freeze", Moment("run-called"), 4_000.0)
    ),
    "frozen for longer than a pong is waited for": _process(
        ProcessEvent("freeze", _IN_RUN, 45_000.0), think_ms=50_000
    ),
    "a machine that stands still in a run": _process(
        ProcessEvent("freeze", _IN_RUN, 1_500.0, "stands"), script=Script(tool_calls=2)
    ),
    "a machine that stands still before run() is heard": _process(
        ProcessEvent("freeze", Moment("run-called"), 4_000.0, "stands")
    ),
    "a machine that stands still for longer than a pong is waited for": _process(
        ProcessEvent("freeze", _IN_RUN, 45_000.0, "stands"), think_ms=50_000
    ),
    "killed after its machine stood still, and still leased": _process(
        ProcessEvent("freeze", _IN_RUN, 20_000.0, "stands"),
        ProcessEvent("crash", Moment("run-started", after_ms=20_200), 30_000.0),
        think_ms=2_000,
    ),
    "the clock is set back in a run": _process(
        ProcessEvent("clock-step", Moment("persisted", 4), by_ms=-60_000),
        script=Script(tool_calls=2),
    ),
    "the clock is set forward in a run, and back again": _process(
        ProcessEvent("clock-step", _IN_RUN, by_ms=3_600_000),
        ProcessEvent("clock-step", Moment("run-ended", after_ms=0.3), by_ms=-3_600_000.5),
    ),
    "killed, and its lease is over by the clock": _process(
        ProcessEvent("crash", _IN_RUN, 1_500.0),
        ProcessEvent("clock-step", Moment("run-started", after_ms=700), by_ms=3_600_000),
    ),
    "the disk is full in a run": _process(
        ProcessEvent("disk-full", _IN_RUN, 1_500.0), script=Script(tool_calls=2)
    ),
    "the disk is full in a run, and then another": replace(
        _process(ProcessEvent("disk-full", _IN_RUN, 1_500.0)),
        caller=Caller(runs=2, between_ms=3_000),
    ),
    "the disk is full while a tool is used": _case(
        Script(tool_calls=2, calls_each=2),
        ServerTiming(
            tool_ms=1_000,
            process=(ProcessEvent("disk-full", Moment("run-started", after_ms=700), 2_000.0),),
        ),
        caller=Caller(runs=2, between_ms=3_000),
    ),
    "the disk is full as a run begins": _case(
        server=ServerTiming(
            start_ms=500,
            process=(ProcessEvent("disk-full", Moment("run-answered", after_ms=50), 1_500.0),),
        ),
        caller=Caller(timeout_s=30.0),
    ),
    "the disk is full for long": _process(ProcessEvent("disk-full", _IN_RUN, 60_000.0)),
    "the disk is full between two runs": replace(
        _process(ProcessEvent("disk-full", Moment("run-cleared", after_ms=3_000), 500.0)),
        caller=Caller(runs=2, between_ms=6_000),
    ),
    "the disk is full before run()": _process(
        ProcessEvent("disk-full", Moment("run-called"), 4_000.0)
    ),
    "another client comes while the disk is full": replace(
        _process(ProcessEvent("disk-full", _IN_RUN, 20_000.0)),
        watchers=(Watcher(Moment("run-cleared", after_ms=100)),),
    ),
    "message in a run while the disk is full": replace(
        _process(ProcessEvent("disk-full", _IN_RUN, 1_500.0), think_ms=3_000),
        caller=Caller(acts=(Act("send-message", Moment("run-started", after_ms=300)),)),
    ),
    "interrupt while the disk is full": replace(
        _process(ProcessEvent("disk-full", _IN_RUN, 1_500.0), think_ms=3_000),
        caller=Caller(acts=(Act("interrupt", Moment("run-started", after_ms=300)),)),
    ),
    "somebody else pauses while the disk is full": _others(
        "pause",
        after_ms=300,
        server=ServerTiming(
            think_ms=3_000, process=(ProcessEvent("disk-full", _IN_RUN, 1_500.0),)
        ),
    ),
    "a script's pause while the disk is full": _process(
        ProcessEvent("disk-full", Moment("persisted", since="run-called"), 100.0),
        script=Script(outcome="paused"),
    ),
    "message that cannot be written": _process(
        ProcessEvent("disk-full", Moment("subscribed", after_ms=20), 3_000.0)
    ),
    "statistics that cannot be written": _process(
        ProcessEvent("disk-full", _IN_RUN, 1_500.0), script=Script(statistics=True, tool_calls=1)
    ),
    "socket lost while the disk is full": replace(
        _process(ProcessEvent("disk-full", _IN_RUN, 5_000.0)),
        network=replace(LINKS, faults=(Fault("reset", Moment("run-cleared", after_ms=100)),)),
    ),
    "poll answered 503": _case(rest=RestFault("status", "conversation")),
    "run never answered": _case(rest=RestFault("timeout", "run")),
    "page cut off": _case(rest=RestFault("truncate", "events")),
    # What the caller does meanwhile
    "slow callback": _case(caller=Caller(callback_ms=3_000)),
    "timeout": _case(server=ServerTiming(think_ms=5_000), caller=Caller(timeout_s=1)),
    "message in a run": _act("send-message", after_ms=50),
    "message at the end of a run": _act("send-message", "run-ended"),
    "pause in a run": _act("pause", after_ms=50),
    "interrupt while the agent starts": _act(
        "interrupt", "run-accepted", 500, server=ServerTiming(start_ms=2_000)
    ),
    "message while the agent starts": _act(
        "send-message", "run-accepted", 500, server=ServerTiming(start_ms=2_000)
    ),
    "interrupt as the run ends": _act("interrupt", "run-ended"),
    "interrupt with a slow other subscriber": _act(
        "interrupt", after_ms=50, server=ServerTiming(other_subscriber_ms=8_000)
    ),
    "interrupt in a run": _act("interrupt", after_ms=50),
    "close in a run": _act("close", after_ms=50),
    "two run() at once": _act("run", after_ms=50),
    # What others do meanwhile
    "somebody else runs before run()": _others("run", "subscribed", 20),
    "somebody else runs in a run": _others("run", after_ms=50),
    "somebody else runs in the tail of a run": _others(
        "run", "run-ended", 10, server=ServerTiming(publish_ms=200)
    ),
    "somebody else runs after the run": _others("run", "run-returned", 500),
    "somebody else's message in a run": _others("message", after_ms=50),
    "somebody else's message after the run": _others("message", "run-returned", 500),
    "somebody else's message is run": _others("message-and-run", "run-returned", 500),
    "somebody else's message joins a run": _others("message-and-run", after_ms=50),
    "somebody else's message in the tail of a run": _others(
        "message-and-run", "run-ended", 10, server=ServerTiming(publish_ms=200)
    ),
    "somebody else pauses a run": _others("pause", after_ms=50),
    "somebody else pauses before run()": _others("pause", "subscribed", 20),
    "somebody else pauses after the run": _others("pause", "run-returned", 500),
    "somebody else confirms": _others("confirm", "run-returned", 500, _WAITING),
    "somebody else confirms as the run ends": _others("confirm", "run-ended", 0, _WAITING),
    "somebody else confirms in a run": _others("confirm", after_ms=50),
    "somebody else confirms before the run waits": _others(
        "confirm", after_ms=50, script=_WAITING
    ),
    "somebody else rejects": _others("reject", "run-returned", 500, _WAITING),
    "somebody else rejects, and the caller runs again": _others(
        *("reject", "run-returned", 100, _WAITING), caller=Caller(runs=2, between_ms=1_000)
    ),
    "somebody else rejects where nothing waits": _others("reject", "run-returned", 500),
    "another client looks on": replace(_case(Script(tool_calls=1)), watchers=(Watcher(),)),
    "another client looks on from the end": replace(
        _case(), watchers=(Watcher(Moment("run-ended")),)
    ),
    "somebody else rejects a call under way": _others(
        "reject", after_ms=250, server=ServerTiming(tool_ms=200)
    ),
    "second run() in a step longer than a pong is waited for": _act(
        "run", after_ms=50, server=ServerTiming(think_ms=90_000)
    ),
}
