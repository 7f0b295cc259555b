"""What a trial runs: the program of a caller who uses a client."""
