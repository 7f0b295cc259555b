"""The fake agent server: one model of a run, after the upstream files that it names."""
