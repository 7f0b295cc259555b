"""How long things take because of the schedule alone, whatever the client does.

The limits of trials, and the oracle's judgement of what took too long, start from these times.
"""

import math

from race_harness.model.schedule import Schedule

RETRY_S = 2.0
"""How many seconds more a spoiled answer may cost a client, which asks again."""
READS = 20
"""How often a client may read the whole log and the state, over REST and as frames."""
REQUEST_S = 30.0
"""How many seconds a client may wait for an answer that never comes: the SDK's own limit."""


def work_s(schedule: Schedule) -> float:
    """Return the seconds that the agent takes for all its turns, and the user's callback for their
    events."""
    server, caller = schedule.server, schedule.caller
    runs = caller.runs + sum(act.what == "run" for act in caller.acts)
    runs += sum(act.may_run for act in schedule.others)
    milliseconds = runs * caller.between_ms
    for turn in map(schedule.script.turn, range(1, runs + 1)):
        steps = math.ceil(turn.tool_calls / turn.calls_each) + turn.stop_hook_denials + 1
        milliseconds += steps * (server.think_ms + server.tool_ms + server.status_ms)
        # An action and its observation for each call; a message, a status, and their like.
        events = 2 * turn.tool_calls + 5 * (turn.stop_hook_denials + 2)
        # The caller settles until every callback has ended.
        milliseconds += events * (server.persist_ms + 2 * caller.callback_ms)
    milliseconds += process_ms(schedule)
    # The callback also gets the events that were there before.
    milliseconds += 2 * caller.callback_ms * schedule.script.history
    return milliseconds / 1000 + READS * _transfer_s(schedule, runs)


def process_ms(schedule: Schedule) -> float:
    """Return the milliseconds for which the server's process is frozen or dead."""
    return sum(event.for_ms for event in schedule.server.process)


def _transfer_s(schedule: Schedule, runs: int) -> float:
    """Return the seconds that the narrowest link takes for the whole log and the state."""
    network, script = schedule.network, schedule.script
    links = [network.rest, network.socket, *network.connections]
    carried = [link.kbit_s for link in links if link.kbit_s is not None]
    if not carried:
        return 0.0
    tool_calls = sum(script.turn(run).tool_calls for run in range(1, runs + 1))
    kilobytes = tool_calls * (script.event_kb + 2) + 2 * script.state_kb + 20 * runs
    return 8 * kilobytes / min(carried)


def rest_latency_ns(schedule: Schedule) -> int:
    """Return the most that the network adds to a request: connecting, the request, the answer."""
    return round(4e6 * _rest_link_ms(schedule))


def round_trips_ns(schedule: Schedule, requests: int) -> int:
    """Return the most that it adds to consecutive requests on a connection that already exists."""
    return round(2e6 * _rest_link_ms(schedule) * requests)


def _rest_link_ms(schedule: Schedule) -> float:
    """Return the longest latency of a REST link, one way."""
    links = [schedule.network.rest, *(c for c in schedule.network.connections if c.kind == "rest")]
    return max(link.latency_ms + link.jitter_ms for link in links)


def own_delays_ns(schedule: Schedule, callbacks: int = 0, busy_ns: int = 0) -> int:
    """Return the most that the schedule adds to the time from the server's end until the client
    knows of it.

    `callbacks` is the number of events that the user's callback gets, `busy_ns` how long links of
    limited bandwidth were busy.
    """
    network, caller = schedule.network, schedule.caller
    links = [network.rest, network.socket, *network.connections]
    links_ms = sum(link.latency_ms + link.jitter_ms for link in links)
    faults_ms = sum(fault.for_ms for fault in network.faults if fault.action == "stall")
    stalls_ms = sum(stall.for_ms for stall in schedule.interleaving.stalls)
    late_ms = sum(late.for_ms for late in schedule.server.late)
    callbacks_ms = caller.callback_ms * callbacks
    rest_s = 0.0
    for fault in schedule.rest:
        each_s = fault.delay_ms / 1000 + RETRY_S
        rest_s += fault.times * (each_s + (REQUEST_S if fault.action == "timeout" else 0.0))
    own_ms = 4 * links_ms + faults_ms + stalls_ms + late_ms + callbacks_ms
    # A client that waited for the process in vain asks again.
    own_ms += process_ms(schedule) + 1e3 * RETRY_S * len(schedule.server.process)
    return round(own_ms * 1e6 + rest_s * 1e9) + busy_ns
