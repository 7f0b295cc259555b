"""The processes that run trials in a client's environment, and the other side of them."""
