"""The reproduction that came with pull request #1832: a public callback that takes three seconds.

User callbacks run on the socket's thread and before the client's own, which fills `state.events`.
One that sleeps for three seconds on the finishing action and observation holds up everything
behind it, as a slow network would, and 1.10.0 returns long before. Nothing else is out of the
ordinary, so every repetition fails there, and `run()` takes as long as the client waits: about
1 s in 1.10.0 (its second poll), 3 s in 1.11.1 (three terminal polls, then it fetches the events
over REST), 6 s in 1.58.0 (both callbacks, then the post-run snapshot).
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Schedule


def schedules() -> st.SearchStrategy[Schedule]:
    caller = Caller(callback_ms=3_000.0, callback_on="finish", settle_s=15.0)
    return st.just(Schedule(scenario="delayed-callback", caller=caller))


SCENARIO = Scenario(
    name="delayed-callback",
    summary="a public callback takes 3 s on the finish events",
    schedules=schedules,
    fails="<1.11.1",
)
