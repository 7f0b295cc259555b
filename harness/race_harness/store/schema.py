"""What the tables of a record share; `store.migrations` makes them."""

from itertools import combinations
from typing import Final

from race_harness.model.verdict import ORDER, PASSING

APPLICATION_ID: Final = int.from_bytes(b"race")
"""Marks a SQLite file as a record (https://www.sqlite.org/fileformat2.html, section 1.3.14)."""

ENVIRONMENT: Final = "harness_version, fingerprint, python, system, machine, cores"
SERIES: Final = "campaign, position, world, server, scenario, seed, drawn"
"""The columns that identify an environment, and a series."""

_PASSING = sorted(PASSING, key=ORDER.index)
PASSED: Final = "({})".format(
    ", ".join(
        f"'{' '.join(several)}'"
        for count in range(1, len(_PASSING) + 1)
        for several in combinations(_PASSING, count)
    )
)
"""The verdicts of a trial that passed, as a list of SQL."""
