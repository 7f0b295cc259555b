"""The limits of the real server: which of them the fake keeps, and why it leaves the others out.

Values, files and lines are those of 1.58.2, and of the uvicorn and the Python on which it runs.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    what: str
    upstream: str
    """File and line."""
    fake: str
    """`kept`, with what releases do otherwise, or `left out, because …`."""
    cases: tuple[str, ...] = ()
    """The cases of `conformance.suite` that reach it."""


LIMITS: tuple[Limit, ...] = (
    Limit(
        "steps of one run: the client's `max_iterations`, 500 by default",
        "local_conversation.py:2404; request.py:279",
        "kept, an error from 1.7.2 on; before, the run only ends and the status stays `running`; "
        "up to 1.16 a run that finishes in the last step is an error, too; from 1.45 a message in "
        "the last step leaves `idle`",
        (
            "too many steps",
            "finish with the last step",
            "finish with the last step, and a stop hook",
            "stop hook until there are no more steps",
            "answer with the last step",
            "error with the last step",
            "paused with the last step",
            "waiting with the last step",
            "steps are counted in each run",
            "message in the last step",
            "message in the last step, which waits",
        ),
    ),
    Limit(
        "events on one page: 100",
        "event_router.py:78",
        "kept; a client that asks for more is answered 422, as from 1.48 on, and not 500",
        ("more events than a page holds",),
    ),
    Limit(
        "WebSocket keep-alive: a ping every 20 s, and 20 s for its pong",
        "uvicorn/config.py:209",
        "kept: uvicorn's own, where it has them, and those of the client; a busy event loop "
        "answers and sends none",
        (
            "socket half-open for longer than a pong is waited for",
            "second run() in a step longer than a pong is waited for",
        ),
    ),
    Limit(
        "HTTP keep-alive: 5 s",
        "uvicorn/config.py:234",
        "kept: uvicorn's own",
        ("two runs, long after each other",),
    ),
    Limit(
        "the tail of a run waits 30 s for each publication",
        "event_service.py:1687",
        "kept, from 1.10",
        ("another subscriber slower than the tail waits",),
    ),
    Limit(
        "`/interrupt` waits 5 s for the end of the run",
        "event_service.py:2134",
        "kept, from 1.23",
        ("interrupt with a slow other subscriber",),
    ),
    Limit(
        "subscribers of one conversation: 50",
        "event_service.py:244",
        "kept, from 1.22.1; no trial comes to it",
    ),
    Limit(
        "the first frame, with the key: 10 s",
        "sockets.py:131",
        "kept, from 1.18.1; the server of a trial wants no key",
    ),
    Limit(
        "worker threads: the cores and 4 more, 32 at most",
        "concurrent/futures/thread.py:145",
        "left out, because it depends on the machine; when about six requests wait for the state "
        "lock at once, later ones wait for a thread as well",
    ),
    Limit(
        "the first snapshot: 0.5 s to be sent",
        "event_service.py:97",
        "kept, from 1.22; only where other frames fill the buffer does it take so long",
    ),
    Limit(
        "a frame that the Python client takes: 1 MiB",
        "remote_conversation.py:269; websockets, `max_size`",
        "kept: the client's own, which hangs up with code 1009",
        ("observations larger than a client takes",),
    ),
    Limit(
        "conversations that run at once: 10, from 1.52 answered 429",
        "config.py:348",
        "left out, because a trial has one conversation",
    ),
    Limit(
        "what one run may cost",
        "local_conversation.py:743",
        "left out, because no client of a trial sets it",
    ),
    Limit(
        "equal steps until the agent is held to be stuck: 3 to 6",
        "types.py:150",
        "left out, because the script says when",
    ),
    Limit(
        "text that the LLM is given: 30,000 characters of a message",
        "llm.py:403",
        "left out, because the log keeps all of it",
    ),
    Limit(
        "the lock on the files of the log: 30 s",
        "event_store.py:23",
        "left out, because no other process writes them",
    ),
    Limit(
        "the lease on a conversation: 45 s",
        "conversation_lease.py:20",
        "left out, because there is no other server",
    ),
    Limit(
        "idle conversations that are put away",
        "conversation_service.py:2269",
        "left out, because that is off by default",
    ),
    Limit(
        "what webhooks are sent at once, and what waits for them",
        "config.py:94",
        "left out, because `server.other_subscriber_ms` stands for them",
    ),
    Limit(
        "a deletion waits 10 s for the run",
        "event_service.py:2254",
        "left out, because no act of a schedule deletes",
    ),
    Limit(
        "frames of `/sockets/session`: 4 MiB",
        "session_protocol.py:34",
        "left out, because no released Python client speaks it",
    ),
    Limit(
        "a message that a client sends over the WebSocket: 16 MiB",
        "uvicorn/config.py:207",
        "kept: uvicorn's own; the Python client sends none",
    ),
)
