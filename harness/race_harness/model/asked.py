"""How much may be asked of one command."""

from typing import Final

MOST_REPS: Final = 10_000_000
"""Trials by number: a day of them on the fastest machine, or weeks."""
MOST_TRIES: Final = 100_000
"""Trials of one schedule that is run again: what came of them is in memory until it is told."""
MOST_JOBS: Final = 256
"""Trials at once."""
MOST_SEED: Final = 2**63 - 1
"""As in a schedule, and in the record."""
LONGEST_S: Final = 366 * 86_400
"""Wall seconds."""
