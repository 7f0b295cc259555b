"""Which release a commit between two of them is played as."""

import sys
from types import ModuleType

import pytest

from race_harness.server.between import release_seen


@pytest.mark.parametrize(
    ("version", "starts_late", "seen"),
    [
        ("1.9.1", False, "1.9.1"),
        ("1.9.1", True, "1.10.0"),
        ("1.10.0", True, "1.10.0"),
        ("1.58.2", True, "1.58.2"),
    ],
)
def test_what_the_sdk_shows_decides(
    monkeypatch: pytest.MonkeyPatch, version: str, starts_late: bool, seen: str
) -> None:
    name = "openhands.sdk.conversation.impl.local_conversation"
    members = {"_ensure_agent_ready": None} if starts_late else {}
    module = ModuleType(name)
    module.LocalConversation = type("LocalConversation", (), members)  # type: ignore[attr-defined]
    for parent in ("openhands", "openhands.sdk", "openhands.sdk.conversation"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    monkeypatch.setitem(sys.modules, "openhands.sdk.conversation.impl", ModuleType("impl"))
    monkeypatch.setitem(sys.modules, name, module)
    assert release_seen(version) == seen
