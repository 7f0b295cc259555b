"""A failure file: one failing trial, whole, so that it can be read, shown and replayed."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import UsageError
from harness.schedule import Schedule
from harness.verdict import ORDER, Evidence, Judgement

SCHEMA = 1


@dataclass(frozen=True)
class Failure:
    """`happenings` are as in `harness.trace`: dicts with `at_ms`, `lane`, `what` and details."""

    schedule: Schedule
    judgement: Judgement
    digest: str
    client: str
    """The client as typed."""
    resolved_version: str
    server: str
    world: str
    happenings: tuple[dict[str, Any], ...]
    stacks: dict[str, str]
    """Thread name to stack, where the simulation had to end the trial."""
    harness_version: str = __version__

    def write(self, path: Path) -> None:
        """Write the file whole or not at all.

        Raises:
            UsageError: the place cannot be written.
        """
        text = json.dumps(
            {
                "schema": SCHEMA,
                "client": self.client,
                "resolved_version": self.resolved_version,
                "server": self.server,
                "world": self.world,
                "harness_version": self.harness_version,
                "replay": f"race replay {path}",
                "verdicts": list(self.judgement.verdicts),
                "evidence": [asdict(entry) for entry in self.judgement.evidence],
                "notes": list(self.judgement.notes),
                "non_default_fields": {
                    name: _plain(value)
                    for name, value in self.schedule.non_default_fields().items()
                },
                "schedule": self.schedule.to_dict(),
                "digest": self.digest,
                "stacks": self.stacks,
                "happenings": list(self.happenings),
            },
            indent=1,
        )
        # Two campaigns in one directory may write the same failure at the same time.
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(text + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise UsageError(f"cannot write {path}: {error.strerror or error}") from None

    @staticmethod
    def read(path: Path) -> "Failure":
        """Read a failure file.

        Raises:
            UsageError: no such file, not JSON, truncated, or not a failure file of this schema.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} is not a whole JSON file: {error}") from None
        if not isinstance(data, dict) or "schedule" not in data:
            raise UsageError(f"{path} is not a failure file: it holds no schedule")
        if data.get("schema") != SCHEMA:
            raise UsageError(
                f"{path} has schema {data.get('schema')!r}; this race-harness reads {SCHEMA}"
            )
        try:
            schedule = Schedule.from_dict(data["schedule"])
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
        try:
            return Failure(
                schedule=schedule,
                judgement=Judgement(
                    verdicts=_verdicts(data["verdicts"]),
                    evidence=tuple(_evidence(entry) for entry in _list(data["evidence"])),
                    notes=_strings(data["notes"]),
                ),
                digest=_string(data["digest"]),
                client=_string(data["client"]),
                resolved_version=_string(data["resolved_version"]),
                server=_string(data["server"]),
                world=_string(data["world"]),
                happenings=tuple(_happening(entry) for entry in _list(data["happenings"])),
                stacks={name: _string(stack) for name, stack in _dict(data["stacks"]).items()},
                harness_version=_string(data["harness_version"]),
            )
        except KeyError as error:
            raise UsageError(f"{path} is not a whole failure file: no field {error}") from None
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path} is not a failure file: {error}") from None


def _plain(value: object) -> object:
    return json.loads(json.dumps(value, default=asdict))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {value!r}")
    return value


def _strings(values: object) -> tuple[str, ...]:
    return tuple(_string(value) for value in _list(values))


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {value!r}")
    return value


def _dict(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {value!r}")
    return value


def _verdicts(values: object) -> tuple[str, ...]:
    verdicts = _strings(values)
    if not verdicts or not set(verdicts) <= set(ORDER):
        raise ValueError(f"expected verdicts, found {values!r}")
    return verdicts


def _evidence(value: object) -> Evidence:
    entry = _dict(value)
    (verdict,) = _verdicts([entry["verdict"]])
    events = tuple(_dict(event) for event in _list(entry["events"]))
    return Evidence(verdict, _string(entry["says"]), events)


def _happening(value: object) -> dict[str, Any]:
    happening = _dict(value)
    _string(happening["lane"])
    _string(happening["what"])
    if not isinstance(happening["at_ms"], int | float):
        raise TypeError(f"expected milliseconds, found {happening['at_ms']!r}")
    return happening
