"""What a machine has of what race-harness needs, what it lacks, and what to do."""
