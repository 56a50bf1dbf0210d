"""Names of attacks, encoders, methods, data sources, suites: each is one file, found by its name.

Adding one is adding a file; no list elsewhere names it. Names and descriptions are read from the
files without importing them, so that `list` answers at once; only `load` imports.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from robust_augcl import __version__
from robust_augcl.errors import unknown

GROUPS = {
    "attack": ("robust_augcl.attacks", "robust_augcl.adversary.attack_base", "Attack"),
    "encoder": ("robust_augcl.encoders", "robust_augcl.models.encoder_base", "Encoder"),
    "method": ("robust_augcl.methods", "robust_augcl.contrast.method_base", "Method"),
    "data source": ("robust_augcl.data", "robust_augcl.graphs.dataset", "DataSource"),
}
"""Kind of thing -> the package its files lie in, and the class that the one public class of each
file derives from.
"""


def _members(package: str, ending: str) -> dict[str, Traversable]:
    found = (
        entry
        for entry in files(package).iterdir()
        if entry.name.endswith(ending) and not entry.name.startswith("_")
    )
    return {
        entry.name.removesuffix(ending): entry
        for entry in sorted(found, key=lambda entry: entry.name)
    }


def names(kind: str) -> list[str]:
    """The names of all attacks, encoders, methods or data sources, in alphabetical order."""
    return list(_members(GROUPS[kind][0], ".py"))


def descriptions(kind: str) -> dict[str, str]:
    """Name -> the first line of its file's docstring."""
    return {name: _first_line(entry) for name, entry in _members(GROUPS[kind][0], ".py").items()}


def _first_line(entry: Traversable) -> str:
    docstring = ast.get_docstring(ast.parse(entry.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


def load(kind: str, name: str) -> type[Any]:
    """Import the file of that name and return its class.

    Raises:
        InputError: no such name; the message holds the nearest known one.
        TypeError: the file does not define exactly one class of the right kind.
    """
    package, base_module, base_name = GROUPS[kind]
    if name not in names(kind):
        raise unknown(kind, name, names(kind))
    module = importlib.import_module(f"{package}.{name}")
    base = getattr(importlib.import_module(base_module), base_name)
    found = [
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if issubclass(c, base) and c.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"Expected {module.__name__} to define one {base_name}, got {len(found)}")
    return found[0]


def origin(cls: type[Any]) -> dict[str, str]:
    """Who made a plug-in: the distribution, its version, and the qualified name of the class."""
    return {
        "distribution": "robust-augcl",
        "version": __version__,
        "name": f"{cls.__module__}:{cls.__qualname__}",
    }


def suite_texts() -> dict[str, str]:
    """Name -> TOML text of every suite that comes with the package."""
    return {
        name: entry.read_text(encoding="utf-8")
        for name, entry in _members("robust_augcl.suites", ".toml").items()
    }


def suite_descriptions() -> dict[str, str]:
    """Name -> title of every suite that comes with the package."""
    return {name: str(tomllib.loads(text).get("title", "")) for name, text in suite_texts().items()}
