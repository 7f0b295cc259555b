"""race-harness: deterministic race reproduction for clients that mix REST and a WebSocket."""

__version__ = "0.1.0"
