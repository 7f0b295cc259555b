"""Which of the things that race-harness needs a machine has and lacks, and what to do."""
