"""What both worlds' networks have in common: bytes on their way, and what becomes of them.

In the simulation these are the connections; in real time they are inside a proxy, between two
sockets each.
"""
