"""What is missing is one line that names the extra; a mistake of ours is no such thing."""

import pytest

from race_harness.model.errors import ClientUnavailable, UsageError
from race_harness.model.extras import extra


def test_what_is_missing_is_one_line_that_names_the_extra() -> None:
    with (
        pytest.raises(UsageError) as caught,
        extra("report", "race report"),
    ):
        import no_such_module  # type: ignore[import-not-found] # noqa: F401
    assert str(caught.value) == (
        "race report needs no_such_module, which is not installed: "
        "pip install 'race-harness[report]'"
    )


def test_it_may_be_another_kind_of_error() -> None:
    with pytest.raises(ClientUnavailable), extra("x", "it", error=ClientUnavailable):
        import no_such_module  # type: ignore[import-not-found] # noqa: F401


def test_a_module_of_ours_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(ModuleNotFoundError), extra("x", "it"):
        import race_harness.no_such_module  # type: ignore[import-not-found] # noqa: F401


def test_what_is_there_is_imported() -> None:
    with extra("x", "it"):
        import json
    assert json.loads("1") == 1
