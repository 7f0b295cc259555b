"""What a trial runs: the program of a caller who uses a client, or one of the user's tests."""
