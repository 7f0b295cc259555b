"""One cached virtual environment for each client: a release, a checkout or a revision.

`prepare`, and `prepare_for_tests`, are the only way in. Whatever makes a client unavailable (an
unknown release, path or revision, a resolver, an index or a cache that fails) is a
`ClientUnavailable` of one line.
"""

from race_harness.environments.environment import Environment
from race_harness.environments.layers import prepare_layer
from race_harness.environments.preparing import mended, prepare, prepare_for_tests
from race_harness.environments.trees import prepare_tree

__all__ = [
    "Environment",
    "mended",
    "prepare",
    "prepare_for_tests",
    "prepare_layer",
    "prepare_tree",
]
