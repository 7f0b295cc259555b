"""The fake agent server: the real one's order of acts, with every delay taken from a schedule."""
