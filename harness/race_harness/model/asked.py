"""The largest numbers that a command accepts for its options."""

from typing import Final

MOST_REPS: Final = 10_000_000
"""Trials in one series: on the fastest machine they take a day, elsewhere weeks."""
MOST_TRIES: Final = 100_000
"""Repetitions of one schedule: their results stay in memory until the command reports them."""
MOST_JOBS: Final = 256
"""Trials at once."""
MOST_SEED: Final = 2**63 - 1
"""The same limit as in a schedule and in the record."""
LONGEST_S: Final = 366 * 86_400
"""Wall seconds."""
