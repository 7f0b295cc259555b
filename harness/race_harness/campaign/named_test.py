"""The test that a failure file is about. It runs only if the user names it.

A file may come from anybody, and a test is whatever code that somebody likes.
"""

from collections.abc import Callable

from race_harness.campaign.resolve import ClientUnderTest, find_tests, permitted
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.permission import may_run_test
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
    selection = Selection(
        (check_named(failure, test),),
        "",
        failure.source,
        failure.child_processes,
        failure.at_client,
        invariant=failure.invariant,
    )
    return find_tests(client_beside(failure, client), selection, (), progress)


def client_beside(failure: Failure, client: str | None) -> str:
    """The client of the file, unless another is named; raises UsageError where it has to be."""
    return client or permitted(failure)[0]


def check_named(failure: Failure, test: str | None) -> str:
    """The test that the file is about, if it is the one that was named.

    Raises:
        UsageError: it is another, or none.
    """
    asked = failure.schedule.test
    if asked is None:
        raise UsageError("that is no failure of a test of your own: leave out --test")
    return may_run_test(asked, test)
