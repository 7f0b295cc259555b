"""Rules for the orders that the server of a release can show. No such server breaks one.

The labels are those of one conversation, from its beginning, from the fake, the real server, or a
recording that lacks the milestones of runs. Every rule is a necessary condition and says why the
real server keeps it; an order that keeps all of them need not be possible.

The rules do not cover orders that take more than the 30 s for which a run's tail waits for each
publication; a full socket buffer, which lets frames overtake each other; snapshots that are still
on their way when others have changed the status back and forth; what comes after a crash, in which
the server loses everything that was not on its disk; and what comes after that disk was full.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from race_harness.conformance.labels import Label
from race_harness.conformance.order import Order, changes, tells_status, value
from race_harness.server.profile import Profile

Places = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Rule:
    name: str
    reason: str
    """Why the real server keeps it, with upstream's file and function."""
    check: Callable[[Order], Places]


@dataclass(frozen=True)
class Breach:
    rule: Rule
    at: int
    """The index of the label."""
    says: str

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.says}"


def breaches(labels: Iterable[Label], profile: Profile) -> tuple[Breach, ...]:
    """Return every place where an order breaks a rule, sorted by rule and then by place."""
    healthy = tuple(takewhile(lambda label: label.what not in ("crashed", "disk-filled"), labels))
    order = Order(healthy, profile)
    return tuple(Breach(rule, at, says) for rule in RULES for at, says in rule.check(order))


def _frames_follow_the_log(order: Order) -> Places:
    for at, label in order.at("frame"):
        if order.subscribed.get(label.connection, at) >= at:
            yield at, f"{label} on a socket that is not subscribed"
    for connection, frames in order.events.items():
        if frames[0] not in order.positions:
            told = ", ".join(order.labels[at].of for at in frames)
            yield frames[0], f"connection {connection} got {told}: no part of the log"


def _frames_and_appends(order: Order) -> Places:
    for at, position in order.positions.items():
        if at < order.earliest(position):
            yield at, f"{order.labels[at]} comes too early"


def _assignment_comes_first(order: Order) -> Places:
    told = [at for at in order.appended if tells_status(order.labels[at])]
    assigned = changes(order.live_statuses)
    for at in told:
        assignment = next(assigned, None)
        if assignment is None or assignment[0] > at:
            yield at, f"{order.labels[at]} before the assignment"
        elif assignment[2] != value(order.labels[at]):
            yield at, f"{order.labels[at]} after {order.labels[assignment[0]]}"
    number = {position: n for n, position in enumerate(map(order.appended_before, told), 1)}
    for at, position in order.positions.items():
        if position in number and order.live_statuses[number[position]][0] > at:
            yield at, f"{order.labels[at]} before the assignment"


def _statuses_change(order: Order) -> Places:
    for at, before, after in changes(order.live_statuses):
        if before == after:
            yield at, f"{after} is assigned twice"


def _assignment_is_told_next(order: Order) -> Places:
    for at, _, status in changes(order.live_statuses):
        if status == "error" and not order.profile.runs_on_loop:
            continue  # The error's handler does not hold the lock.
        position = order.appended_before(at)
        if position < len(order.log) and order.log[position] != f"execution_status={status}":
            yield at, f"{order.log[position]} is appended after {order.labels[at]}"


def _nothing_after_the_finish(order: Order) -> Places:
    for at, label in order.at("persisted"):
        of_agent = label.of.startswith(("ActionEvent", "ObservationEvent"))
        if of_agent and order.held(order.live_statuses, at, at + 1) == {"finished"}:
            yield at, f"{label} after `finished` was assigned"


def _runs_one_at_a_time(order: Order) -> Places:
    if order.profile.answers_when_run_ends:
        return
    accepted = started = ended = cleared = told = 0
    wanted = ("run-accepted", "run-started", "run-ended", "run-cleared", "run-snapshot")
    for at, label in order.at(*wanted):
        legal = True
        match label.what:
            case "run-accepted":
                legal = accepted == cleared
                accepted += 1
            case "run-started":
                legal = started < accepted
                started += 1
            case "run-ended":
                # A message that comes just then revives the run, which then ends once more.
                legal = accepted == started > cleared
                ended = accepted
            case "run-cleared":
                legal = ended == accepted > cleared
                cleared += 1
            case "run-snapshot":
                legal = told < cleared
                told += 1
        if not legal:
            yield at, f"{label}, with {accepted} accepted, {started} started, {cleared} cleared"


def _tail_waits(order: Order) -> Places:
    if not order.profile.waits_for_pending:
        return
    for at, until in _tails(order):
        for frame, position in order.positions.items():
            if frame > at and position < until:
                yield frame, f"{order.labels[frame]} after {order.labels[at]}"


def _tails(order: Order) -> Iterator[tuple[int, int]]:
    """Yield labels that must come after a run's own events, and where these end in the log."""
    ended = 0
    for at, label in order.at("run-ended", "run-cleared"):
        if label.what == "run-cleared":
            yield at, ended
        else:
            ended = order.told_after(at)
    for snapshots in order.snapshots.values():
        for at in snapshots[1:]:  # The first one is the greeting.
            status = value(order.labels[at])
            assigned = [
                place for place, live in order.live_statuses if live == status and place < at
            ]
            if assigned:
                yield at, order.told_after(assigned[-1])


def _snapshots_are_true(order: Order) -> Places:
    for connection, snapshots in order.snapshots.items():
        since = order.subscribed.get(connection, -1)
        for at in snapshots:
            true = order.held(order.told_statuses, since, at)
            if not order.profile.runs_on_loop:
                # The error's handler does not hold the lock between assigning and telling it.
                true |= order.held(order.live_statuses, since, at) & {"error"}
            if value(order.labels[at]) not in true:
                yield at, f"{order.labels[at]} was never true since the one before"
            since = at


def _answers_have_requests(order: Order) -> Places:
    for at, label, asked in _answers(order):
        if asked is None:
            yield at, f"{label} without a request"


def _answers(order: Order) -> Iterator[tuple[int, Label, int | None]]:
    """Yield each answer with the earliest request to which it may belong."""
    open_requests: dict[str, deque[int]] = defaultdict(deque)
    routes = sorted({label.of for _, label in order.at("request")}, key=len, reverse=True)
    for at, label in order.at("request", "answer", "unanswered"):
        if label.what == "request":
            open_requests[label.of].append(at)
            continue
        route = next((r for r in routes if f"{label.of} ".startswith(f"{r} ")), "")
        asked = open_requests[route].popleft() if open_requests[route] else None
        if label.what == "answer":
            yield at, label, asked


def _rest_tells_the_truth(order: Order) -> Places:
    for at, label, asked in _answers(order):
        if asked is None or not label.of.startswith("GET conversation 200 "):
            continue
        told = value(label)
        if told == "cut":
            continue
        if told not in order.held(order.readable_statuses, asked, at):
            yield at, f"{label} was not true since its request"


def _messages_are_kept(order: Order) -> Places:
    for at, label, asked in _answers(order):
        if asked is None or label.of != "POST events 200":
            continue
        kept = order.log[order.appended_before(asked) : order.appended_before(at)]
        due = "last_user_message_id" if order.profile.tracks_last_user_message else "MessageEvent"
        if due not in kept:
            yield at, f"{label} before the message is in the log"


def _agent_is_asked_first(order: Order) -> Places:
    if order.profile.starts_agent_on_creation:
        return
    asked = [at for at, label in order.at("request") if label.of in ("POST events", "POST run")]
    asked += [at for at, _ in order.at("asked")]
    first = min(asked, default=len(order.labels))
    for at, label in order.at("persisted", "frame"):
        if at < first and label.of in ("SystemPromptEvent", "MessageEvent"):
            yield at, f"{label} before a message or a run"


def _loop_is_busy(order: Order) -> Places:
    if not order.profile.runs_on_loop:
        return
    for at, status in order.live_statuses[1:]:
        position = order.appended_before(at)
        if status in ("idle", "paused") or position == len(order.log):
            continue  # A worker thread assigns these, or the labels end here.
        for place in range(at, order.appended[position]):
            label = order.labels[place]
            if label.what in ("frame", "answer", "subscribed"):
                yield place, f"{label} while {status} is being appended"


def _accepted_before_answered(order: Order) -> Places:
    if not order.tells_runs:
        return
    accepted = [at for at, _ in order.at("run-accepted")]
    for at, label, asked in _answers(order):
        if asked is None or label.of != "POST run 200":
            continue
        if not any(asked < place < at for place in accepted):
            yield at, f"{label} with no run accepted"


def _over_before_answered(order: Order) -> Places:
    if not (order.tells_runs and order.profile.answers_when_run_ends):
        return
    ended = [at for at, _ in order.at("run-ended")]
    answered = [at for at, label, _ in _answers(order) if label.of == "POST run 200"]
    for number, at in enumerate(answered, 1):
        if sum(end < at for end in ended) < number:
            yield at, f"{order.labels[at]}, no. {number}, before so many runs have ended"


RULES: tuple[Rule, ...] = (
    Rule(
        "frames follow the log",
        "one event is emitted at a time, under the state lock, and publications queue on one "
        "event loop (local_conversation.py, `_on_event`; async_utils.py, `AsyncCallbackWrapper`)",
        _frames_follow_the_log,
    ),
    Rule(
        "frames and appends",
        "from 1.45 an event is published after its own append, before after that of the event "
        "before it (local_conversation.py, `__init__`: `_default_callback`)",
        _frames_and_appends,
    ),
    Rule(
        "a status is assigned before it is told",
        "the event comes from the assignment (state.py, `__setattr__`)",
        _assignment_comes_first,
    ),
    Rule(
        "assignments change something",
        "an equal value makes no event (state.py, `__setattr__`)",
        _statuses_change,
    ),
    Rule(
        "an assignment is told at once",
        "its event is the next of the log, since the state lock is held (state.py, `__setattr__`)",
        _assignment_is_told_next,
    ),
    Rule(
        "nothing after the finish",
        "`finished` is assigned when the events of the step are appended (agent.py, "
        "`_execute_actions`)",
        _nothing_after_the_finish,
    ),
    Rule(
        "one run at a time",
        "from 1.7 the next is accepted when the task is cleared, and the snapshot comes after "
        "that (event_service.py, `run` and `_run_and_publish`)",
        _runs_one_at_a_time,
    ),
    Rule(
        "the tail waits",
        "from 1.10 pending publications are awaited before the task is cleared and the snapshot "
        "is published (event_service.py, `_run_and_publish`)",
        _tail_waits,
    ),
    Rule(
        "snapshots are true",
        "they are built under the state lock; up to 1.22 only the handler of an error changes a "
        "status without it (event_service.py, `subscribe_to_events` and `_publish_state_update`)",
        _snapshots_are_true,
    ),
    Rule("answers have requests", "HTTP (RFC 9110, section 3.4)", _answers_have_requests),
    Rule(
        "REST tells what is true",
        "up to 1.42 live memory, from 1.43 the saved state, while it is being asked "
        "(conversation_service.py, `get_conversation`)",
        _rest_tells_the_truth,
    ),
    Rule(
        "a message is kept before it is confirmed",
        "the handler waits for it (event_service.py, `send_message`)",
        _messages_are_kept,
    ),
    Rule(
        "the agent is asked first",
        "from 1.10 it starts with the first message or run (local_conversation.py, "
        "`_ensure_agent_ready`)",
        _agent_is_asked_first,
    ),
    Rule(
        "the loop is busy",
        "from 1.23 a run's statuses are assigned and appended on the event loop, with nothing "
        "awaited in between (local_conversation.py, `arun`)",
        _loop_is_busy,
    ),
    Rule(
        "a run is accepted before that is answered",
        "the handler creates the task (event_service.py, `run`)",
        _accepted_before_answered,
    ),
    Rule(
        "a run is over before that is answered",
        "up to 1.6 the handler waits for it (event_service.py, `run`)",
        _over_before_answered,
    ),
)
