"""The source of classes and functions that users bring: it is the same, however it was imported.

Of PyTorch and of PyTorch Geometric the version tells as much as a digest of their source.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from robust_augcl import sources
from robust_augcl.errors import InputError
from robust_augcl.models.code_text import function_in, has_source, text_of
from robust_augcl.models.given_weights import weights_digest

Made = type | Callable[..., Any]

_LIBRARIES = ("torch", "torch_geometric")
"""Their version is known, and tells as much as a digest of their source."""


def name_of(made: Made) -> str:
    """The name of a class or function: the same, however its module was imported.

    >>> name_of(Path)
    'pathlib:Path'
    """
    module, file = module_of(made), getattr(sys.modules.get(made.__module__), "__file__", None)
    if file and _is_alone(module):
        module = Path(file).name
    return f"{module}:{made.__qualname__}"


def module_of(made: Made) -> str:
    """The name by which its module is imported, also where that runs by `python -m`."""
    spec = getattr(sys.modules.get(made.__module__), "__spec__", None)
    return spec.name if made.__module__ == "__main__" and spec is not None else made.__module__


def _is_alone(module: str) -> bool:
    """Whether this is a script, a notebook, or another file that lies in no package."""
    if module in ("__main__", "builtins") or sources.is_file(module):  # `exec` may say builtins
        return True
    return not ("." in module or _is_installed(module) or _is_package(module))


def _is_package(module: str) -> bool:
    return hasattr(sys.modules.get(module), "__path__")


def _is_installed(module: str) -> bool:
    """Whether it is of an installed distribution, or of Python itself."""
    return is_of_python(module) or (sources.distribution_of(module)[0] != sources.NO_DISTRIBUTION)


def is_of_python(module: str) -> bool:
    """Whether a module is of Python's own library."""
    return module.partition(".")[0] in sys.stdlib_module_names


def has_version(module: str) -> bool:
    """Whether a version tells its source: it is installed, and not where somebody works on it."""
    if is_of_python(module) or not _is_installed(module):
        return is_of_python(module)
    file = sources.file_of(module)
    return file is None or bool({"site-packages", "dist-packages"} & set(file.parts))


def is_without_source(made: Made) -> bool:
    """Whether its source cannot be read: it was typed at a prompt, or made by `exec`."""
    return _is_alone(module_of(made)) and not has_source(made)


def source_of(made: Made) -> str:
    """What tells the source of a class or function from others.

    Raises:
        InputError: its source cannot be read.
    """
    module = module_of(made)
    if module.partition(".")[0] in _LIBRARIES:
        return " ".join(sources.distribution_of(module))
    try:
        if _is_alone(module):
            return digest_of("\n".join(used_source(made)))
        return sources.digest(module)
    except (OSError, SyntaxError, TypeError) as error:
        raise InputError(
            f"Cannot read the source of {name_of(made)}, which tells whether results can be used "
            f"again: {error}"
        ) from None


def used_source(made: Made) -> Iterator[str]:
    """The sources of a class or function, and of what it uses; see `identity.made_by`."""
    seen, waiting = set(), list[Any]([made])
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        module = module_of(each)
        if not _is_alone(module):
            if not has_version(module):
                yield f"{module} {sources.digest(module)}"
            continue
        yield text_of(each)
        for name, home, used in _used_by(each):
            if isinstance(used, type | types.FunctionType):
                waiting.append(used)
            elif is_plain(used):
                yield f"{name} = {used!r}"
            elif name in (assigned := _assignments(home)):
                yield from assigned[name]
            elif isinstance(used, Tensor):
                yield f"{name} = {weights_digest({name: used})}"
        if isinstance(each, type):
            waiting += each.__bases__


def _used_by(made: Any) -> Iterator[tuple[str, types.ModuleType, Any]]:
    """What the code of a class or function may use: its name, the module it is read from, itself.

    That is what stands at the top of its own module, and of modules that are imported there and are
    not installed.
    """
    home, names = _home_of(made), sorted(names_in(made))
    homes = [home]
    for name in names:
        used = vars(home).get(name)
        if isinstance(used, types.ModuleType):
            if not has_version(used.__name__):
                homes.append(used)
        elif name in vars(home):
            yield name, home, used
    for other in homes[1:]:
        for name in names:
            used = vars(other).get(name)
            if name in vars(other) and not isinstance(used, types.ModuleType):
                yield name, other, used


def _home_of(made: Any) -> types.ModuleType:
    """The module of a class or function; of what `exec` made elsewhere, its global names."""
    if made.__module__ != "builtins" and made.__module__ in sys.modules:
        return sys.modules[made.__module__]
    values = [made] if isinstance(made, types.FunctionType) else vars(made).values()
    home = types.ModuleType(str(made.__module__))
    for function in filter(None, map(function_in, values)):
        vars(home).update(function.__globals__)
    return home


def _assignments(home: types.ModuleType) -> dict[str, list[str]]:
    """The statements at the top of a module that assign names; none of a notebook."""
    file, found = getattr(home, "__file__", None), dict[str, list[str]]()
    if not file:
        return found
    for statement in ast.parse(Path(file).read_bytes()).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    found.setdefault(node.id, []).append(ast.unparse(statement))
    return found


def names_in(made: Any) -> set[str]:
    """The global names that the code of a class or function may use."""
    functions = [made] if isinstance(made, types.FunctionType) else vars(made).values()
    codes = [each.__code__ for each in map(function_in, functions) if each is not None]
    found: set[str] = set()
    while codes:
        code = codes.pop()
        found |= set(code.co_names)
        codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return found


def is_library(made: Any) -> bool:
    """Whether it is of PyTorch or of PyTorch Geometric."""
    return str(getattr(made, "__module__", "")).partition(".")[0] in _LIBRARIES


def is_plain(value: Any) -> bool:
    """Whether it is text, a number, a truth value, none, or lists and tuples of these."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def digest_of(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
