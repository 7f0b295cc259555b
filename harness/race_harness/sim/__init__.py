"""The simulated world: real threads, one at a time, on virtual time, and a network in memory."""
