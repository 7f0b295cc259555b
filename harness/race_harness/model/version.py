"""The version of race-harness."""

__version__ = "0.1.0"
