"""From a name to the class, or the suite, that it stands for."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from robust_augcl import foreign
from robust_augcl.errors import InputError, cut, shown, unknown
from robust_augcl.foreign import foreign_code, is_foreign, load_class
from robust_augcl.registry import own
from robust_augcl.registry.installed import installed
from robust_augcl.registry.named_files import files_called, in_file

_PLACES = {
    "data source": ("dataset", "source"),
    "encoder": ("encoder", "name"),
    "method": ("methods", "name"),
    "attack": ("attacks", "name"),
}
"""Kind of plug-in -> the table of a suite that names it, and the key there."""


def load(kind: str, name: str) -> type[Any]:
    """Import a plug-in and return its class.

    Args:
        kind: "attack", "encoder", "method" or "data source".
        name: a short name: our own, of an installed package, or of a file that the user named; or
            `package.module:Class`, or `path/to/file.py:Class`.

    Raises:
        InputError: no such name (the message holds the nearest known one); a name that several
            claim; other people's code that the user has not consented to, that cannot be imported,
            or that is of another kind.
        TypeError: a file of our own does not define exactly one class of the right kind.

    >>> load("attack", "beam").__name__
    'Beam'
    """
    if is_foreign(name):
        return _load_foreign(kind, name, name)
    claims = claims_to(kind, name)
    if len(claims) > 1:
        raise _taken(kind, name, claims)
    if not claims:
        raise _unknown(kind, name)
    (claim,) = claims
    if claim.is_own:
        return own.load_own(kind, name)
    if claim.problem:
        raise InputError(f"Cannot import {shown(name)} of {cut(claim.maker)}: {claim.problem}")
    foreign.allow(claim.address)
    return _load_foreign(kind, claim.address, name)


def _load_foreign(kind: str, address: str, name: str) -> type[Any]:
    with foreign_code(name):
        return _checked(kind, name, load_class(address))


class Claim(NamedTuple):
    """Somebody who says what a short name stands for.

    Args:
        maker: the distribution and its version, or a file.
        address: `package.module:Class`, or `path/to/file.py:Class`.
        problem: why it is of no use, as far as that is known; else empty.
        is_own: whether it is ours.
    """

    maker: str
    address: str
    problem: str = ""
    is_own: bool = False


def claims_to(kind: str, name: str) -> list[Claim]:
    """All who say what a short name stands for. Only files that the user named are imported."""
    found = []
    if kind != own.SUITE and name in own.names(kind):
        found.append(Claim("robust-augcl", f"{own.GROUPS[kind][0]}.{name}", is_own=True))
    if kind == own.SUITE and name in own.suite_texts():
        found.append(Claim("robust-augcl", f"robust_augcl.suites/{name}.toml", is_own=True))
    found += [
        Claim(entry.maker, entry.value, entry.problem)
        for entry in installed(kind)
        if entry.name == name
    ]
    if kind != own.SUITE:
        for path in files_called(name):
            made = in_file(kind, path)
            found += [Claim(str(path), entry.address) for entry in made]
    return found


def _taken(kind: str, name: str, claims: list[Claim]) -> InputError:
    by = " and ".join(f"{cut(c.maker)} ({cut(c.address)})" for c in claims)
    what = f"the {kind} {shown(name)}"
    if kind == own.SUITE:
        return InputError(f"Expected one maker of {what}, its name is taken by {by}: name its file")
    return InputError(
        f"Expected one maker of {what}, its name is taken by {by}: name yours by "
        "package.module:Class or path/to/file.py:Class"
    )


def _unknown(kind: str, name: str) -> InputError:
    error = unknown(kind, name, known_names(kind))
    if "." in name or "/" in name:
        return InputError(
            f"{error}; one of your own is named like path/to/file.py:Class or package.module:Class"
        )
    return error


def known_names(kind: str) -> list[str]:
    """All short names of a kind, those of files aside whose names nobody has asked for.

    >>> "beam" in known_names("attack")
    True
    """
    mine = list(own.suite_texts()) if kind == own.SUITE else own.names(kind)
    return sorted({*mine, *(entry.name for entry in installed(kind) if not entry.problem)})


def _checked(kind: str, name: str, found: type[Any]) -> type[Any]:
    """Other people's class, if instances of it can be made and used as plug-ins of that kind."""
    base = own.base_of(kind)
    article = "an" if kind[0] in "aeiou" else "a"
    expected = f"Expected {shown(name)} to be {article} {kind}"
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


# --- suites ---------------------------------------------------------------------------------------


def load_suite_text(name: str) -> tuple[str, Path | None] | None:
    """The text of a suite by its short name, and the folder of its file where it is not ours.

    None where nobody has a suite of this name.

    Raises:
        InputError: a name that several claim, or a file that cannot be read.
    """
    claims = claims_to(own.SUITE, name)
    if not claims:
        return None
    if len(claims) > 1:
        raise _taken(own.SUITE, name, claims)
    (claim,) = claims
    if claim.is_own:
        return own.suite_texts()[name], None
    if claim.problem:
        raise InputError(f"Cannot read the suite {name} of {cut(claim.maker)}: {claim.problem}")
    path = next(entry for entry in installed(own.SUITE) if entry.name == name).suite_file()
    if path is None:
        raise InputError(f"Cannot read the suite {name} of {cut(claim.maker)}: it is gone")
    return path.read_text(encoding="utf-8"), path.parent


# --- the names in a suite -------------------------------------------------------------------------


def default_label(name: str, made: type[Any]) -> str:
    """What tables call a plug-in where a suite does not say: its short name, or the class's."""
    if not is_foreign(name):
        return name
    return str(getattr(made, "display_name", "") or made.__name__)


def named_in(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and name of each plug-in in a suite's table, as far as it is a suite's."""
    for kind, (section, key) in _PLACES.items():
        value = table.get(section)
        for entry in value if isinstance(value, list) else [value]:
            name = entry.get(key) if isinstance(entry, Mapping) else None
            if isinstance(name, str):
                yield kind, name


def needs(table: Mapping[str, Any]) -> list[str]:
    """The names of classes that are named by where they lie, in a suite's table.

    >>> needs({"attacks": [{"name": "beam"}, {"name": "acme.attacks:Flip"}]})
    ['acme.attacks:Flip']
    """
    return list(dict.fromkeys(name for _, name in named_in(table) if is_foreign(name)))


def of_others(table: Mapping[str, Any]) -> list[str]:
    """The names of all plug-ins in a suite's table that are not ours.

    >>> of_others({"attacks": [{"name": "beam"}, {"name": "acme_flip"}]})
    ['acme_flip']
    """
    found = (name for kind, name in named_in(table) if name not in own.names(kind))
    return list(dict.fromkeys(found))
