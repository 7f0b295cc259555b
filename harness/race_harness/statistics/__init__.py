"""Intervals and tests: what may be said of so many trials, and how surely. Pure."""
