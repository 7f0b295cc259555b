"""How long things take by the schedule alone, whatever the client does."""

import math

from race_harness.model.schedule import Schedule

RETRY_S = 2.0
"""What one spoiled answer may cost it besides."""
READS = 20
"""How often a client may read the whole log and the state, over REST and as frames."""
REQUEST_S = 30.0
"""What a client may wait for an answer that never comes: the SDK's own limit of a request."""


def work_s(schedule: Schedule) -> float:
    """What the agent takes for all its turns, and the user's callback for their events, in
    seconds."""
    server, caller = schedule.server, schedule.caller
    runs = caller.runs + sum(act.what == "run" for act in caller.acts)
    runs += sum(act.may_run for act in schedule.others)
    milliseconds = runs * caller.between_ms
    for turn in map(schedule.script.turn, range(1, runs + 1)):
        steps = math.ceil(turn.tool_calls / turn.calls_each) + turn.stop_hook_denials + 1
        milliseconds += steps * (server.think_ms + server.tool_ms + server.status_ms)
        # An action and what came of it; a message, a status, and what goes with them.
        events = 2 * turn.tool_calls + 5 * (turn.stop_hook_denials + 2)
        # The caller settles until every callback has come to its end.
        milliseconds += events * (server.persist_ms + 2 * caller.callback_ms)
    milliseconds += process_ms(schedule)
    # It is given what was there before, too.
    milliseconds += 2 * caller.callback_ms * schedule.script.history
    return milliseconds / 1000 + READS * _transfer_s(schedule, runs)


def process_ms(schedule: Schedule) -> float:
    """For how long the server's process stands still."""
    return sum(event.for_ms for event in schedule.server.process)


def _transfer_s(schedule: Schedule, runs: int) -> float:
    """What the narrowest link takes for the whole log and the state."""
    network, script = schedule.network, schedule.script
    links = [network.rest, network.socket, *network.connections]
    carried = [link.kbit_s for link in links if link.kbit_s is not None]
    if not carried:
        return 0.0
    tool_calls = sum(script.turn(run).tool_calls for run in range(1, runs + 1))
    kilobytes = tool_calls * (script.event_kb + 2) + 2 * script.state_kb + 20 * runs
    return 8 * kilobytes / min(carried)


def rest_latency_ns(schedule: Schedule) -> int:
    """What the network adds to one request at most: a connection, the request, the answer."""
    return round(4e6 * _rest_link_ms(schedule))


def round_trips_ns(schedule: Schedule, requests: int) -> int:
    """What it adds to so many requests, one after another, on a connection that is there."""
    return round(2e6 * _rest_link_ms(schedule) * requests)


def _rest_link_ms(schedule: Schedule) -> float:
    """One way, at most."""
    links = [schedule.network.rest, *(c for c in schedule.network.connections if c.kind == "rest")]
    return max(link.latency_ms + link.jitter_ms for link in links)


def own_delays_ns(schedule: Schedule, callbacks: int = 0, busy_ns: int = 0) -> int:
    """What the schedule itself adds between the server's end and the client's knowing, if the
    user's callback is given so many events, and links of limited bandwidth were busy so long."""
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
    # Whoever has waited for it in vain asks again.
    own_ms += process_ms(schedule) + 1e3 * RETRY_S * len(schedule.server.process)
    return round(own_ms * 1e6 + rest_s * 1e9) + busy_ns
