"""How long a trial takes by its schedule alone, whatever the client does."""

import math

from race_harness.model.schedule import Schedule


def work_s(schedule: Schedule) -> float:
    """What the agent takes for all its turns, and the user's callback for their events, in
    seconds."""
    server, caller = schedule.server, schedule.caller
    runs = caller.runs + sum(act.what == "run" for act in caller.acts)
    milliseconds = runs * caller.between_ms
    for turn in map(schedule.script.turn, range(1, runs + 1)):
        steps = math.ceil(turn.tool_calls / turn.calls_each) + turn.stop_hook_denials + 1
        milliseconds += steps * (server.think_ms + server.tool_ms + server.status_ms)
        # An action and what came of it; a message, a status, and what goes with them.
        events = 2 * turn.tool_calls + 5 * (turn.stop_hook_denials + 2)
        # The caller settles until every callback has come to its end.
        milliseconds += events * (server.persist_ms + 2 * caller.callback_ms)
    return milliseconds / 1000
