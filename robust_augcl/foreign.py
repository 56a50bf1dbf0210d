"""Other people's plug-ins: consent, and importing what was consented to.

They are named by where they lie, `package.module:Class` or `path/to/file.py:Class`. Their code is
imported only where the user has named it.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from robust_augcl import patience, sources
from robust_augcl.errors import (
    ConsentMissing,
    InputError,
    cut,
    nearest,
    one_line,
    shown,
)
from robust_augcl.patience import patiently
from robust_augcl.validation import read_bytes


class Foreign(NamedTuple):
    """A plug-in of other people, as this process has imported it.

    Args:
        name: as in a suite.
        place: where it lies: a module's name, or the absolute path of a file.
        digest: of its source.
        is_named: whether the user has named the whole file, so that its plug-ins have short names.
    """

    name: str
    place: str
    digest: str
    is_named: bool = False


_MOST_SOURCE = 2**24  # bytes of a file of code
_MOST_NAME = 4_000

_consented: dict[str, str] = {}  # name -> place
_files: dict[str, str] = {}  # absolute path of a file that the user named as a whole -> as named
_short: set[str] = set()  # names that have consent since a short name stands for them
_used: set[str] = set()  # names with consent that were asked for
_loaded: dict[str, Foreign] = {}  # by name
_handed: dict[str, type[Any]] = {}  # classes that the user had in hand, by name


def is_foreign(name: str) -> bool:
    """Whether a name stands for other people's code.

    >>> is_foreign("acme.attacks:Flip"), is_foreign("flip.py:Flip"), is_foreign("beam")
    (True, True, False)
    """
    return ":" in name


def consent(names: Iterable[str], folder: Path | None = None) -> None:
    """Allow other people's plug-ins to be imported, since the user named them.

    A name that only a run's folder holds is no consent: whoever sends a folder to somebody else
    must not choose what code runs there.

    Args:
        names: as in a suite; or the path of a file, whose classes then have short names too.
        folder: where relative paths begin, by default the current folder.

    Raises:
        InputError: a name that is not of the form `package.module:Class`, `path/to/file.py:Class`
            or `path/to/file.py`.
    """
    for name in names:
        if not is_foreign(name) and _is_path(name) and len(name) <= _MOST_NAME:
            _used.discard(name)
            _files[str(((folder or Path()) / name).absolute())] = name
            continue
        place, _, attribute = name.rpartition(":")
        is_module = all(part.isidentifier() for part in place.split("."))
        is_name = (is_module or _is_path(place)) and attribute.isidentifier()
        if not is_name or len(name) > _MOST_NAME:
            raise InputError(
                "Expected a plug-in to be named like package.module:Class, path/to/file.py:Class "
                f"or path/to/file.py, got {shown(name)}"
            )
        _used.discard(name)
        _short.discard(name)
        _consented[name] = (
            str(((folder or Path()) / place).absolute()) if _is_path(place) else place
        )


def hand_over(made: type[Any]) -> str:
    """Allow a class that the user has in hand, and return the name by which suites ask for it.

    It is not imported again: the file that defines it may be the script that runs.

    Raises:
        InputError: it is not defined at the top of its module.
    """
    place = sources.place_of(made.__module__)
    name = f"{Path(place).name if _is_path(place) else place}:{made.__qualname__}"
    consent([name])
    _consented[name] = place
    _handed[name] = made
    return name


def unused(names: Iterable[str]) -> list[str]:
    """Those of these names with consent that nothing has asked for since."""
    return [name for name in names if name not in _used]


def allow(name: str) -> None:
    """Allow a class to be imported that has a short name: by an entry point, or in a named file.

    Whoever installs a package consents to that (docs/trust.md).

    Args:
        name: of the form `package.module:Class` or `path/to/file.py:Class`.
    """
    if name not in _consented:
        _short.add(name)
        _consented[name] = name.rpartition(":")[0]


def named_classes() -> list[str]:
    """The names with which the user has named classes by where they lie."""
    return [name for name in _consented if name not in _short]


def named_files() -> list[Path]:
    """The files that the user has named as a whole."""
    return [Path(path) for path in _files]


def import_named(path: Path) -> ModuleType:
    """Import a file that the user has named as a whole.

    Raises:
        InputError: it cannot be imported.
    """
    name = _files[str(path)]
    _used.add(name)
    with foreign_code(name):
        return _import(name, str(path))


def _is_path(place: str) -> bool:
    return place.endswith(".py")


def _place_of(name: str) -> str:
    """Where a plug-in lies that the user has consented to.

    A file is known by its own name and its class: in which folder it lies is the user's to say, so
    that a run's folder can be read on another machine.

    Raises:
        ConsentMissing: the user has not named it.
    """
    if name in _consented:
        _used.add(name)
        return _consented[name]
    place, _, attribute = name.rpartition(":")
    elsewhere = {
        known: other
        for other, known in _consented.items()
        if _is_path(place)
        and _is_path(known)
        and Path(known).name == Path(place).name
        and other.rpartition(":")[2] == attribute
    }
    if _is_path(place):
        whole = {
            path: named for path, named in _files.items() if Path(path).name == Path(place).name
        }
        elsewhere |= whole
    if len(elsewhere) == 1:
        ((found, named),) = elsewhere.items()
        _used.add(named)
        return found
    how = f"pass --plugin {name} (in Python: foreign.consent([{name!r}]))"
    if _is_path(place):  # the name is relative to a file that may lie on another machine
        how = (
            f"pass --plugin PATH/{Path(place).name}:{attribute}, with the path of the file as it "
            "lies here (in Python: foreign.consent([...]))"
        )
    raise ConsentMissing(
        f"Expected your consent before the code of {shown(name)} is imported, which is not part of "
        f"robust_augcl: {how}"
    )


def load_class(name: str) -> type[Any]:
    """Import other people's code, and return the class of that name.

    Raises:
        ConsentMissing: the user has not named it.
        InputError: it cannot be imported, or defines no such class.
    """
    place = _place_of(name)
    with foreign_code(name):
        found = _handed.get(name) or _imported_class(name, place)
        is_ours = found.__module__.partition(".")[0] == "robust_augcl"
        digest = "" if is_ours else sources.origin(found)["source"]
    _loaded[name] = Foreign(name, place, digest, place in _files)
    return found


def _imported_class(name: str, place: str) -> type[Any]:
    module, attribute = _import(name, place), name.rpartition(":")[2]
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        raise InputError(
            f"Expected {cut(place)} to define the class {cut(attribute)}{_nearest(module, name)}"
        )
    return found


def load_function(name: str, what: str) -> Callable[..., Any]:
    """Import other people's code, and return the function of that name.

    Args:
        name: `package.module:function` or `path/to/file.py:function`.
        what: it does, for errors, such as "that returns a module".

    Raises:
        ConsentMissing: the user has not named it.
        InputError: it cannot be imported, or defines no such function.
    """
    place, attribute = _place_of(name), name.rpartition(":")[2]
    with foreign_code(name):
        found = getattr(_import(name, place), attribute, None)
        if not callable(found):
            raise InputError(
                f"Expected {cut(place)} to define {cut(attribute)}, a function {what}, it does not"
            )
    function: Callable[..., Any] = found
    return function


@contextlib.contextmanager
def foreign_code(name: str) -> Iterator[None]:
    """Turn whatever other people's code raises into an `InputError` that names it.

    Code that ends the process is among it; Ctrl-C is the user's, and goes on.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise InputError(
            f"Cannot import {shown(name)}: its code raised {type(error).__name__}: "
            f"{cut(one_line(error))}"
        ) from error


def _import(name: str, place: str) -> ModuleType:
    if _is_path(place):
        try:
            source = read_bytes(Path(place), _MOST_SOURCE)
        except OSError as error:
            raise InputError(f"Cannot import {shown(name)}: {error.strerror or error}") from None
        return patiently(partial(sources.import_file, Path(place), source), patience.TO_USE)
    try:
        return patiently(partial(importlib.import_module, place), patience.TO_USE)
    except ModuleNotFoundError as error:
        if error.name and f"{place}.".startswith(f"{error.name}."):  # not one that it imports
            raise InputError(
                f"Cannot import {shown(name)}: there is no module {error.name}"
            ) from None
        raise


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
        if plug_in.is_named:
            _files.setdefault(plug_in.place, plug_in.place)
        load_class(plug_in.name)
        if _loaded[plug_in.name].digest != plug_in.digest:
            raise InputError(
                f"Expected the source of {plug_in.name!r} to be the one that the run began with, "
                "it was changed: run again"
            )


def withdraw() -> None:
    """Take back all consent, and forget which plug-ins of other people were loaded."""
    _consented.clear()
    _files.clear()
    _short.clear()
    _used.clear()
    _loaded.clear()
    _handed.clear()
