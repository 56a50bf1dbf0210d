"""The shape of the tree: rooms on few floors, no imports in circles, short modules and functions.

Which way imports go is import-linter's to say (`tox -e lint`).
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from time_limits import HANGS
from tree import TREE, imports, modules

import robust_augcl

MOST_FLOORS = 12
MOST_FILES = 12
MOST_LINES = 350
MOST_LINES_OF_A_FUNCTION = 60
COLUMNS = 100


MODULES = modules()
IMPORTS = imports(MODULES)
ROOMS = {
    name.split(".")[1]
    for name, path in MODULES.items()
    if path.name == "__init__.py" and "." in name
} | {"campaign", "__main__"}  # modules at the top that stand on rooms


def room(module: str) -> str:
    """The room that a module lies in."""
    inside = module.split(".")[1:2]
    return inside[0] if set(inside) & ROOMS else "top"


def rooms() -> dict[str, set[str]]:
    """Room -> the rooms that it stands on."""
    found: dict[str, set[str]] = {room(name): set() for name in MODULES}
    for name, imported in IMPORTS.items():
        found[room(name)] |= {room(other) for other in imported} - {room(name)}
    return found


def floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """On which floor each node of a graph without circles stands, from 1."""
    found: dict[str, int] = {}
    for node in TopologicalSorter(graph).static_order():
        found[node] = 1 + max((found[below] for below in graph.get(node, ())), default=0)
    return found


def test_the_graph_of_imports_is_seen():
    """The tests below would pass on an empty graph."""
    assert "robust_augcl.errors" in IMPORTS["robust_augcl.registry.loading"]
    assert sum(map(len, IMPORTS.values())) > 300
    assert floors({"c": {"b"}, "b": {"a"}}) == {"a": 1, "b": 2, "c": 3}


def test_no_two_modules_import_each_other():
    """Not for type checkers either, but that the package itself names what is public."""
    of = imports(MODULES, for_types=True)
    del of["robust_augcl"]
    assert [(a, b) for a in of for b in of[a] if a in of.get(b, ()) and a < b] == []


def test_no_imports_run_in_a_circle():
    list(TopologicalSorter(IMPORTS).static_order())  # a CycleError names the circle


def test_rooms_stand_on_few_floors():
    found = floors(rooms())
    assert max(found.values()) <= MOST_FLOORS, sorted(found.items(), key=lambda item: item[1])


def test_few_files_lie_at_the_top():
    flat = [path.name for path in (TREE / "robust_augcl").iterdir() if path.is_file()]
    assert len(flat) <= MOST_FILES, flat


def test_modules_are_short():
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function of a file, decorators and docstring included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield node.name, (node.end_lineno or first) - first + 1


def test_functions_are_short():
    lengths = {
        f"{module}.{name}": lines
        for module, path in MODULES.items()
        for name, lines in functions(path)
    }
    assert {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FUNCTION} == {}


# --- lines ----------------------------------------------------------------------------------------


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of the lines of a Markdown page that are neither table nor code."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("```", "~~~")):
            code = not code
        elif not code and not line.lstrip().startswith("|"):
            yield number, line


def too_long(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    lines = prose(text) if path.suffix == ".md" else enumerate(text.splitlines(), 1)
    where = path.relative_to(TREE)
    # A link cannot be broken.
    return [
        f"{where}:{number}"
        for number, line in lines
        if len(line) > COLUMNS and not (path.suffix == ".md" and re.search(r"\S{80}", line))
    ]


def written(*patterns: str) -> list[Path]:
    """The files of the checkout, without what is built, and without virtual environments."""
    hidden = re.compile(r"/(\.|build/|dist/|runs/)")
    environments = {path.parent for path in TREE.glob("*/pyvenv.cfg")}
    found = [path for pattern in patterns for path in TREE.glob(pattern)]
    return [
        path
        for path in found
        if not hidden.search(f"/{path.relative_to(TREE)}") and environments.isdisjoint(path.parents)
    ]


MADE = TREE / "docs" / "results" / "README.md"
"""A page that a script makes: nobody reads its source."""


def test_lines_are_short():
    paths = [path for path in written("**/*.py", "*.md", "docs/**/*.md") if path != MADE]
    assert len(paths) > 100
    assert [where for path in paths for where in too_long(path)] == []


# --- what is light --------------------------------------------------------------------------------


def loaded_with(*names: str) -> Counter[str]:
    """The top-level packages that a new process has loaded after these imports."""
    script = f"import {', '.join(names)}, sys; print(*(n.split('.')[0] for n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=HANGS, check=True
    )
    return Counter(done.stdout.split())


def test_the_package_itself_is_light():
    loaded = loaded_with("robust_augcl")
    assert not {"torch", "numpy", "scipy", "pydantic", "click"} & set(loaded)
    assert loaded["robust_augcl"] == 1  # and nothing of its own


def test_results_are_read_without_torch():
    results = [name for name in MODULES if name.startswith("robust_augcl.results.")]
    assert len(results) >= 7
    loaded = loaded_with(*results)
    assert loaded["robust_augcl"] > len(results)
    assert not {"torch", "torch_geometric", "sklearn"} & set(loaded)


def test_public_names_are_found_where_they_are_defined():
    """For type checkers and when they are used, from the same module."""
    assert set(robust_augcl.__all__) <= set(dir(robust_augcl))
    for_types = {
        alias.name: node.module
        for node in ast.walk(ast.parse(MODULES["robust_augcl"].read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if str(node.module).startswith("robust_augcl")
    }
    assert {*for_types, "__version__"} == set(robust_augcl.__all__)
    for name, module in for_types.items():
        assert getattr(robust_augcl, name).__module__ == module
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = robust_augcl.no_such_name
