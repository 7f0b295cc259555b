"""The commands by name. A command's module is imported when it is called, not for help or
completion."""

import pkgutil
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperGroup


class Command(NamedTuple):
    function: str
    """Where the command is, as `pkgutil.resolve_name` takes it."""
    summary: str
    """Its line in the help of `race`."""


COMMANDS: Final[dict[str, Command]] = {
    "demo": Command(
        "race_harness.cli.demo:demo",
        "Show the race of pull request #1832 on 1.10.0 and on 1.11.1.",
    ),
    "compare": Command(
        "race_harness.cli.compare:compare", "Compare pass rates of clients on the same schedules."
    ),
    "run": Command("race_harness.cli.run:run", "Run a scenario against one client."),
    "hunt": Command(
        "race_harness.cli.hunt:hunt", "Search for schedules that a client fails, and shrink them."
    ),
    "soak": Command(
        "race_harness.cli.soak:soak", "Run many trials; compare them with a baseline."
    ),
    "bisect": Command(
        "race_harness.cli.bisect:bisect", "Find the first release or commit that is bad, or good."
    ),
    "bisect-run": Command(
        "race_harness.cli.bisect_run:bisect_run", "Judge the work tree, for `git bisect run`."
    ),
    "replay": Command(
        "race_harness.cli.replay:replay", "Run a failing schedule again and show its timeline."
    ),
    "confirm": Command(
        "race_harness.cli.confirm:confirm",
        "Try a failure on the real server and over real sockets.",
    ),
    "show": Command(
        "race_harness.cli.show:show", "Show a failure as a timeline, a diagram, a page or a trace."
    ),
    "export": Command("race_harness.cli.export:export", "Write a pytest file from a failure."),
    "report": Command(
        "race_harness.cli.report:report", "Make a page, Markdown or JUnit of what was recorded."
    ),
    "export-db": Command(
        "race_harness.cli.export_db:export_db", "Export recorded trials as CSV, Parquet or files."
    ),
    "merge": Command(
        "race_harness.cli.merge:merge_records", "Merge records, such as those of shards."
    ),
    "scenarios": Command(
        "race_harness.cli.scenarios:list_scenarios",
        "List scenarios and the releases that fail them.",
    ),
    "atlas": Command("race_harness.cli.atlas:atlas", "Run every scenario on every release."),
    "conform": Command(
        "race_harness.cli.conform:conform_to", "Compare the fake server with the real one."
    ),
    "serve": Command("race_harness.cli.serve:serve", "Serve the fake agent server on 127.0.0.1."),
    "cache": Command("race_harness.cli.cache:cache", "List or prune the clients' environments."),
}


class LazyGroup(TyperGroup):
    """A group whose commands are placeholders, with a name and a summary, until one is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the real command in the place of the one that is called."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = _load(args[0])
        return super().resolve_command(ctx, args)


def _load(name: str) -> Any:
    alone = new_app()
    alone.command(name)(pkgutil.resolve_name(COMMANDS[name].function))
    return typer.main.get_command(alone)


def new_app(**options: Any) -> typer.Typer:
    """An app with the settings that all commands share."""
    return typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, **options)
