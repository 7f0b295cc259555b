"""Commits between two releases, which say the version of the one before."""

from race_harness.server.profile import release_of


def release_seen(version: str) -> str:
    """What the server of the SDK that is installed here does, if that says it is `version`.

    It is that of the release after where the SDK has what came with it: from 89cfc321e on, four
    days before 1.10.0, agents start late and runs wait for their publications.
    """
    from openhands.sdk.conversation.impl.local_conversation import LocalConversation

    starts_late = hasattr(LocalConversation, "_ensure_agent_ready")
    return "1.10.0" if starts_late and release_of(version) < (1, 10, 0) else version
