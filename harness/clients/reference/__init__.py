"""A client of our own: right by default, with faults that can be planted one at a time."""

from harness.clients.reference.adapter import ReferenceAdapter

__all__ = ["ReferenceAdapter"]
