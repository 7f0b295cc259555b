"""The test that a failure file is about, which is run only where somebody has named it.

A file may come from anybody, and a test is whatever code that somebody likes.
"""

import re
import shlex
from collections.abc import Callable

from race_harness.campaign.resolve import INSTALLED, ClientUnderTest, find_tests
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.workers.selection import Selection


def find_named_test(
    failure: Failure, test: str | None, client: str | None, progress: Callable[[str], None]
) -> ClientUnderTest:
    """`test` is what was named on the command line, `client` another one than that of the file.

    Raises:
        UsageError: the file is about another test, or about none; its client was not named, and is
            in a folder of somebody's.
        ClientUnavailable: the client cannot be had.
    """
    check_named(failure, test)
    selection = Selection(
        (str(test),),
        "",
        failure.source,
        failure.child_processes,
        failure.at_client,
        invariant=failure.invariant,
    )
    return find_tests(client_beside(failure, client), selection, (), progress)


def check_named(failure: Failure, test: str | None) -> None:
    """Raises UsageError: the file is about another test than was named, or about none."""
    named = failure.schedule.test
    if test is None or named != test:
        raise UsageError(
            "that is no failure of a test of your own: leave out --test"
            if named is None
            else f"that is a failure of the test {named}, which a file alone does not have "
            f"run: add --test {shlex.quote(named)}"
        )


def client_beside(failure: Failure, client: str | None) -> str:
    """The client of the file, unless another is named; raises UsageError where it has to be."""
    argument = client or failure.client
    if client is None and not _is_by_name(argument):
        raise UsageError(
            f"the file names the client {argument}, which a file alone does not have built: "
            f"add --client {shlex.quote(argument)}"
        )
    return argument


def _is_by_name(client: str) -> bool:
    """Whether it is this environment, or a release, and no folder of anybody's."""
    return client == INSTALLED or re.fullmatch(r"\d+(\.\w+)*", client) is not None
