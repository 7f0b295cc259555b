"""What excuses a client that raises: it could not have known better. Pure."""

from collections.abc import Collection

from race_harness.oracle.entries import CallEntry, Doing, Request

PERSISTS = 3
"""So many spoiled answers in a row are a fault that persists, which a client may give in to."""
PATIENCE_NS = 1_000_000_000
"""For less than that nobody gives an answer up."""
READS_EVENTS = "GET events/search"
READS_STATE = "GET conversation"


def excuse(doing: Doing, own: Collection[str]) -> str | None:
    """Why what the caller did may raise, in words; None: nothing explains it.

    `own`: the routes of the requests that it is made of. Whether the server has acted on one that
    is spoiled is anybody's guess, so a client may not simply repeat it.
    """
    if doing.network_fault:
        return "a REST connection was disturbed"
    requests = [*doing.requests.values()]
    spoiled = [request for request in requests if _is_spoiled(request)]
    for request in requests:
        if request.status is None and (request.route in own or _is_patient(doing, request)):
            return f"{request.route} was not answered"
    for request in spoiled:
        # Whoever cannot read the events rather says so than hides it.
        if request.route in (*own, READS_EVENTS):
            return _spoiled(request)
    for request in spoiled:
        # A status of the client's own making, such as 401 or 404, is not to be tried again.
        if 400 <= (request.status or 0) < 500 and request.status not in (408, 429):
            return _spoiled(request)
    if len(requests) >= PERSISTS and all(map(_is_spoiled, requests[-PERSISTS:])):
        return f"the last {PERSISTS} requests were spoiled, at last {_spoiled(requests[-1])}"
    return None


def refusal(doing: Doing, own: Collection[str]) -> str | None:
    """That the server itself refused it, in words; None: it did not."""
    for request in doing.requests.values():
        if request.route in own and (request.status or 0) >= 400 and request.fault is None:
            return f"the server answered {request.route} with {request.status}"
    return None


def _is_patient(doing: Doing, request: Request) -> bool:
    """Whether a request that may be of another thread was waited for; of `run()`, which asks for
    many things, any is its own."""
    waited_ns = doing.ended_ns - request.asked_ns
    return isinstance(doing, CallEntry) or waited_ns >= PATIENCE_NS


def _is_spoiled(request: Request) -> bool:
    return request.fault not in (None, "delay")


def _spoiled(request: Request) -> str:
    how = request.fault if request.fault != "status" else f"status {request.status}"
    return f"{request.route} was spoiled ({how})"
