"""A client's source as it is loaded: its functions, their lines, and what a line works on.

Only functions count: code at the top of a module has run before any trial.
"""

import dis
import functools
import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Final

from race_harness.model.source_line import Line, SourceLine

_CHANGES: Final = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem"}
    | {"popleft", "remove", "setdefault", "sort", "update"}
)
"""Methods of Python's containers that change them."""

_STARTS_NO_LINE = frozenset({"RESUME", "END_FOR", "END_SEND", "END_ASYNC_FOR"})
"""Instructions before which there is no LINE event (CPython, Python/instrumentation.c).

So no event reports code that stands on the line of its own `def` or `lambda`, at least in 3.13.
"""


class Function:
    """The code of one function, without nested ones."""

    def __init__(self, code: CodeType, module: ModuleType) -> None:
        self.code = code
        self.name = code.co_qualname
        self._module = module

    @functools.cached_property
    def lines(self) -> dict[int, str]:
        """The lines that LINE events report, number to text, in ascending order."""
        numbers, current = set(), 0
        for number, instruction in self._instructions():
            if number != current and instruction.opname not in _STARTS_NO_LINE:
                numbers.add(number)
            current = number
        file = self.code.co_filename
        texts = {number: linecache.getline(file, number).strip() for number in sorted(numbers)}
        return {number: text for number, text in texts.items() if text}

    @functools.cached_property
    def shared_names(self) -> dict[int, frozenset[str]]:
        """For each line, by number, the names in it that may lead to what threads share.

        These are attributes, globals and variables of enclosing functions. What a local variable
        refers to counts as the thread's own, and attributes of the same name as one thing.
        """
        return self._names(self._may_be_shared)

    @functools.cached_property
    def stored_names(self) -> dict[int, frozenset[str]]:
        """For each line, by number, those of its shared names to which it assigns.

        A line that changes an item, or calls a method that changes a container, counts as
        assigning to all of them.
        """
        stored = self._names(
            lambda one: self._may_be_shared(one) and one.opname.startswith(("STORE_", "DELETE_"))
        )
        for number, instruction in self._instructions():
            if instruction.opname in ("STORE_SUBSCR", "DELETE_SUBSCR") or (
                instruction.opname == "LOAD_ATTR" and instruction.argval in _CHANGES
            ):
                stored[number] = self.shared_names[number]
        return stored

    def _names(self, are: Callable[[dis.Instruction], bool]) -> dict[int, frozenset[str]]:
        found: dict[int, set[str]] = {}
        for number, instruction in self._instructions():
            names = found.setdefault(number, set())
            if are(instruction):
                names.add(instruction.argval)
        return {number: frozenset(names) for number, names in found.items()}

    def _may_be_shared(self, instruction: dis.Instruction) -> bool:
        if instruction.opname == "LOAD_GLOBAL":
            value = vars(self._module).get(instruction.argval)
            return not (value is None or callable(value) or isinstance(value, ModuleType))
        if instruction.opname == "LOAD_ATTR":
            # The lowest bit marks a method call.
            return not (instruction.arg or 0) & 1
        if instruction.opcode in dis.hasfree:
            return bool(instruction.argval != "self")
        return instruction.opcode in dis.hasname

    def _instructions(self) -> Iterator[tuple[int, dis.Instruction]]:
        """The instructions that belong to a line, each with its number."""
        begun = False
        for instruction in dis.get_instructions(self.code):
            # Before its first RESUME a function only sets up its cells.
            begun = begun or instruction.opname == "RESUME"
            number = instruction.positions.lineno if instruction.positions is not None else None
            if begun and number:
                yield number, instruction


def functions(modules: Sequence[str]) -> list[Function]:
    """Every function of these modules, by module, then as in the file.

    A package stands for all modules of it that are loaded; one that is not loaded has none.
    """
    names = [
        name
        for wanted in modules
        for name in sorted(sys.modules)
        if name == wanted or name.startswith(f"{wanted}.")
    ]
    modules_found = (sys.modules[name] for name in dict.fromkeys(names))
    return [one for module in modules_found if module is not None for one in _functions(module)]


def lines(modules: Sequence[str]) -> list[Line]:
    """Every line of these modules' functions that events can report, each once, in that order."""
    found = ((one.name, text) for one in functions(modules) for text in one.lines.values())
    return list(dict.fromkeys(found))


def places(modules: Sequence[str]) -> list[SourceLine]:
    """The same lines, each with its first place."""
    found: dict[Line, SourceLine] = {}
    for one in functions(modules):
        for number, text in one.lines.items():
            shared = tuple(sorted(one.shared_names.get(number, ())))
            line = SourceLine(one.name, text, one.code.co_filename, number, shared)
            found.setdefault(line.line, line)
    return list(found.values())


@functools.cache
def _functions(module: ModuleType) -> tuple[Function, ...]:
    codes = {id(code): code for code in _codes(module)}
    return tuple(Function(code, module) for code in sorted(codes.values(), key=_place))


def _place(code: CodeType) -> tuple[int, str, int]:
    columns = [column for _, _, column, _ in code.co_positions() if column]
    return code.co_firstlineno, code.co_qualname, min(columns, default=0)


def _codes(module: ModuleType) -> Iterator[CodeType]:
    """The code of functions, also of those in classes, in properties and below decorators."""
    file = getattr(module, "__file__", None)
    seen: set[int] = set()
    pending: list[object] = list(vars(module).values())
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, type):
            if value.__module__ == module.__name__:
                pending += vars(value).values()
        elif isinstance(value, FunctionType):
            if value.__code__.co_filename == file:
                yield from _nested(value.__code__)
            pending += _decorated(value)
        elif isinstance(value, property):
            pending += (value.fget, value.fset, value.fdel)
        elif isinstance(value, staticmethod | classmethod | MethodType):
            pending.append(value.__func__)
        elif isinstance(value, functools.cached_property):
            pending.append(value.func)
        elif isinstance(value, functools._lru_cache_wrapper):
            pending.append(value.__wrapped__)


def _decorated(function: FunctionType) -> Iterator[object]:
    """The objects that a decorator's function keeps, among them the function that it wraps."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
