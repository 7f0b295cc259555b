"""Values, and what follows from them alone: schedules, traces, verdicts, failures."""
