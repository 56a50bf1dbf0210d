"""The package's files as they lie in the tree, and what they import of one another."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

TREE = Path(__file__).parents[2]
FOLDERS = {
    "robust_augcl": "robust_augcl",
    "attacks": "robust_augcl/attacks",
    "suites": "robust_augcl/suites",
    "claims": "robust_augcl/claims",
    "reports": "robust_augcl/reports",
}
"""Folder of the tree -> where it is installed."""


def modules(tree: Path = TREE) -> dict[str, Path]:
    """Dotted name -> file, of every module of the package."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in sorted((tree / folder).rglob("*.py")):
            parts = (Path(package) / path.relative_to(tree / folder)).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(known: Mapping[str, Path], *, for_types: bool = False) -> dict[str, set[str]]:
    """Module -> the others of these modules that it imports, inside functions too.

    What it imports for type checkers alone counts only if asked for.
    """
    found = {}
    for name, path in known.items():
        imported = _imported(path.read_text(encoding="utf-8"), for_types)
        found[name] = {inner if inner in known else outer for outer, inner in imported} & set(
            known
        ) - {name}
    return found


@functools.cache
def _imported(source: str, for_types: bool) -> list[tuple[str, str]]:
    """The imports of a source: what is imported from, and that with the name that is imported."""
    return list(_walk_imports(ast.parse(source), for_types))


def _walk_imports(tree: ast.AST, for_types: bool) -> Iterator[tuple[str, str]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.body if for_types else node.orelse
        elif isinstance(node, ast.Import):
            yield from ((alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"a relative import of {node.module}"
            yield from ((str(node.module), f"{node.module}.{alias.name}") for alias in node.names)
        else:
            waiting += ast.iter_child_nodes(node)
