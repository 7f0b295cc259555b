"""The commands by name. A command's module is imported when it is called, not for help or
completion."""

import pkgutil
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperGroup


class Command(NamedTuple):
    place: str
    """Its module in this package, and its name there."""
    summary: str
    """Its line in the help of `race`."""

    def function(self) -> Any:
        """Import the command itself."""
        return pkgutil.resolve_name(f"{__package__}.{self.place}")


COMMANDS: Final[dict[str, Command]] = {
    "demo": Command("demo:demo", "Show the race of pull request #1832 on 1.10.0 and on 1.11.1."),
    "compare": Command(
        "measuring:compare", "Compare pass rates of clients on the same schedules."
    ),
    "run": Command("measuring:run", "Run a scenario against one client."),
    "test": Command("tests:run_tests", "Run pytest tests of your own many times."),
    "hunt": Command("hunt:hunt", "Search for schedules that a client fails, and shrink them."),
    "soak": Command("soak:soak", "Run many trials; compare them with a baseline."),
    "bisect": Command("bisect:bisect", "Find the first release or commit that is bad, or good."),
    "bisect-run": Command("bisect:bisect_run", "Judge the work tree, for `git bisect run`."),
    "replay": Command("failures:replay", "Run a failing schedule again and show its timeline."),
    "debug": Command("debug:debug", "Stop a failing test of your own in pdb where it fails."),
    "confirm": Command(
        "confirming:confirm",
        "Try a failure or a schedule on the real server.",
    ),
    "show": Command("show:show", "Show a failure as a timeline, a diagram, a page or a trace."),
    "export": Command("failures:export", "Write a pytest file from a failure."),
    "report": Command("records:report", "Make a page, Markdown or JUnit of what was recorded."),
    "export-db": Command("records:export_db", "Export recorded trials as CSV, Parquet or files."),
    "merge": Command("records:merge_records", "Merge records, such as those of shards."),
    "scenarios": Command(
        "scenarios:list_scenarios", "List scenarios and the releases that fail them."
    ),
    "atlas": Command("atlas:atlas", "Run every scenario on every release."),
    "conform": Command("conform:conform_to", "Compare the fake server with the real one."),
    "serve": Command("serve:serve", "Serve the fake agent server on 127.0.0.1."),
    "doctor": Command("doctor:doctor", "Say what this machine lacks, and what to do."),
    "cache": Command("environments:cache", "List or prune the clients' environments."),
}


class LazyGroup(TyperGroup):
    """A group whose commands are placeholders, with a name and a summary, until one is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the placeholder of the called command with the real command."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = _load(args[0])
        return super().resolve_command(ctx, args)


def _load(name: str) -> Any:
    # `race` itself sets up completion.
    alone = new_app(add_completion=False)
    alone.command(name)(COMMANDS[name].function())
    return typer.main.get_command(alone)


def new_app(**options: Any) -> typer.Typer:
    """An app with the settings that all commands share."""
    return typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, **options)
