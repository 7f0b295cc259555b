"""Decides what excuses a client that raises, because it could not know better. Pure."""

from collections.abc import Collection

from race_harness.oracle.entries import CallEntry, Doing, Request

PERSISTS = 3
"""After so many spoiled answers in a row a fault counts as lasting, and a client may give up."""
PATIENCE_NS = 1_000_000_000
"""A client that has waited less than this for an answer has not given up on it."""
READS_EVENTS = "GET events/search"
READS_STATE = "GET conversation"


def excuse(doing: Doing, own: Collection[str]) -> str | None:
    """Return in words why a call or an act may raise; None if nothing explains it.

    `own` are the routes of the requests that it consists of. If one of these is spoiled, nobody
    knows whether the server acted on it, so a client may not simply repeat it.
    """
    if doing.network_fault:
        return "a REST connection was disturbed"
    requests = [*doing.requests.values()]
    spoiled = [request for request in requests if _is_spoiled(request)]
    for request in requests:
        if request.status is None and (request.route in own or _is_patient(doing, request)):
            return f"{request.route} was not answered"
    for request in spoiled:
        # A client that cannot read the events should say so.
        if request.route in (*own, READS_EVENTS):
            return _spoiled(request)
    for request in spoiled:
        # A status that blames the client, such as 401 or 404, is no reason to try again.
        if 400 <= (request.status or 0) < 500 and request.status not in (408, 429):
            return _spoiled(request)
    if len(requests) >= PERSISTS and all(map(_is_spoiled, requests[-PERSISTS:])):
        return f"the last {PERSISTS} requests were spoiled, at last {_spoiled(requests[-1])}"
    return None


def failure(doing: Doing, own: Collection[str]) -> str | None:
    """That the server failed at it, as it does where the disk is full, in words; None: it did
    not."""
    for request in doing.requests.values():
        if request.route in own and (request.status or 0) >= 500 and request.fault is None:
            return f"the server answered {request.route} with {request.status}"
    return None


def refusal(doing: Doing, own: Collection[str]) -> str | None:
    """Return in words how the server itself refused a call or an act; None if it did not."""
    for request in doing.requests.values():
        if request.route in own and (request.status or 0) >= 400 and request.fault is None:
            return f"the server answered {request.route} with {request.status}"
    return None


def _is_patient(doing: Doing, request: Request) -> bool:
    """Whether the client waited for a request. During an act it may belong to another thread, so
    the wait has to be long; `run()` makes many requests, so any of them counts."""
    waited_ns = doing.ended_ns - request.asked_ns
    return isinstance(doing, CallEntry) or waited_ns >= PATIENCE_NS


def _is_spoiled(request: Request) -> bool:
    return request.fault not in (None, "delay")


def _spoiled(request: Request) -> str:
    how = request.fault if request.fault != "status" else f"status {request.status}"
    return f"{request.route} was spoiled ({how})"
