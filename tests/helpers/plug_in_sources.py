"""Digests of the code of our own plug-ins, with the revisions that they stand for.

A plug-in's code is its file, and the modules that plug-ins alone use. Comments, docstrings and line
breaks are not part of it, nor is the number of the revision itself.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from tree import TREE, imports, modules

STORED = TREE / "tests" / "plug_ins" / "sources.json"
PACKAGES = {
    "attack": "robust_augcl.attacks",
    "data": "robust_augcl.data",
    "encoder": "robust_augcl.encoders",
    "method": "robust_augcl.methods",
}
SCRIPT = "python tests/plug_ins/record_sources.py"
MEASURING = {"robust_augcl.campaign.cluster_stability", "robust_augcl.campaign.scaling"}
"""Modules that measure what the code of plug-ins does: with them it stays the plug-ins' own."""


class Entry(TypedDict):
    """What is stored of a plug-in.

    Keys:
        revision: its revision.
        source: the digest of its code.
        same: for every change of the code since that revision, why it computes the same.
    """

    revision: int
    source: str
    same: list[str]


class Code(NamedTuple):
    """What a plug-in is in the tree: revision, digest, and the modules that are its code."""

    revision: int
    source: str
    modules: list[str]


class Refused(ValueError):
    """A change that cannot be recorded like this."""


# --- the code -------------------------------------------------------------------------------------


def in_tree(tree: Path = TREE) -> dict[str, Code]:
    """Name, e.g. "attack.beam" -> revision and digest of every plug-in of our own."""
    known = modules(tree)
    graph = imports(known)
    plug_ins = {
        f"{kind}.{name.rpartition('.')[2]}": name
        for kind, package in PACKAGES.items()
        for name in known
        if name.rpartition(".")[0] == package and not name.rpartition(".")[2].startswith("_")
    }
    only_theirs = _used_by_alone(set(plug_ins.values()), graph)
    found = {}
    for plug_in, module in plug_ins.items():
        names = sorted(_reached(module, graph, only_theirs))
        texts = [normalised(known[name].read_text(encoding="utf-8")) for name in names]
        source = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        found[plug_in] = Code(_revision(known[module]), source, names)
    return found


def _used_by_alone(users: set[str], graph: Mapping[str, set[str]]) -> set[str]:
    """The modules that are imported, and by nobody but these users and one another.

    What only measures (`MEASURING`) does not count: no result of a run rests on it.
    """
    importers: dict[str, set[str]] = {name: set() for name in graph}
    for name, imported in graph.items():
        for other in imported if name not in MEASURING else ():
            importers[other].add(name)
    found: set[str] = set()
    while True:
        more = {
            name
            for name, by in importers.items()
            if by and by <= users | found and name not in users | found
        }
        if not more:
            return found
        found |= more


def _reached(module: str, graph: Mapping[str, set[str]], within: set[str]) -> set[str]:
    found, waiting = {module}, [module]
    while waiting:
        more = graph[waiting.pop()] & within - found
        found |= more
        waiting += more
    return found


def _revision(path: Path) -> int:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if _sets_revision(node):
            return int(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return 1


def _sets_revision(node: ast.AST) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return isinstance(node, ast.Assign | ast.AnnAssign) and any(
        isinstance(target, ast.Name) and target.id == "revision" for target in targets
    )


@functools.cache
def normalised(source: str) -> str:
    """What a source computes, written so that every version of Python writes the same.

    >>> normalised("x = 1  # one") == normalised("'''Says one.'''\\nx = (1)")
    True
    >>> normalised("x = 1") == normalised("x = 2")
    False
    """
    return "".join(_written(ast.parse(source)))


def _written(node: Any) -> Iterator[str]:
    """A node in words, without fields that are empty or that not all versions have."""
    if isinstance(node, list):
        yield "["
        for item in node:
            if not _is_words(item) and not _sets_revision(item):
                yield from _written(item)
                yield ","
        yield "]"
    elif isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for name, value in ast.iter_fields(node):
            if value not in (None, []) and name not in ("ctx", "kind", "type_comment"):
                yield f"{name}="
                yield from _written(value)
                yield ";"
        yield ")"
    else:
        yield repr(node)


def _is_words(node: Any) -> bool:
    """Whether a statement is a docstring, of a class, function or attribute."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


# --- the record -----------------------------------------------------------------------------------


def stored(path: Path = STORED) -> dict[str, Entry]:
    """What was recorded last."""
    found: dict[str, Entry] = json.loads(path.read_text(encoding="utf-8"))
    return found


def problems(now: Mapping[str, Code], then: Mapping[str, Entry]) -> list[str]:
    """What is not recorded, and what to do about each."""
    found = []
    for name, code in now.items():
        entry = then.get(name)
        if entry is None:
            found.append(f"{name} is new: run `{SCRIPT}`")
        elif code.revision != entry["revision"]:
            found.append(f"{name} has another revision: run `{SCRIPT}`")
        elif code.source != entry["source"]:
            found.append(
                f"the code of {name} changed. If it computes something else, raise its `revision` "
                f"and run `{SCRIPT}`; if it computes the same, run "
                f"`{SCRIPT} --same {name} 'why it does'`"
            )
    return found + [f"{name} is gone: run `{SCRIPT}`" for name in then if name not in now]


def recorded(
    now: Mapping[str, Code], then: Mapping[str, Entry], same: Mapping[str, str]
) -> dict[str, Entry]:
    """What to store now; `same` says of plug-ins why their changed code computes the same.

    Raises:
        Refused: code that changed with neither revision nor reason, a reason for nothing, a
            revision that was lowered.
    """
    found: dict[str, Entry] = {}
    for name, code in sorted(now.items()):
        entry = then.get(name) or Entry(revision=0, source="", same=[])
        changed = code.source != entry["source"]
        if code.revision < entry["revision"]:
            raise Refused(f"the revision of {name} was lowered: revisions are only raised")
        if code.revision > entry["revision"]:
            found[name] = Entry(revision=code.revision, source=code.source, same=[])
            continue
        if changed and not same.get(name, "").strip():
            raise Refused("; ".join(problems({name: code}, {name: entry})))
        reasons = [*entry["same"], same[name].strip()] if changed else entry["same"]
        found[name] = Entry(revision=code.revision, source=code.source, same=reasons)
    for name in same:
        if name not in found or (name in then and then[name]["source"] == found[name]["source"]):
            raise Refused(f"the code of {name} did not change")
    return found


def store(entries: Mapping[str, Entry], path: Path = STORED) -> None:
    """Write what was recorded."""
    path.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
