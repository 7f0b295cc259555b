"""Finds the times in a program's source: its timeouts, intervals and delays."""

import ast
import re
from collections.abc import Iterator
from typing import Final

_SPEAKS_OF_TIME: Final = re.compile(
    r"timeout|interval|delay|wait|sleep|secs|seconds|retry|backoff|period|grace|deadline|keep_?alive"
    r"|ping|ttl",
    re.IGNORECASE,
)
SHORTEST_S: Final = 0.02
LONGEST_S: Final = 120.0
"""Shorter times are lost in the latency of a network, and nobody waits for longer ones."""

OF_SERVERS_S: Final = (20.0, 60.0)
"""How often a server pings a WebSocket, and how long it waits for the pong (uvicorn,
`ws_ping_interval` and `ws_ping_timeout`, 20 s each); when a gateway gives up (nginx,
`proxy_read_timeout`, 60 s)."""


def seconds_in(source: str) -> set[float]:
    """Return every number from `SHORTEST_S` to `LONGEST_S` that the source assigns or passes to a
    name that speaks of time. Empty if the source cannot be parsed."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    found = {number for node in ast.walk(tree) for number in _of(node)}
    return {number for number in found if SHORTEST_S <= number <= LONGEST_S}


def _of(node: ast.AST) -> Iterator[float]:
    match node:
        case ast.Assign(targets=targets, value=value):
            if any(_speaks(target) for target in targets):
                yield from _numbers(value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            if _speaks(target):
                yield from _numbers(value)
        case ast.keyword(arg=str(name), value=value):
            if _SPEAKS_OF_TIME.search(name):
                yield from _numbers(value)
        case ast.Call(func=function, args=arguments):
            if _speaks(function):
                for argument in arguments:
                    yield from _numbers(argument)
        case ast.arguments():
            yield from _of_defaults(node)


def _of_defaults(arguments: ast.arguments) -> Iterator[float]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = arguments.defaults
    given = [
        *zip(positional[len(positional) - len(defaults) :], defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for argument, default in given:
        if default is not None and _SPEAKS_OF_TIME.search(argument.arg):
            yield from _numbers(default)


def _speaks(expression: ast.expr) -> bool:
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _SPEAKS_OF_TIME.search(name) is not None
    return False


def _numbers(expression: ast.expr) -> Iterator[float]:
    """Yield the numbers in an expression, also in arithmetic and in text: `getenv(NAME, "30")`."""
    for node in ast.walk(expression):
        match node:
            case ast.Constant(value=bool()):
                continue
            case ast.Constant(value=int() | float() | str() as value):
                if re.fullmatch(r"\d+(\.\d+)?", str(value)):
                    yield float(value)
