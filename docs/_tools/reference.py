"""The pages of `docs/reference` that the code knows better than anybody.

    uv run python docs/_tools/reference.py            # write them

tests/docs/test_reference_pages.py compares what is written with what would be.
"""

import ast
import inspect
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import typer

from race_harness.cli.bisect import ABORT, STATUSES
from race_harness.cli.commands import COMMANDS, new_app
from race_harness.cli.soak import REGRESSED
from race_harness.model import grade, schedule, verdict
from race_harness.model.errors import ClientUnavailable, UsageError, WorldBroken
from race_harness.store import migrations

FOLDER: Final = Path(__file__).parents[1] / "reference"

_NOTE: Final = "<!-- Written by docs/_tools/reference.py; do not edit. -->"


def pages() -> dict[str, str]:
    """The text of each page, by its file name."""
    makers: dict[str, Callable[[], Iterable[str]]] = {
        "commands.md": _commands,
        "exit-statuses.md": _exit_statuses,
        "record.md": _record,
        "schedule.md": _schedule,
        "verdicts.md": _verdicts,
    }
    return {name: "\n".join([_NOTE, "", *make()]) + "\n" for name, make in makers.items()}


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '\\|') for cell in cells)} |"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _number(number: float) -> str:
    return f"{number:,}" if abs(number) >= 10_000 else f"{number}"


# commands


def _commands() -> Iterator[str]:
    yield from ("# Commands", "")
    yield "`race COMMAND --help` says the same. All share their [exit statuses](exit-statuses.md)."
    yield from ("", "| command | |", "|---|---|")
    for name, command in COMMANDS.items():
        yield _row(f"[`race {name}`](#race-{name})", command.summary)
    for name, command in COMMANDS.items():
        yield from ("", f"## race {name}", "", *_command(name, command.function()))


def parameters(name: str, function: Callable[..., Any]) -> list[Any]:
    """The arguments and options of a command, as Typer makes them."""
    alone = new_app()
    alone.command(name)(function)
    known = inspect.signature(function).parameters
    return [one for one in typer.main.get_command(alone).params if one.name in known]


def _command(name: str, function: Callable[..., Any]) -> Iterator[str]:
    yield inspect.getdoc(function) or ""
    hints = inspect.signature(function, eval_str=True).parameters
    rows = [_option(one, hints[one.name]) for one in parameters(name, function)]
    if rows:
        yield from ("", "| argument or option | | default |", "|---|---|---|", *rows)


def _option(one: Any, hint: inspect.Parameter) -> str:
    info = hint.annotation.__metadata__[0]
    names = [one.metavar or one.name.upper()]
    if one.param_type_name == "option":
        names = [*one.opts, *one.secondary_opts]
        if one.metavar or not isinstance(hint.default, bool | None) or info.min is not None:
            names[-1] += f" {one.metavar or 'N'}"
    told = _flat(info.help or "")
    if info.min is not None and info.max is not None and info.max <= 10**9:
        told += f" From {_number(info.min)} to {_number(info.max)}."
    silent = any(hint.default is one for one in (None, False, inspect.Parameter.empty))
    default = "" if silent or hint.default == "" else f"`{hint.default}`"
    return _row(", ".join(f"`{each}`" for each in names), told, default)


# schedule

_KINDS: Final = {bool: "true or false", int: "integer", float: "number", str: "text"}


def _schedule() -> Iterator[str]:
    yield from ("# The schedule", "")
    yield textwrap.dedent("""\
        A schedule is one JSON value that contains everything that can vary in a trial. Every field
        has a benign default, so the fields that differ from it are the explanation of a failure. A
        file for `--schedule` needs only those fields:

        ```json
        {"server": {"think_ms": 600}, "network": {"socket": {"latency_ms": 500}}}
        ```

        Fields whose names end in `_ms` are virtual milliseconds, in `_s` virtual seconds.""")
    for kind in _dataclasses(schedule.Schedule):
        yield from ("", f"## {kind.__name__}", "", *_dataclass(kind))


def _dataclasses(root: type) -> list[type]:
    """The dataclass and all that its fields hold, each once, in the order of the fields."""
    found = [root]
    for kind in found:
        for hint in get_type_hints(kind).values():
            found += [one for one in _held(hint) if one not in found]
    return found


def _held(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for argument in get_args(hint):
        yield from _held(argument)


def _dataclass(kind: type) -> Iterator[str]:
    told = inspect.getdoc(kind) or ""
    if not told.startswith(f"{kind.__name__}("):  # What dataclasses make up.
        yield from (*_prose(told), "")
    yield from ("| field | value | default | |", "|---|---|---|---|")
    meanings, hints, later = _meanings(kind), get_type_hints(kind, include_extras=True), []
    for field in fields(kind):
        meaning, _, more = meanings.get(field.name, "").partition("\n\n")
        later += [more] if more else []
        yield _row(f"`{field.name}`", _value(hints[field.name]), _default(field), _flat(meaning))
    for text in later:
        yield from ("", "```text", textwrap.dedent(text).strip(), "```")


def _prose(text: str) -> Iterator[str]:
    """A docstring as Markdown: a paragraph that lists words with their meaning stays as it is."""
    for number, paragraph in enumerate(text.split("\n\n")):
        listed = "   " in paragraph
        yield from ([""] if number else [])
        yield f"```text\n{paragraph}\n```" if listed else paragraph


def _meanings(kind: type) -> dict[str, str]:
    """What the source says below each field, those of base classes included."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for node, after in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr):
                assert isinstance(node.target, ast.Name)
                found[node.target.id] = inspect.cleandoc(ast.literal_eval(after.value))
    return found


def _value(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _limited(_value(arguments[0]), arguments[1].metadata)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_value(one) for one in arguments)
    if origin is tuple:
        return f"list of {_value(arguments[0])}"
    if hint is type(None):
        return "null"
    if is_dataclass(hint):
        name = hint.__name__  # type: ignore[union-attr]
        return f"[{name}](#{name.lower()})"
    return _KINDS[hint]


def _limited(value: str, metadata: Iterable[Any]) -> str:
    limits = {
        name: getattr(one, name) for one in metadata for name in ("ge", "le") if hasattr(one, name)
    }
    low, high = limits.get("ge"), limits.get("le")
    if low is not None and high is not None:
        return f"{value}, {_number(low)} to {_number(high)}"
    return value if low is None else f"{value}, {_number(low)} or more"


def _default(field: "Field[Any]") -> str:
    if field.default_factory is not MISSING:
        return "benign"
    if field.default is MISSING:
        return "needed"
    shown = {None: "null", True: "true", False: "false", (): "none"}
    known = isinstance(field.default, bool | tuple | None)
    return shown[field.default] if known else f"`{field.default}`"


# verdicts


def _verdicts() -> Iterator[str]:
    yield textwrap.dedent("""\
        # Verdicts and grades

        Each trial is judged by comparing what the server has persisted with what the client shows.
        What is visible is judged at the instant at which `run()` returns, with nothing in between.
        A repetition of a test of your own is judged by what becomes of the test.

        | verdict | meaning, gravest first |
        |---|---|""")
    for name, meaning in verdict.MEANINGS.items():
        yield _row(f"`{name}`", meaning)
    passing = ", ".join(f"`{name}`" for name in verdict.PASSING)
    yield "\n" + textwrap.dedent(f"""\
        A trial passes with {passing}. Tables show the first two apart
        from `ok`, and `--strict` (for pytest `--race-strict`) fails on them.

        If something was asked for and did not happen, such as the runs after a message that could
        not be sent, it is counted as `undone`. A repetition without a conversation, or with an act
        that the client does not have, is *void*: it is counted apart, and is never a pass.

        ## Grades

        How much the failure of a test needs. A failure is tried again with less in its schedule,
        and gets the lowest grade in which it still fails.

        | grade | tables say | |
        |---|---|---|""")
    told = {
        "order": "Latencies and the order of threads are enough. Any machine can show it.",
        "stall": "A thread has to be held up at a line for some time, as a busy machine does. "
        "The failure file names the line and the time.",
        "fault": "The network has to fail. Faults can break any test, so there are none unless "
        "you ask for them with `--faults`.",
    }
    for name in grade.GRADES:
        yield _row(f"`{name}`", grade.MEANINGS[name], told[name])


# record


def _record() -> Iterator[str]:
    yield textwrap.dedent("""\
        # The record

        Each command that runs trials records them as they end, whatever other processes do at the
        same time: verdicts, digest, virtual and wall time, the schedule where no seed gives it,
        and failures whole. A kill loses no trial that has ended.

        The record is a SQLite file in the user's data directory, or where `--record FILE`, for
        pytest `--race-record`, or the variable `RACE_RECORD` says. `race report` makes a page from
        it, `race export-db` writes its tables as CSV or Parquet, and `race merge` joins several
        records.

        ## Tables

        ```sql""")
    yield migrations._TABLES.strip()
    yield "```"
    yield "\nColumns that were added later:\n"
    source = Path(migrations.__file__).read_text(encoding="utf-8")
    for line in source.splitlines():
        if "ADD COLUMN" in line:
            table, _, column = (
                line.partition("ALTER TABLE ")[2].rstrip('")').partition(" ADD COLUMN ")
            )
            yield f"- `{table}`: `{column}`"


# exit statuses


def _exit_statuses() -> Iterator[str]:
    yield from (
        "# Exit statuses",
        "",
        "They mean the same everywhere.",
        "",
        "| status | |",
        "|---|---|",
    )
    for status, meaning in {
        0: "what was asked for was done, and nothing failed",
        1: "a trial failed, `race hunt` found something, a replay differed, `race bisect` found "
        "no border, or `race confirm` confirmed nothing",
        UsageError.exit_code: "bad usage, an unknown name, or a file that cannot be read",
        ClientUnavailable.exit_code: "a client that cannot be installed or found, or no index",
        WorldBroken.exit_code: "a trial that left the simulation, or broke it: it has no verdict",
        REGRESSED: "`race soak --baseline`: something got worse",
        130: "Ctrl-C",
        143: "SIGTERM",
    }.items():
        yield _row(str(status), meaning)
    yield textwrap.dedent("""
        Ctrl-C and SIGTERM end workers and remove temporary folders; the trials that have ended
        stay in the record.

        ## race bisect-run

        `git bisect run` gives them another meaning:

        | status | |
        |---|---|""")
    words = {"good": "good", "bad": "bad", "unclear": "cannot tell: git skips the commit"}
    for judgement, status in STATUSES.items():
        yield _row(str(status), words[judgement])
    yield _row(str(ABORT), "nothing was learnt, such as without an index: git ends the bisect")


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
