"""The fake agent server: one model of a run, built from the upstream files that it names."""
