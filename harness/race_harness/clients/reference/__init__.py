"""The reference client: correct by default, with faults that can be planted one at a time."""

from race_harness.clients.reference.adapter import KINDS, ReferenceAdapter

__all__ = ["KINDS", "ReferenceAdapter"]
