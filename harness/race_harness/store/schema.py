"""What the tables of a record have in common; `store.migrations` makes them."""

from typing import Final

APPLICATION_ID: Final = int.from_bytes(b"race")
"""Marks a SQLite file as a record (https://www.sqlite.org/fileformat2.html, section 1.3.14)."""

ENVIRONMENT: Final = "harness_version, fingerprint, python, system, machine, cores"
SERIES: Final = "campaign, position, world, server, scenario, seed, drawn"
"""What is unique of an environment, and of a series."""
