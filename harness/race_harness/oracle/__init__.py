"""Judges a trial: derives its verdicts from what happened in it. Pure."""
