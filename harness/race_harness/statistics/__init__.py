"""Intervals and tests: what a number of trials can show, and with what confidence. Pure."""
