"""Our own plug-ins: one file each, found by their place."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

GROUPS = {
    "attack": ("robust_augcl.attacks", "robust_augcl.adversary.attack_base", "Attack"),
    "encoder": ("robust_augcl.encoders", "robust_augcl.models.encoder_base", "Encoder"),
    "method": ("robust_augcl.methods", "robust_augcl.contrast.method_base", "Method"),
    "data source": ("robust_augcl.data", "robust_augcl.graphs.data_source", "DataSource"),
}
"""Kind of plug-in -> the package of our own, and the base class of all, ours or not: its module,
its name.
"""

SUITE = "suite"
"""The kind of what is no class, but a TOML file."""


@functools.cache
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
    """The names of our own attacks, encoders, methods or data sources, in alphabetical order.

    >>> names("encoder")
    ['gcn', 'gcn_prelu', 'gcn_relu', 'gcn_rrelu', 'gin', 'structure2vec']
    """
    return list(_members(GROUPS[kind][0], ".py"))


def descriptions(kind: str) -> dict[str, str]:
    """Name -> the first line of its file's docstring."""
    return {
        name: first_line(ast.parse(entry.read_text(encoding="utf-8")))
        for name, entry in _members(GROUPS[kind][0], ".py").items()
    }


def needs(kind: str) -> dict[str, str]:
    """Name -> the optional part that it needs (`registry.optional`), where it declares one.

    Nothing is imported: the declaration stands in the plug-in's class as a plain text.

    >>> needs("attack")["deeprobust_fga"]
    'deeprobust'
    """
    found = {}
    for name, entry in _members(GROUPS[kind][0], ".py").items():
        for node in ast.walk(ast.parse(entry.read_text(encoding="utf-8"))):
            target = node.target if isinstance(node, ast.AnnAssign) else None
            value = node.value if isinstance(node, ast.AnnAssign) else None
            declares = isinstance(target, ast.Name) and target.id == "needs"
            if declares and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[name] = value.value
    return found


def first_line(node: ast.Module | ast.ClassDef) -> str:
    """The first line of the docstring of a module or a class, without its full stop."""
    return (ast.get_docstring(node) or "").partition("\n")[0].rstrip(".")


def suite_texts() -> dict[str, str]:
    """Name -> TOML text of every suite that comes with the package."""
    return {
        name: entry.read_text(encoding="utf-8")
        for name, entry in _members("robust_augcl.suites", ".toml").items()
    }


def suite_descriptions() -> dict[str, str]:
    """Name -> title of every suite that comes with the package."""
    return {name: title_of(text) for name, text in suite_texts().items()}


def title_of(text: str) -> str:
    """The title of a suite.

    Raises:
        TOMLDecodeError: it is no TOML.
    """
    return str(tomllib.loads(text).get("title", ""))


def base_of(kind: str) -> type[Any]:
    """The class that all plug-ins of a kind derive from."""
    _, module, name = GROUPS[kind]
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


@functools.cache
def load_own(kind: str, name: str) -> type[Any]:
    """Import one of our own plug-ins and return its class.

    Raises:
        TypeError: its file does not define exactly one class of the right kind.
    """
    module, base = importlib.import_module(f"{GROUPS[kind][0]}.{name}"), base_of(kind)
    defined = [
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if issubclass(c, base) and c.__module__ == module.__name__
    ]
    if len(defined) != 1:
        raise TypeError(
            f"Expected {module.__name__} to define one {base.__name__}, got {len(defined)}"
        )
    return defined[0]
