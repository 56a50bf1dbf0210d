"""What installed packages add, by entry points: plug-ins and suites with short names.

A package says so in its pyproject.toml, and nothing of it is imported to know it:

    [project.entry-points."robust_augcl.attacks"]
    acme_flip = "acme_attacks.flip:Flip"

    [project.entry-points."robust_augcl.suites"]
    acme_quick = "acme_attacks.suites"      # the package in which acme_quick.toml lies
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import NamedTuple

from robust_augcl.registry.own import SUITE, first_line, title_of

ENTRY_POINTS = {
    "attack": "robust_augcl.attacks",
    "encoder": "robust_augcl.encoders",
    "method": "robust_augcl.methods",
    "data source": "robust_augcl.data_sources",
    SUITE: "robust_augcl.suites",
}
"""Kind of plug-in -> the group of entry points that adds to it."""

_OWN = "robust-augcl"
_MOST_SOURCE = 2**24  # bytes of a file of code or of a suite
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_PACKAGE = re.compile(r"[A-Za-z_][\w.]*")


class Installed(NamedTuple):
    """An entry point of a distribution.

    Args:
        kind: "attack", ... or "suite".
        name: the short name.
        value: what it stands for, `package.module:Class`, or of a suite its package.
        maker: the distribution and its version.
    """

    kind: str
    name: str
    value: str
    maker: str

    @property
    def problem(self) -> str:
        """Why it can be of no use, as far as that can be told without importing; else empty."""
        if not _NAME.fullmatch(self.name):
            return "its name is none of letters, digits, _ and -"
        if self.kind == SUITE:
            return self._problem_of_suite()
        if not _CLASS.fullmatch(self.value):
            return "its entry point does not name package.module:Class"
        module, _, attribute = self.value.partition(":")
        try:
            tree = _tree(module)
        except (SyntaxError, ValueError) as error:
            return f"{module} is no Python: {error}"
        except OSError as error:
            return f"{module} cannot be read: {error.strerror or error}"
        if tree is None:
            return f"there is no module {module}"
        if not any(_may_bind(statement, attribute) for statement in tree.body):
            return f"{module} does not define {attribute}"
        return ""

    def _problem_of_suite(self) -> str:
        if not _PACKAGE.fullmatch(self.value):
            return "its entry point does not name the package in which the file lies"
        path = self.suite_file()
        if path is None:
            return f"there is no {self.name}.toml in {self.value}"
        try:
            title_of(_read(path))
        except (OSError, ValueError) as error:
            return f"{path.name} cannot be read: {error}"
        return ""

    @property
    def description(self) -> str:
        """The first line of the class's docstring, or the module's; of a suite its title.

        Nothing is imported. Empty where there is none.
        """
        if self.problem:
            return ""
        if self.kind == SUITE:
            path = self.suite_file()
            return title_of(_read(path)) if path else ""
        module, _, attribute = self.value.partition(":")
        tree = _tree(module)
        if tree is None:
            return ""
        classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == attribute]
        lines = [*map(first_line, classes), first_line(tree)]
        return next(filter(None, lines), "")

    def suite_file(self) -> Path | None:
        """The file of a suite; None where there is none."""
        found = (folder / f"{self.name}.toml" for folder in _folders(self.value))
        return next((path for path in found if path.is_file()), None)


# --- entry points ---------------------------------------------------------------------------------


def installed(kind: str) -> list[Installed]:
    """What installed distributions add to a kind, by name and distribution."""
    return [entry for entry in _entries(_stamp()) if entry.kind == kind]


def _stamp() -> tuple[tuple[str, int], ...]:
    """What tells one set of installed distributions from another while a process runs."""
    found = []
    for place in sys.path:
        try:
            found.append((place, os.stat(place or ".").st_mtime_ns))
        except OSError:
            found.append((place, 0))
    return tuple(found)


@functools.lru_cache(maxsize=4)
def _entries(stamp: tuple[tuple[str, int], ...]) -> tuple[Installed, ...]:
    """All entry points in our groups; each distribution counts where Python finds it first."""
    seen: set[str] = set()
    found: list[Installed] = []
    for distribution in distributions():
        try:
            found += _of(distribution, seen)
        except Exception:  # one whose metadata are broken costs itself
            continue
    return tuple(sorted(found))


def _of(distribution: Distribution, seen: set[str]) -> Iterator[Installed]:
    name = distribution.metadata["Name"]
    key = re.sub(r"[-_.]+", "-", str(name)).lower()
    if not name or key in seen or key == _OWN:
        return
    seen.add(key)
    kinds = {group: kind for kind, group in ENTRY_POINTS.items()}
    for entry in distribution.entry_points:
        if entry.group in kinds:
            maker = f"{name} {distribution.version}"
            yield Installed(kinds[entry.group], entry.name, _value(entry), maker)


def _value(entry: EntryPoint) -> str:
    return entry.value.partition("[")[0].strip().replace(" ", "")


# --- their files, without importing ---------------------------------------------------------------


def _folders(package: str) -> list[Path]:
    """The folders of a package. A top-level package is found without being imported."""
    top, *inner = package.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except Exception:  # finders of other people may raise anything
        return []
    places = spec.submodule_search_locations if spec else None
    return [Path(place, *inner) for place in places or ()]


def _file_of(module: str) -> Path | None:
    """The source file of a module; None where there is none."""
    above, _, last = module.rpartition(".")
    if above:
        endings = (f"{last}/__init__.py", f"{last}.py")
        places = [folder / ending for folder in _folders(above) for ending in endings]
    else:
        try:
            spec = importlib.util.find_spec(module)
        except Exception:
            return None
        places = [Path(spec.origin)] if spec and spec.origin else []
    return next((path for path in places if path.is_file()), None)


def _tree(module: str) -> ast.Module | None:
    path = _file_of(module)
    return ast.parse(_read(path)) if path else None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_SOURCE).decode("utf-8")


def _may_bind(statement: ast.stmt, name: str) -> bool:
    """Whether a statement of a module binds a name, as far as that can be told."""
    for node in ast.walk(statement):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            if node.name in (name, "__getattr__"):
                return True
        elif isinstance(node, ast.Name):
            if node.id == name and isinstance(node.ctx, ast.Store):
                return True
        elif isinstance(node, ast.ImportFrom | ast.Import) and (
            {alias.asname or alias.name for alias in node.names} & {name, "*"}
        ):
            return True
    return False
