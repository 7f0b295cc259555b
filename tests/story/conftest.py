"""The failure that most of these tests look at."""

import pytest
from story_rig import late_failure

from race_harness.model.failure import Failure


@pytest.fixture
def failure() -> Failure:
    return late_failure()
