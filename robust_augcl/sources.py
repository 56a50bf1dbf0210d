"""Where code comes from that is not this package's: its distribution, its files, their digest.

Two plug-ins of one name, or one plug-in before and after an edit, are told apart by their source.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from robust_augcl.errors import InputError

NO_DISTRIBUTION = "no distribution"
"""The maker of what no installed distribution has made, for example of a file."""
_FILE_MODULE = "robust_augcl_plug_in_"


def import_file(path: Path, source: bytes) -> ModuleType:
    """Import a file that lies in no package, once for each content that it has.

    The module's name holds a digest of the source. So an edited file becomes a module of its own,
    and instances can be pickled to processes that have imported the same source before.

    Args:
        path: the file.
        source: its content.

    Raises:
        Exception: whatever the file raises.
    """
    stem = path.stem.replace(".", "_")  # a dot would name a package
    name = f"{_FILE_MODULE}{stem}_{hashlib.sha256(source).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path.absolute())
    sys.modules[name] = module  # before it runs: dataclasses look themselves up here
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def is_file(module: str) -> bool:
    """Whether a module of this name was made by `import_file`."""
    return module.startswith(_FILE_MODULE)


def place_of(module: str) -> str:
    """Where a module lies: the path of a file that lies in no package or runs as a script, or else
    the name by which it is imported.

    >>> place_of("json.decoder")
    'json.decoder'
    """
    if module != "__main__" and not is_file(module):
        return module
    spec = getattr(sys.modules[module], "__spec__", None)
    if spec is not None:  # it runs by `python -m`
        return str(spec.name)
    file = getattr(sys.modules[module], "__file__", None)
    return str(Path(file).absolute()) if file else module


_origins: dict[type[Any], dict[str, str]] = {}  # a class stays what it was when it was imported


def origin(made: type[Any]) -> dict[str, str]:
    """Who made a class: "distribution" and its "version", "name" (`module:Class`), and "source".

    Raises:
        InputError: its source cannot be read.
    """
    if made not in _origins:
        module, name = made.__module__, f"{made.__module__}:{made.__qualname__}"
        try:
            found = digest(module)
        except (OSError, SyntaxError) as error:
            raise InputError(f"Cannot read the source of {name}: {error}") from None
        place = place_of(module)
        name = f"{Path(place).name if place.endswith('.py') else place}:{made.__qualname__}"
        maker, version = distribution_of(module)
        _origins[made] = {
            "distribution": maker,
            "version": version,
            "name": name,
            "source": found,
        }
    return dict(_origins[made])


def digest(module: str) -> str:
    """The SHA-256 of a module's source, and of what it imports from its own top-level package.

    Of a file that lies in no package, it is the digest of the source that was imported, whatever
    the file holds now.

    Raises:
        FileNotFoundError: the module has no file.
    """
    if is_file(module):
        return module.rpartition("_")[2]
    each = {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in imported_with(module).items()
    }
    if list(each) == [module]:
        return each[module]
    lines = "".join(f"{name} {each[name]}\n" for name in sorted(each))
    return hashlib.sha256(lines.encode()).hexdigest()


def imported_with(module: str) -> dict[str, Path]:
    """The module, and the modules of its top-level package that it imports, directly or not.

    Name -> file. An import inside a function counts too.

    Raises:
        FileNotFoundError: the module has no file.
    """
    path = file_of(module)
    if path is None:
        raise FileNotFoundError(f"Expected the module {module} to have a file, there is none")
    package = module.partition(".")[0]
    found = {module: path}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for imported in _imports(name, found[name]):
            if imported in found or imported.partition(".")[0] != package:
                continue
            if (file := file_of(imported)) is not None:
                found[imported] = file
                waiting.append(imported)
    return found


def file_of(module: str) -> Path | None:
    """The file of a module; None where there is no such module, or no file."""
    if module in sys.modules:
        file = getattr(sys.modules[module], "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(module)
        except Exception:  # it is no module but e.g. a class, or what it lies in cannot be imported
            return None
        file = spec.origin if spec is not None and spec.has_location else None
    return Path(file) if file and Path(file).is_file() else None


def _imports(module: str, path: Path) -> Iterator[str]:
    """The absolute names that a module's source imports: modules, and perhaps what is in them."""
    if path.suffix != ".py":
        return
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                above = parents[: len(parents) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def distribution_of(module: str) -> tuple[str, str]:
    """The distribution that installed a module, and its version; a version is empty without one.

    >>> distribution_of("no_such_module")
    ('no distribution', '')
    """
    found = sorted(set(_makers(_folders()).get(module.partition(".")[0], [])))
    if not found:
        return NO_DISTRIBUTION, ""
    # One namespace may be shared by distributions: which one it was, its source says.
    return " and ".join(found), " and ".join(distribution(name).version for name in found)


def _folders() -> tuple[tuple[str, int], ...]:
    """Where packages are installed, and when something was last added there or removed."""
    return tuple((path, os.stat(path).st_mtime_ns) for path in sys.path if os.path.isdir(path))


@functools.lru_cache(maxsize=1)
def _makers(folders: tuple[tuple[str, int], ...]) -> Mapping[str, list[str]]:
    """Top-level module -> distributions. Reading this of all that is installed takes a second."""
    return packages_distributions()
