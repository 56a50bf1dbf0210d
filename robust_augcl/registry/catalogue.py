"""Everything that has a name here: what `robust-augcl list` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from robust_augcl import foreign, patience
from robust_augcl.errors import InputError, cut, one_line
from robust_augcl.patience import ImportTookTooLong
from robust_augcl.registry import own
from robust_augcl.registry.families import FAMILY, MEASUREMENTS, families
from robust_augcl.registry.installed import installed
from robust_augcl.registry.loading import claims_to, load
from robust_augcl.registry.named_files import in_file
from robust_augcl.registry.optional import PARTS, problem_of

KINDS = (own.SUITE, *own.GROUPS)
"""All kinds of what can be added."""

OURS = "ours"
PART = "optional part"
MEASUREMENT = "measurement"


class Entry(NamedTuple):
    """Something that has a name.

    Args:
        kind: "attack", ... or "suite".
        name: its short name; of a file's classes, where there are several, `file.py:Class`.
        maker: "ours", a distribution and its version, or a file.
        description: one line; empty where there is none.
        problem: why it is of no use, as far as that is known; else empty.
        missing: the commands that install what it needs, where that is not there; else empty.
    """

    kind: str
    name: str
    maker: str
    description: str
    problem: str = ""
    missing: str = ""


def catalogue(*, check: bool = False) -> list[Entry]:
    """All suites and plug-ins, by kind and name, ours first.

    Only files that the user has named are imported. What is broken, or is not imported within a
    minute (`patience.TO_LOOK`), costs itself alone.

    Args:
        check: whether the code of all others is imported, to find out what is broken.

    >>> [entry.maker for entry in catalogue() if entry.name == "beam"]
    ['ours']
    """
    found, broken = [], _broken_files()
    for kind in KINDS:
        mine = own.suite_descriptions() if kind == own.SUITE else own.descriptions(kind)
        others = {entry.name for entry in installed(kind)}
        others |= {path.stem for path in foreign.named_files()}
        needs = {} if kind == own.SUITE else own.needs(kind)
        found += [
            Entry(
                kind,
                name,
                OURS,
                text,
                _taken(kind, name) if name in others else "",
                problem_of(needs.get(name)),
            )
            for name, text in mine.items()
        ]
        found += _installed(kind, check)
        found += _in_files(kind, broken)
    return found + _named() + _families() + _optional_parts()


def _families() -> list[Entry]:
    """Families of suites with their members, and what else `run` takes."""
    found = [
        Entry(FAMILY, name, OURS, f"{family.title}: {', '.join(family.members)}")
        for name, family in families().items()
    ]
    return found + [Entry(MEASUREMENT, name, OURS, text) for name, text in MEASUREMENTS.items()]


def _optional_parts() -> list[Entry]:
    """What works only where other packages are installed."""
    return [
        Entry(PART, part.name, part.version or "missing", part.gives, "", part.problem)
        for part in PARTS.values()
    ]


def _installed(kind: str, check: bool) -> Iterator[Entry]:
    if check and kind != own.SUITE:
        own.base_of(kind)  # which imports PyTorch: the seconds that follow are the plug-ins' own
    for entry in installed(kind):
        problem = entry.problem or _taken(kind, entry.name)
        if not problem and check and kind != own.SUITE:
            problem = _problem(lambda name=entry.name: load(kind, name))  # type: ignore[misc]
        yield Entry(kind, entry.name, entry.maker, entry.description, problem)


def _taken(kind: str, name: str) -> str:
    """By whom a name is taken too; empty where it has one maker."""
    try:
        claims = patience.patiently(lambda: claims_to(kind, name), patience.TO_LOOK)
    except (InputError, ImportTookTooLong) as error:
        return one_line(error)
    makers = [f"{cut(claim.maker)} ({cut(claim.address)})" for claim in claims]
    return f"several have this name: {' and '.join(makers)}" if len(makers) > 1 else ""


def _broken_files() -> dict[Path, str]:
    """The files that the user has named which cannot be imported, with the reason."""
    files = foreign.named_files()
    if files:
        own.base_of("attack")  # which imports PyTorch: the seconds that follow are the files' own
    problems = {
        path: _problem(lambda path=path: foreign.import_named(path))  # type: ignore[misc]
        for path in files
    }
    return {path: problem for path, problem in problems.items() if problem}


def _in_files(kind: str, broken: Mapping[Path, str]) -> Iterator[Entry]:
    if kind == own.SUITE:
        return
    for path in foreign.named_files():
        if path in broken:
            if kind == "attack":  # a file that cannot be imported is told once
                yield Entry(kind, path.stem, path.name, "", broken[path])
            continue
        for each in in_file(kind, path):
            address = each.address
            foreign.allow(address)
            problem = _problem(lambda address=address: load(kind, address))  # type: ignore[misc]
            problem = problem or (_taken(kind, each.name) if ":" not in each.name else "")
            text = "" if problem else _docstring(load(kind, address))
            yield Entry(kind, each.name, path.name, text, problem)


def _named() -> list[Entry]:
    """The classes that the user has named by where they lie."""
    found = []
    for name in foreign.named_classes():
        try:
            load_it = partial(foreign.load_class, name)
            made = patience.patiently(load_it, patience.TO_LOOK)
            kinds = [kind for kind in own.GROUPS if issubclass(made, own.base_of(kind))]
            text = _docstring(made)
        except InputError as error:
            found.append(Entry("attack", name, "--plugin", "", one_line(error)))
            continue
        for kind in kinds:
            problem = _problem(lambda kind=kind, name=name: load(kind, name))  # type: ignore[misc]
            found.append(Entry(kind, name, "--plugin", "" if problem else text, problem))
    return found


def _problem(work: Callable[[], object]) -> str:
    try:
        patience.patiently(work, patience.TO_LOOK)
    except (InputError, ImportTookTooLong) as error:
        return one_line(error)
    return ""


def _docstring(made: type[object]) -> str:
    return (made.__doc__ or "").strip().partition("\n")[0].rstrip(".")
