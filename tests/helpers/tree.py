"""The package's files as they lie in the tree, and what they import of one another."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

TREE = Path(__file__).parents[2]
FOLDERS = {
    "robust_augcl": "robust_augcl",
    "attacks": "robust_augcl/attacks",
    "suites": "robust_augcl/suites",
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
    return {
        name: {found for found in _imported(path, known, for_types) if found in known} - {name}
        for name, path in known.items()
    }


def _imported(path: Path, known: Mapping[str, Path], for_types: bool) -> Iterator[str]:
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.body if for_types else node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else str(node.module)
        else:
            waiting += ast.iter_child_nodes(node)
