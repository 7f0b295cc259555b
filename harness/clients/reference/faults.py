from harness.clients.reference.client import ReferenceClient

FAULTS: dict[str, type[ReferenceClient]] = {}
