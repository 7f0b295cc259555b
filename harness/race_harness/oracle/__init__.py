"""From what happened in a trial to its verdicts. Pure."""
