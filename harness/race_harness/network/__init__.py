"""What the networks of both worlds share: bytes on their way, and what happens to them.

In the simulation these are the connections themselves; in real time they are inside a proxy, each
between two sockets.
"""
