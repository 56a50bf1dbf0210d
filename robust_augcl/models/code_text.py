"""What functions and classes do, as text: their source, or the code that Python made of it.

The source of a class that was typed at a prompt, or made by `exec`, cannot be read. Its code can,
which depends on the version of Python.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any


def text_of(made: Any) -> str:
    """The source of a class or function; its code where that cannot be read.

    Two lambdas may share a line, so of a lambda it is both.
    """
    try:
        text = inspect.getsource(made)
    except (OSError, TypeError):
        return code_of(made)
    return text + code_of(made) if getattr(made, "__name__", "") == "<lambda>" else text


def has_source(made: Any) -> bool:
    """Whether the source of a class or function can be read."""
    try:
        return bool(inspect.getsource(made))
    except (OSError, TypeError):
        return False


def code_of(made: Any) -> str:
    """The code of a class or function: its instructions, names and constants.

    >>> code_of(lambda x: x + 1) == code_of(lambda x: x + 2)
    False
    """
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    return "\n".join([version, *_lines(made)])


def function_in(value: Any) -> types.FunctionType | None:
    """The function of a method or property; None where there is none."""
    value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    return value if isinstance(value, types.FunctionType) else None


def _lines(made: Any) -> Iterator[str]:
    if isinstance(made, types.FunctionType):
        yield f"{made.__qualname__}{made.__defaults__}{made.__kwdefaults__}"
        yield from _of_code(made.__code__)
        return
    yield f"{made.__qualname__}({', '.join(base.__qualname__ for base in made.__bases__)})"
    for name, value in sorted(vars(made).items()):
        function = function_in(value)
        if function is not None:
            yield name
            yield from _lines(function)
        elif isinstance(value, bool | int | float | str) and not name.startswith("__"):
            yield f"{name} = {value!r}"


def _of_code(code: types.CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}"
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _of_code(constant)
        elif isinstance(constant, frozenset):  # its order depends on the process
            yield repr(sorted(map(repr, constant)))
        else:
            yield repr(constant)
