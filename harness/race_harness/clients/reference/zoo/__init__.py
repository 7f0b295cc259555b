"""The zoo: faults that can be planted in the correct client, one at a time.

Each overrides a method or two of the correct client, and says where it comes from. Each is hidden:
the scenario `clean` shows none of them, and nine in ten schedules without faults pass.
"""

from race_harness.clients.reference.client import ReferenceClient
from race_harness.clients.reference.zoo import (
    asking,
    listening,
    reading,
    sharing,
    showing,
    waiting,
)

FAULTS: dict[str, type[ReferenceClient]] = {
    "state-by-frame": showing.StateByFrame,
    "state-of-before": showing.StateOfBefore,
    "own-message-unread": showing.OwnMessageUnread,
    "accepted-is-begun": waiting.AcceptedIsBegun,
    "first-poll": waiting.FirstPoll,
    "idle-poll": waiting.IdlePoll,
    "unread-fallback": waiting.UnreadFallback,
    "frame-only": waiting.FrameOnly,
    "no-drain": waiting.NoDrain,
    "armed-late": waiting.ArmedLate,
    "greeting-ends-run": waiting.GreetingEndsRun,
    "first-finished": waiting.FirstFinished,
    "overshoot": waiting.Overshoot,
    "failed-poll-ends": waiting.FailedPollEnds,
    "silent-error": waiting.SilentError,
    "revived-unnoticed": waiting.RevivedUnnoticed,
    "trusts-silence": waiting.TrustsSilence,
    "conflict-raises": asking.ConflictRaises,
    "conflict-is-over": asking.ConflictIsOver,
    "hopeful-post": asking.HopefulPost,
    "endless-patience": asking.EndlessPatience,
    "one-thing-at-a-time": asking.OneThingAtATime,
    "pause-awaits-agent": asking.PauseAwaitsAgent,
    "close-forgets": asking.CloseForgets,
    "strict-boundary": reading.StrictBoundary,
    "since-newest": reading.SinceNewest,
    "since-last-look": reading.SinceLastLook,
    "frame-is-last": reading.FrameIsLast,
    "swallowed-page": reading.SwallowedPage,
    "strict-reader": reading.StrictReader,
    "timeout-ends-reading": reading.TimeoutEndsReading,
    "one-page": reading.OnePage,
    "lost-update": reading.LostUpdate,
    "twice": reading.Twice,
    "dead-callback": reading.DeadCallback,
    "silent-gap": reading.SilentGap,
    "trusts-socket": listening.TrustsSocket,
    "no-reconnect": listening.NoReconnect,
    "goodbye-is-forever": listening.GoodbyeIsForever,
    "gap-unread": listening.GapUnread,
    "first-no-is-final": listening.FirstNoIsFinal,
    "every-frame-is-json": listening.EveryFrameIsJson,
    "listens-for-status": listening.ListensForStatus,
    "pauses-are-mine": sharing.PausesAreMine,
    "own-voice-only": sharing.OwnVoiceOnly,
    "deaf-between-runs": sharing.DeafBetweenRuns,
    "rejections-unread": sharing.RejectionsUnread,
    "status-of-own-run": sharing.StatusOfOwnRun,
    "late-comer": sharing.LateComer,
}
"""The faults by the name after `reference:`."""
