"""The behaviour of the real server of one release, wherever releases differ.

Each field comes from reading upstream's source (tags 1.0.0 to v1.43.1 in git, later releases from
the wheels). Files have their names in upstream's repository. This module uses only the standard
library, because it also runs in the environments of clients.
"""

import re
from dataclasses import dataclass

from race_harness.model.errors import UsageError


@dataclass(frozen=True)
class Profile:
    version: str

    answers_when_run_ends: bool
    """Up to 1.6: `POST /run` gets its answer when the run is over, with 500 if it failed; no run
    is ever refused, and a second one joins the first (event_service.py, `run`)."""

    starts_agent_on_creation: bool
    """Up to 1.9: the agent starts with its conversation, so that the system prompt is persisted
    before anybody can subscribe (local_conversation.py, `__init__`)."""

    reads_block_loop: bool
    """Up to 1.5: reading events waits for the state lock on the event loop itself
    (event_service.py, `search_events`)."""

    rejects_by_pausing: bool
    """Up to 1.5.1: who rejects what waits for confirmation pauses the conversation, which changes
    nothing while it waits (event_service.py, `respond_to_confirmation`)."""

    survives_failed_tools: bool
    """From 1.7.3: a tool that fails gives an event. Earlier, its error ends the run, and the next
    run begins with the remaining calls (agent.py, `_execute_action_event`)."""

    tells_errors: bool
    """From 1.1: a run that fails ends with an event that says why (local_conversation.py,
    `run`)."""

    tells_step_limit: bool
    """From 1.7.2: a run that reaches its step limit ends in an error, with an event that says so.
    Earlier, it merely ends, and the status stays `running` (local_conversation.py, `run`)."""

    keeps_finish_at_step_limit: bool
    """From 1.17: a run that finishes with its last allowed step is finished. Earlier, it ends in
    the error of the step limit all the same (local_conversation.py, `run`)."""

    finishes_before_answer: bool
    """Up to 1.3: an answer without a tool call comes after the status with which it ends the run
    (agent.py, `step`)."""

    has_stop_hooks: bool
    """From 1.8: a stop hook may take `finished` back (local_conversation.py, `run`)."""

    publish_before_persist: bool
    """Up to 1.44: callbacks run before the append (local_conversation.py, `__init__`)."""

    status_from_persisted_state: bool
    """From 1.43: REST reads base_state.json, which is written at the end of the outermost block
    under the state lock (conversation_service.py, `_conversation_info`; state.py, `__exit__`)."""

    status_takes_state_lock: bool
    """1.42 only: REST waits for the state lock (conversation_service.py,
    `_compose_conversation_info_sync`). Earlier, it reads live memory without any lock."""

    reads_take_state_lock: bool
    """Up to 1.11: reading events waits for the state lock (event_service.py,
    `_search_events_sync`)."""

    snapshot_blocks_loop: bool
    """Up to 1.16.0: snapshots, and the check of `POST /run`, wait for the state lock on the
    event loop itself, so that the server does nothing else; later they wait in an executor
    (event_service.py, `subscribe_to_events` and `run`)."""

    runs_on_loop: bool
    """From 1.23: the run is a coroutine, so appends and status changes keep the event loop busy,
    and frames go out only while the agent waits (local_conversation.py, `arun`). Also from 1.23:
    there is `/interrupt`, and an error's status is assigned under the state lock."""

    starts_in_thread: bool
    """Not in 1.23 and 1.24: starting the agent keeps a worker thread busy, not the event loop
    (local_conversation.py, `run` and `arun`: `_ensure_agent_ready`)."""

    interrupt_spares_tail: bool
    """From 1.25: an interrupt that has waited 5 s for the end of a run leaves it alone. Earlier,
    it cancels the tail: the run is cleared, and no snapshot follows (event_service.py,
    `interrupt`)."""

    thinks_without_state_lock: bool
    """From 1.33: the agent awaits the LLM without the state lock (agent.py, `astep`)."""

    masks_answers: bool
    """From 1.50: a worker thread masks secrets in an answer without a tool call. It does not hold
    the state lock, so that others get it first (agent.py, `_astep`)."""

    task_checked_first: bool
    """From 1.56: a second `POST /run` is refused at once; earlier, only once the server has the
    state lock, that is after a step of the run (event_service.py, `run`)."""

    waits_for_pending: bool
    """From 1.10: a run's tail waits for its publications (event_service.py,
    `_run_and_publish`)."""

    tracks_last_user_message: bool
    """From 1.11.5: a persisted update of `last_user_message_id` follows a user's message, and
    stop-hook feedback comes from the environment instead of the user (local_conversation.py,
    `_default_callback`)."""

    rescans_for_messages: bool
    """From 1.45: a message that arrives during the step that finishes takes `finished` back to
    `running`, and one during the step that waits for confirmation rejects the waiting actions; if
    the run may take no more steps, the status becomes `idle` (local_conversation.py, `_arun`).
    Earlier, the message stays unread until the next run."""

    stuck_can_go_on: bool
    """From 1.13.1: a run starts from `stuck`, and a message resets it to `idle`
    (local_conversation.py, `run` and `send_message`)."""

    streams_deltas: bool
    """From 1.18.1: pieces of the LLM's answer go to the sockets (event_service.py,
    `_token_streaming_callback`)."""

    repeats_failed_calls: bool
    """Up to 1.11: an error event does not count as the result of its action, so the agent does the
    action again before it asks the LLM (state.py, `get_unmatched_actions`; agent.py, `step`)."""

    tells_statistics: bool
    """From 1.3 to 1.9, and from 1.19.1: the server sends statistics. In between, validating the
    LLM a second time lost the callback (llm.py, `_set_env_side_effects`), so that it sent none."""

    stamps_statistics_late: bool
    """From 1.58: statistics get their timestamp under the state lock. Earlier, they get it when
    the LLM answers, which is before the events that precede them in the log (event_service.py,
    `_emit_event_from_thread`)."""

    header_authentication: bool
    """From 1.12: the WebSocket takes `X-Session-API-Key` (sockets.py)."""

    first_frame_authentication: bool
    """From 1.18.1: the WebSocket takes the key in its first frame (sockets.py)."""

    resends_since: bool
    """From 1.15: `resend_mode` and `after_timestamp`; earlier, only `resend_all`."""

    first_snapshot_s: float | None
    """From 1.22.0: a new subscriber's snapshot may take half a second; then it is dropped
    (event_service.py, `subscribe_to_events`)."""

    serves_in_turn: bool
    """Up to 1.22.0: the server sends an event to one subscriber after another and awaits each, so
    that a slow one holds up those that came after it; later, to all at once (pub_sub.py,
    `__call__`)."""

    keeps_conversations: bool
    """From 1.7.3: meta.json is written with the conversation. Earlier, it is written only when the
    server stops in an orderly way, so that a server that died knows none of its conversations
    after a restart (conversation_service.py, `_start_event_service`)."""

    recovers_runs: bool
    """From 1.7.4: a conversation that was running when the server died is in `error` after its
    restart. Earlier, it is `running` for ever (event_service.py, `start`)."""

    lease_outlives_server: bool
    """From 1.19.1 to 1.21: a server that has died still holds its conversations, by a lease of 45
    s that it renewed every 15 s, so that a server that starts before the lease ends never knows of
    them. Later, the new server sees that the old process is gone (conversation_lease.py,
    `claim`)."""

    saves_state_late: bool
    """From 1.22.1: base_state.json is written at the end of the outermost block under the state
    lock. Earlier, at each assignment (state.py, `__setattr__` and `__exit__`)."""

    head_in_state: bool
    """From 1.31: the agent works on the branch of the log that ends at a head. The head is in
    base_state.json, and so behind the log by up to a step; what the dead process appended after it
    is not part of the branch (state.py, `leaf_event_id`)."""

    trips_over_empty_files: bool
    """From 1.8.2 to 1.30: an append counts the files of the log, so that the empty one of an event
    that could not be written becomes part of it; and whoever looks for pending actions reads every
    file from the end (event_store.py, `append` and `_get_single_item`). From 1.31 only those on
    the branch of the head."""

    search_trips: bool
    """From 1.22.1 to 1.29: a search reads the files by their numbers, an empty one included.
    Earlier it went over the log, which leaves such a file out, and later it looks for them
    (event_service.py, `_search_events_sync` and `_get_searchable_event`)."""

    reads_for_errors: bool
    """From 1.29 to 1.43: a run that fails reads the events that it has appended before it tells
    why, and trips over such a file as well (local_conversation.py,
    `_agent_already_surfaced_error`). Later it reads them, and there are no such files."""

    empties_before_writing: bool
    """Up to 1.43: a file is opened with "w" and then written; later another one is written, and
    takes its place (io/local.py, `write`)."""

    marks_failed_runs: bool
    """From 1.25: a run that fails outside of its own handler leaves the status `error`; before, it
    leaves whatever it was (event_service.py, `_mark_error_status_sync`)."""

    tells_unhandled_errors: bool
    """From 1.43: and an event that says why (event_service.py, `_publish_error_event_sync`)."""

    max_subscribers: int | None
    """From 1.22.1: 50; further ones get close code 1013 (pub_sub.py)."""

    reruns_for_messages: bool
    """From 1.23.1: a message with `run: true` that comes in the tail of a run gets another run, if
    the conversation is idle when that run is over (event_service.py, `_run_and_publish`)."""

    stops_prevent_reruns: bool
    """From 1.25: a pause or an interrupt takes back the run that such a message asks for; and if
    that run is refused once more, the server asks for it again (event_service.py, `pause`)."""

    @staticmethod
    def of(version: str) -> "Profile":
        """Return the profile of a PEP 440 version such as `1.10.0` or `1.43.1+g611629e69`.

        Raises:
            UsageError: the version does not begin with a dotted number.
        """
        release = release_of(version)
        return Profile(
            version=version,
            answers_when_run_ends=release < (1, 7, 0),
            starts_agent_on_creation=release < (1, 10, 0),
            reads_block_loop=release < (1, 6, 0),
            rejects_by_pausing=release < (1, 5, 2),
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
            trips_over_empty_files=(1, 8, 2) <= release < (1, 31, 0),
            search_trips=(1, 22, 1) <= release < (1, 30, 0),
            reads_for_errors=(1, 29, 0) <= release < (1, 44, 0),
            empties_before_writing=release < (1, 44, 0),
            marks_failed_runs=release >= (1, 25, 0),
            tells_unhandled_errors=release >= (1, 43, 0),
            max_subscribers=50 if release >= (1, 22, 1) else None,
            reruns_for_messages=release >= (1, 23, 1),
            stops_prevent_reruns=release >= (1, 25, 0),
        )


def release_of(version: str) -> tuple[int, int, int]:
    """Return major, minor and patch; local, pre- and post-release parts do not matter here.

    Raises:
        UsageError: the version does not begin with a dotted number.
    """
    match = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?", version)
    if match is None:
        raise UsageError(f"{version!r} is not a release of the agent server, such as 1.58.0")
    major, minor, patch = (int(part or 0) for part in match.groups())
    return major, minor, patch
