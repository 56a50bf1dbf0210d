"""Names of attacks, encoders, methods, data sources and suites, and what they stand for.

Our own are one file each: adding one is adding a file, and no list elsewhere names it. Names and
descriptions are read from the files without importing them, so that `list` answers at once. Other
people's are named by where they lie, `package.module:Class` or `path/to/file.py:Class`; their code
is imported only with the user's consent.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from robust_augcl import __version__, sources
from robust_augcl.errors import InputError, nearest, unknown

GROUPS = {
    "attack": ("robust_augcl.attacks", "robust_augcl.adversary.attack_base", "Attack"),
    "encoder": ("robust_augcl.encoders", "robust_augcl.models.encoder_base", "Encoder"),
    "method": ("robust_augcl.methods", "robust_augcl.contrast.method_base", "Method"),
    "data source": ("robust_augcl.data", "robust_augcl.graphs.data_source", "DataSource"),
}
"""Kind of plug-in -> the package of our own, and the base class of all, ours or not: its module,
its name.
"""

_PLACES = {
    "data source": ("dataset", "source"),
    "encoder": ("encoder", "name"),
    "method": ("methods", "name"),
    "attack": ("attacks", "name"),
}
"""Kind of plug-in -> the table of a suite that names it, and the key there."""


# --- our own --------------------------------------------------------------------------------------


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
    ['gcn', 'gin', 'structure2vec']
    """
    return list(_members(GROUPS[kind][0], ".py"))


def descriptions(kind: str) -> dict[str, str]:
    """Name -> the first line of its file's docstring."""
    return {name: _first_line(entry) for name, entry in _members(GROUPS[kind][0], ".py").items()}


def _first_line(entry: Traversable) -> str:
    docstring = ast.get_docstring(ast.parse(entry.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


def suite_texts() -> dict[str, str]:
    """Name -> TOML text of every suite that comes with the package."""
    return {
        name: entry.read_text(encoding="utf-8")
        for name, entry in _members("robust_augcl.suites", ".toml").items()
    }


def suite_descriptions() -> dict[str, str]:
    """Name -> title of every suite that comes with the package."""
    return {name: str(tomllib.loads(text).get("title", "")) for name, text in suite_texts().items()}


# --- loading --------------------------------------------------------------------------------------


def load(kind: str, name: str) -> type[Any]:
    """Import a plug-in and return its class.

    Args:
        kind: "attack", "encoder", "method" or "data source".
        name: one of `names(kind)`, or `package.module:Class`, or `path/to/file.py:Class`.

    Raises:
        InputError: no such name (the message holds the nearest known one); other people's code
            that the user has not consented to, that cannot be imported, or that is of another kind.
        TypeError: a file of our own does not define exactly one class of the right kind.

    >>> load("attack", "beam").__name__
    'Beam'
    """
    if is_foreign(name):
        return _checked(kind, name, _load_foreign(name))
    return _load_own(kind, name)


@functools.cache
def _load_own(kind: str, name: str) -> type[Any]:
    if name not in names(kind):
        raise unknown(kind, name, names(kind))
    module, base = importlib.import_module(f"{GROUPS[kind][0]}.{name}"), _base(kind)
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


def _base(kind: str) -> type[Any]:
    """The class that all plug-ins of a kind derive from."""
    _, module, name = GROUPS[kind]
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def _checked(kind: str, name: str, found: type[Any]) -> type[Any]:
    """Other people's class, if instances of it can be made and used as plug-ins of that kind."""
    base = _base(kind)
    expected = f"Expected {name!r} to be {_article(kind)}"
    if not issubclass(found, base):
        raise InputError(
            f"{expected}, a class derived from {base.__module__}.{base.__name__}; it is not"
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise InputError(f"{expected}, it does not define {missing}")
    if kind != "encoder" and not dataclasses.is_dataclass(found):
        raise InputError(f"{expected}, a frozen dataclass of its settings; it is no dataclass")
    return found


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def default_label(name: str, made: type[Any]) -> str:
    """What tables call a plug-in where a suite does not say: our own name, or the class's name."""
    if not is_foreign(name):
        return name
    return str(getattr(made, "display_name", "") or made.__name__)


# --- other people's -------------------------------------------------------------------------------


class Foreign(NamedTuple):
    """A plug-in of other people, as this process has imported it.

    Args:
        name: as in a suite.
        place: where it lies: a module's name, or the absolute path of a file.
        digest: of its source.
    """

    name: str
    place: str
    digest: str


_consented: dict[str, str] = {}  # name -> place
_loaded: dict[str, Foreign] = {}  # by name


def is_foreign(name: str) -> bool:
    """Whether a name stands for other people's code.

    >>> is_foreign("acme.attacks:Flip"), is_foreign("flip.py:Flip"), is_foreign("beam")
    (True, True, False)
    """
    return ":" in name


def needs(table: Mapping[str, Any]) -> list[str]:
    """The names of other people's plug-ins in a suite's table, as far as it is a suite's.

    >>> needs({"attacks": [{"name": "beam"}, {"name": "acme.attacks:Flip"}]})
    ['acme.attacks:Flip']
    """
    found = []
    for section, key in _PLACES.values():
        value = table.get(section)
        for entry in value if isinstance(value, list) else [value]:
            name = entry.get(key) if isinstance(entry, Mapping) else None
            if isinstance(name, str) and is_foreign(name):
                found.append(name)
    return list(dict.fromkeys(found))


def consent(names: Iterable[str], folder: Path | None = None) -> None:
    """Allow other people's plug-ins to be imported, since the user named them.

    A name that only a run's folder holds is no consent: whoever sends a folder to somebody else
    must not choose what code runs there.

    Args:
        names: as in a suite.
        folder: where relative paths begin, by default the current folder.

    Raises:
        InputError: a name that is not of the form `package.module:Class` or
            `path/to/file.py:Class`.
    """
    for name in names:
        place, _, attribute = name.rpartition(":")
        if not place or not attribute.isidentifier():
            raise InputError(
                "Expected a plug-in to be named like package.module:Class or "
                f"path/to/file.py:Class, got {name!r}"
            )
        _consented[name] = (
            str(((folder or Path()) / place).absolute()) if _is_path(place) else place
        )


def _is_path(place: str) -> bool:
    return place.endswith(".py")


def _place_of(name: str) -> str:
    """Where a plug-in lies that the user has consented to.

    A file is known by its own name and its class: in which folder it lies is the user's to say, so
    that a run's folder can be read on another machine.
    """
    if name in _consented:
        return _consented[name]
    place, _, attribute = name.rpartition(":")
    elsewhere = {
        known
        for other, known in _consented.items()
        if _is_path(place)
        and _is_path(known)
        and Path(known).name == Path(place).name
        and other.rpartition(":")[2] == attribute
    }
    if len(elsewhere) == 1:
        return elsewhere.pop()
    raise InputError(
        f"Expected your consent before the code of {name!r} is imported, which is not part of "
        f"robust_augcl: pass --plugin {name} (in Python: registry.consent([{name!r}]))"
    )


def _load_foreign(name: str) -> type[Any]:
    place, attribute = _place_of(name), name.rpartition(":")[2]
    try:
        module = (
            sources.import_file(Path(place)) if _is_path(place) else importlib.import_module(place)
        )
    except Exception as error:
        raise InputError(f"Cannot import {name!r}: {type(error).__name__}: {error}") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        raise InputError(
            f"Expected {place} to define the class {attribute}{_nearest(module, name)}"
        )
    _loaded[name] = Foreign(name, place, origin(found).get("source", ""))
    return found


def _nearest(module: ModuleType, name: str) -> str:
    classes = [key for key, value in vars(module).items() if isinstance(value, type)]
    return nearest(name.rpartition(":")[2], classes) or ", it does not"


def loaded_foreign() -> tuple[Foreign, ...]:
    """The plug-ins of other people that this process has imported, for processes that work for it.

    They load them (`load_foreign`) before they unpickle anything made of them.
    """
    return tuple(_loaded.values())


def load_foreign(plug_ins: Iterable[Foreign]) -> None:
    """Import the plug-ins that another process of the same user has imported.

    Raises:
        InputError: one cannot be imported here, or its source is another one here.
    """
    for plug_in in plug_ins:
        _consented[plug_in.name] = plug_in.place
        _load_foreign(plug_in.name)
        if _loaded[plug_in.name].digest != plug_in.digest:
            raise InputError(
                f"Expected the source of {plug_in.name!r} to be the one that the run began with, "
                "it was changed: run again"
            )


def withdraw() -> None:
    """Take back all consent, and forget which plug-ins of other people were loaded."""
    _consented.clear()
    _loaded.clear()


# --- who made what --------------------------------------------------------------------------------


def is_own(kind: str, made: type[Any]) -> bool:
    """Whether a class is one of our own plug-ins of that kind."""
    return made.__module__.startswith(f"{GROUPS[kind][0]}.")


def origin(made: type[Any]) -> dict[str, str]:
    """Who made a class.

    Returns:
        "distribution" and "version" of what is installed, "name" (`module:Class`), and, where it
        is not ours, "source": the SHA-256 of its source.

    Raises:
        InputError: not ours, and its source cannot be read.

    >>> origin(load("encoder", "gin"))["name"]
    'robust_augcl.encoders.gin:GIN'
    """
    if made.__module__.partition(".")[0] != "robust_augcl":
        return sources.origin(made)
    name = f"{made.__module__}:{made.__qualname__}"
    return {"distribution": "robust-augcl", "version": __version__, "name": name}
