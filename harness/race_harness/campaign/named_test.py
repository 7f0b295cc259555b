"""The test that a failure file is about. It runs only if the user names it.

A file may come from anybody, and a test may be any code.
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
    """Find the test and its client. `test` is the one named on the command line; `client` replaces
    that of the file.

    Raises:
        UsageError: the file is about another test, or about none; the client is a path that the
            user has not named.
        ClientUnavailable: the client is not available.
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
    """The client of the file, unless another is named; raises UsageError if one must be named."""
    return client or permitted(failure)[0]


def check_named(failure: Failure, test: str | None) -> str:
    """The test that the file is about, if the user has named it.

    Raises:
        UsageError: the file is about another test, or about none.
    """
    asked = failure.schedule.test
    if asked is None:
        raise UsageError("that is not a failure of one of your tests: leave out --test")
    return may_run_test(asked, test)
