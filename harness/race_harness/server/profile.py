"""What the real server of one release does, at the points where releases differ.

Each field was read off upstream's tags (1.0.0 to v1.43.1 in git, later ones from the wheels).
Files are named as in upstream's repository. Standard library only: this module also runs inside
the environments of clients.
"""

import re
from dataclasses import dataclass

from race_harness.model.errors import UsageError


@dataclass(frozen=True)
class Profile:
    version: str

    answers_when_run_ends: bool
    """Up to 1.6: `POST /run` is answered when the run is over, with 500 if it failed; no run is
    ever refused, and a second one joins the first (event_service.py, `run`)."""

    starts_agent_on_creation: bool
    """Up to 1.9: the agent starts with its conversation, so that the system prompt is persisted
    before anybody can subscribe (local_conversation.py, `__init__`)."""

    reads_block_loop: bool
    """Up to 1.5: reading events waits for the state lock on the event loop itself
    (event_service.py, `search_events`)."""

    survives_failed_tools: bool
    """From 1.7.3: a tool that fails gives an event. Before, its error ends the run, and the next
    run begins with the calls that are still to be done (agent.py, `_execute_action_event`)."""

    tells_errors: bool
    """From 1.1: a run that fails ends with an event that says why (local_conversation.py,
    `run`)."""

    tells_step_limit: bool
    """From 1.7.2: a run that has taken as many steps as it may ends in an error, with an event
    that says so. Before, it only ends, and the status stays `running` (local_conversation.py,
    `run`)."""

    keeps_finish_at_step_limit: bool
    """From 1.17: a run that finishes with the last step that it may take is finished. Before, it
    ends in that error all the same (local_conversation.py, `run`)."""

    finishes_before_answer: bool
    """Up to 1.3: an answer without a tool call comes after the status that it ends the run with
    (agent.py, `step`)."""

    has_stop_hooks: bool
    """From 1.8: a stop hook may take `finished` back (local_conversation.py, `run`)."""

    publish_before_persist: bool
    """Up to 1.44: callbacks come before the append (local_conversation.py, `__init__`)."""

    status_from_persisted_state: bool
    """From 1.43: REST reads base_state.json, which is written when the outermost block under the
    state lock is left (conversation_service.py, `_conversation_info`; state.py, `__exit__`)."""

    status_takes_state_lock: bool
    """1.42 only: REST waits for the state lock (conversation_service.py,
    `_compose_conversation_info_sync`). Before, it reads live memory without any lock."""

    reads_take_state_lock: bool
    """Up to 1.11: reading events waits for the state lock (event_service.py,
    `_search_events_sync`)."""

    snapshot_blocks_loop: bool
    """Up to 1.16.0: snapshots, and the check of `POST /run`, wait for the state lock on the
    event loop itself, so nothing else is served meanwhile; later in an executor
    (event_service.py, `subscribe_to_events` and `run`)."""

    runs_on_loop: bool
    """From 1.23: the run is a coroutine, so appends and status changes keep the event loop
    busy and frames go out only while the agent waits (local_conversation.py, `arun`). Also from
    1.23: `/interrupt`, and an error's status is assigned under the state lock."""

    starts_in_thread: bool
    """Not in 1.23 and 1.24: starting the agent keeps a worker thread busy, not the event loop
    (local_conversation.py, `run` and `arun`: `_ensure_agent_ready`)."""

    interrupt_spares_tail: bool
    """From 1.25: an interrupt that has waited 5 s for the end of a run leaves it alone. Before,
    it cancels the tail: the run is cleared, and no snapshot follows (event_service.py,
    `interrupt`)."""

    thinks_without_state_lock: bool
    """From 1.33: the LLM is awaited without the state lock (agent.py, `astep`)."""

    masks_answers: bool
    """From 1.50: secrets are masked in an answer without a tool call, in a worker thread and
    without the state lock, so that others come before it (agent.py, `_astep`)."""

    task_checked_first: bool
    """From 1.56: a second `POST /run` is refused at once; before, only after the state lock was
    had, so after a step of the run (event_service.py, `run`)."""

    waits_for_pending: bool
    """From 1.10: a run's tail waits for its publications (event_service.py,
    `_run_and_publish`)."""

    tracks_last_user_message: bool
    """From 1.11.5: a user's message is followed by a persisted update of
    `last_user_message_id`, and stop-hook feedback comes from the environment instead of the
    user (local_conversation.py, `_default_callback`)."""

    rescans_for_messages: bool
    """From 1.45: a message that arrived during the step that finishes takes `finished` back to
    `running`, and one during the step that waits for confirmation rejects what waits; if the run
    may take no more steps, to `idle` (local_conversation.py, `_arun`). Before, it is left unread
    until the next run."""

    stuck_can_go_on: bool
    """From 1.13.1: a run starts from `stuck`, and a message resets it to `idle`
    (local_conversation.py, `run` and `send_message`)."""

    streams_deltas: bool
    """From 1.18.1: pieces of the LLM's answer go to the sockets (event_service.py,
    `_token_streaming_callback`)."""

    repeats_failed_calls: bool
    """Up to 1.11: an error event does not answer its action, so that the agent does it again
    before it asks the LLM (state.py, `get_unmatched_actions`; agent.py, `step`)."""

    tells_statistics: bool
    """From 1.3 to 1.9, and from 1.19.1: in between, validating the LLM once more lost the callback
    (llm.py, `_set_env_side_effects`), and nothing was ever told."""

    stamps_statistics_late: bool
    """From 1.58: statistics are stamped under the state lock. Before, when the LLM answered,
    which is earlier than the events that they come after in the log (event_service.py,
    `_emit_event_from_thread`)."""

    header_authentication: bool
    """From 1.12: the WebSocket takes `X-Session-API-Key` (sockets.py)."""

    first_frame_authentication: bool
    """From 1.18.1: the WebSocket takes the key in its first frame (sockets.py)."""

    resends_since: bool
    """From 1.15: `resend_mode` and `after_timestamp`; before, only `resend_all`."""

    first_snapshot_s: float | None
    """From 1.22.0 a new subscriber's snapshot may take half a second, and then is dropped
    (event_service.py, `subscribe_to_events`)."""

    serves_in_turn: bool
    """Up to 1.22.0: an event goes to one subscriber after another, each awaited, so that a slow
    one holds up those that came after it; later to all at once (pub_sub.py, `__call__`)."""

    keeps_conversations: bool
    """From 1.7.3: meta.json is written with the conversation. Before, only when the server stops
    in order, so that one that has died knows none of its conversations any more
    (conversation_service.py, `_start_event_service`)."""

    recovers_runs: bool
    """From 1.7.4: a conversation that was running when the server died is in `error` after its
    restart. Before, it is `running` for ever (event_service.py, `start`)."""

    lease_outlives_server: bool
    """From 1.19.1 to 1.21: a server that has died still holds its conversations, by a lease of
    45 s that it has renewed every 15, so that another one, started before, never knows of them.
    Later, it is seen that the process is gone (conversation_lease.py, `claim`)."""

    saves_state_late: bool
    """From 1.22.1: base_state.json is written when the outermost block under the state lock is
    left. Before, at each assignment (state.py, `__setattr__` and `__exit__`)."""

    head_in_state: bool
    """From 1.31: the agent works on the branch of the log that ends at a head, which is in
    base_state.json and so behind the log by up to a step; what the dead process had appended since
    then is no part of it (state.py, `leaf_event_id`)."""

    max_subscribers: int | None
    """From 1.22.1: 50, and then close code 1013 (pub_sub.py)."""

    reruns_for_messages: bool
    """From 1.23.1: a message with `run: true` that comes in the tail of a run, and finds the
    conversation idle when that is over, gets a run of its own (event_service.py,
    `_run_and_publish`)."""

    stops_prevent_reruns: bool
    """From 1.25: a pause or an interrupt takes back the run that such a message asks for; and a
    run that is refused once more is asked for again (event_service.py, `pause`)."""

    @staticmethod
    def of(version: str) -> "Profile":
        """The profile of a PEP 440 version such as `1.10.0` or `1.43.1+g611629e69`.

        Raises:
            UsageError: it does not begin with a dotted number.
        """
        release = release_of(version)
        return Profile(
            version=version,
            answers_when_run_ends=release < (1, 7, 0),
            starts_agent_on_creation=release < (1, 10, 0),
            reads_block_loop=release < (1, 6, 0),
            survives_failed_tools=release >= (1, 7, 3),
            tells_errors=release >= (1, 1, 0),
            tells_step_limit=release >= (1, 7, 2),
            keeps_finish_at_step_limit=release >= (1, 17, 0),
            finishes_before_answer=release < (1, 4, 0),
            has_stop_hooks=release >= (1, 8, 0),
            publish_before_persist=release < (1, 45, 0),
            status_from_persisted_state=release >= (1, 43, 0),
            status_takes_state_lock=(1, 42, 0) <= release < (1, 43, 0),
            reads_take_state_lock=release < (1, 12, 0),
            snapshot_blocks_loop=release < (1, 16, 1),
            runs_on_loop=release >= (1, 23, 0),
            starts_in_thread=not (1, 23, 0) <= release < (1, 25, 0),
            interrupt_spares_tail=release >= (1, 25, 0),
            thinks_without_state_lock=release >= (1, 33, 0),
            masks_answers=release >= (1, 50, 0),
            task_checked_first=release >= (1, 56, 0),
            waits_for_pending=release >= (1, 10, 0),
            tracks_last_user_message=release >= (1, 11, 5),
            rescans_for_messages=release >= (1, 45, 0),
            stuck_can_go_on=release >= (1, 13, 1),
            streams_deltas=release >= (1, 18, 1),
            repeats_failed_calls=release < (1, 12, 0),
            tells_statistics=(1, 3, 0) <= release < (1, 10, 0) or release >= (1, 19, 1),
            stamps_statistics_late=release >= (1, 58, 0),
            header_authentication=release >= (1, 12, 0),
            first_frame_authentication=release >= (1, 18, 1),
            resends_since=release >= (1, 15, 0),
            first_snapshot_s=0.5 if release >= (1, 22, 0) else None,
            serves_in_turn=release < (1, 22, 1),
            keeps_conversations=release >= (1, 7, 3),
            recovers_runs=release >= (1, 7, 4),
            lease_outlives_server=(1, 19, 1) <= release < (1, 22, 0),
            saves_state_late=release >= (1, 22, 1),
            head_in_state=release >= (1, 31, 0),
            max_subscribers=50 if release >= (1, 22, 1) else None,
            reruns_for_messages=release >= (1, 23, 1),
            stops_prevent_reruns=release >= (1, 25, 0),
        )


def release_of(version: str) -> tuple[int, int, int]:
    """Major, minor and patch; local, pre- and post-release parts do not matter here.

    Raises:
        UsageError: it does not begin with a dotted number.
    """
    match = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?", version)
    if match is None:
        raise UsageError(f"{version!r} is not a release of the agent server, such as 1.58.0")
    major, minor, patch = (int(part or 0) for part in match.groups())
    return major, minor, patch
