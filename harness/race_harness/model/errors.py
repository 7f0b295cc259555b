"""Every error that a command turns into one clear line and an exit status."""


class HarnessError(Exception):
    """Something the user can act on: the message names the thing and the way out."""

    exit_code = 1


class UsageError(HarnessError):
    """Bad usage, an unknown name, or a file that cannot be read."""

    exit_code = 2


class ClientUnavailable(HarnessError):
    """A client cannot be had: unknown release, path or revision; resolver, index or cache."""

    exit_code = 3


class OutOfReach(ClientUnavailable):
    """Nothing is wrong with the client itself: the index does not answer, or the cache cannot be
    written. Another time it can be had."""


class WorldBroken(HarnessError):
    """The simulation lost control (an escaped thread, a real lock or socket inside a trial).

    A trial that breaks its world has no verdict, so nothing it measured may be reported.
    """

    exit_code = 4


def in_one_line(error: Exception) -> str:
    """What an error says in one line: of a traceback, what it ends with; of a stack at which
    something was refused, what stands before it."""
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    if not others:
        return first
    if first.startswith("Traceback"):
        return others[-1].strip()
    if first.endswith(", at:"):
        return first.removesuffix(", at:")
    return f"{first} {others[-1].strip()}" if first.endswith(":") else first
