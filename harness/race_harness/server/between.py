"""Commits between two releases, which report the version of the earlier one."""

from race_harness.server.profile import release_of


def release_seen(version: str) -> str:
    """Return the release like which the installed SDK's server behaves, if it reports `version`.

    That is the next release if the SDK already has its changes: from 89cfc321e on, four days
    before 1.10.0, agents start late and runs wait for their publications.
    """
    from openhands.sdk.conversation.impl.local_conversation import LocalConversation

    starts_late = hasattr(LocalConversation, "_ensure_agent_ready")
    return "1.10.0" if starts_late and release_of(version) < (1, 10, 0) else version
