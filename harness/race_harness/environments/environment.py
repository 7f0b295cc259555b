"""What a prepared client is, to the rest of the harness."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """A virtual environment with one client and the trial core's requirements, nothing else."""

    client: str
    """The argument as it was typed."""
    resolved_version: str
    """`1.10.0`; from a revision `1.43.1+g611629e69`, from a checkout `1.43.1+tree.1a2b3c4d`."""
    python: Path
    """The interpreter inside the environment."""
    interpreter: str
    """The version of that interpreter, such as `3.13.0`."""
    path: Path
    """The environment's directory, which is the interpreter's `sys.prefix`."""
