"""A client's source as it is loaded: its functions, their lines, and what a line works on.

Only functions count. What runs once, when a module is imported, is over before any trial.
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

So none tells of code that stands beside its own `def` or `lambda`, at least in 3.13.
"""


class Function:
    """The code of one function, nested ones apart."""

    def __init__(self, code: CodeType, module: ModuleType) -> None:
        self.code = code
        self.name = code.co_qualname
        self._module = module

    @functools.cached_property
    def lines(self) -> dict[int, str]:
        """Number to text of each line that LINE events report, in ascending order."""
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
        """Number of a line, to the names in it that may lead to what threads share.

        These are attributes, globals and variables of enclosing functions; what a local variable
        refers to is taken for the thread's own, and attributes of one name for the same.
        """
        return self._names(self._may_be_shared)

    @functools.cached_property
    def stored_names(self) -> dict[int, frozenset[str]]:
        """Number of a line, to those of its shared names that it gives another value.

        Where it changes what is in something, or calls a method that does, these are all.
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
            # The lowest bit tells of a method that is called.
            return not (instruction.arg or 0) & 1
        if instruction.opcode in dis.hasfree:
            return bool(instruction.argval != "self")
        return instruction.opcode in dis.hasname

    def _instructions(self) -> Iterator[tuple[int, dis.Instruction]]:
        """The instructions that belong to a line, each with its number."""
        begun = False
        for instruction in dis.get_instructions(self.code):
            # A function's cells are put in place before its first RESUME.
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
    """Every line of these modules' functions that can be told of, each once, in that order."""
    found = ((one.name, text) for one in functions(modules) for text in one.lines.values())
    return list(dict.fromkeys(found))


def places(modules: Sequence[str]) -> list[SourceLine]:
    """The same lines, each with where it is first."""
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
    """Of functions, also in classes, in properties and below decorators."""
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
    """What a decorator's function keeps: among it, the function that it decorates."""
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
