"""From text to tables that a suite may hold: TOML files, and `--set`.

What is read here was written by anybody, so it has limits: of a file's size, of nesting, of numbers
and of text. They are far above what a suite needs.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from robust_augcl.errors import InputError, cut, one_line, shown, unknown

MOST_BYTES = 2**18
"""Bytes of a suite's file, at the most."""

_MOST_PARTS = 100  # of a dotted key: the parser takes time quadratic in them
_KEY_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_KEY_PART}\.[ \t]*+){{{_MOST_PARTS}}}")
_MOST_DEPTH = 20
_MOST_TEXT = 1_000
_MOST_KEY = 200
_MOST_NUMBER = 2**63  # as in TOML

_PART = re.compile(r"""\s*(?:("(?:[^"\\]|\\.)*"|'[^']*')\s*|([^.=]*))(\.|=|\Z)""")
"""One part of a dotted key, in the quotes of TOML or bare, and what follows it."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What is no text: control characters but for tabs and ends of lines, and lone surrogates."""


# --- text -----------------------------------------------------------------------------------------


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Parse a TOML document; `source` names it in errors.

    Raises:
        InputError: no TOML, or something that no suite holds (`check_values`).
    """
    try:
        table = _loads(text)
    except ValueError as error:
        raise InputError(f"{source}: Expected a TOML file, got {one_line(error)}") from None
    check_values(table, source)
    return table


def _loads(text: str) -> dict[str, Any]:
    """Parse TOML, in bounded time.

    Raises:
        ValueError: what is wrong, in words.
    """
    if found := _LONG_KEY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"line {line} with a key of more than {_MOST_PARTS} parts")
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError(f"arrays or tables nested more than {_MOST_DEPTH} deep") from None
    except ValueError:  # of Python's own, about the digits of a number
        raise ValueError("a number of more than 4,300 digits") from None


# --- values ---------------------------------------------------------------------------------------


def check_values(table: Mapping[str, Any], source: str) -> None:
    """Refuse what no suite holds, before anything looks closer at it.

    A suite holds text, finite numbers of 64 bits, true and false, arrays and tables. They are
    nested some levels deep, and keys and texts can be read.

    Args:
        table: of a suite.
        source: names it in errors.

    Raises:
        InputError: anything else.
    """
    for key, value in table.items():
        _check(value, (key,), source)


def _check(value: Any, path: tuple[Any, ...], source: str) -> None:
    """Refuse what no suite holds; `path` leads to the value."""
    if len(path) > _MOST_DEPTH:
        raise InputError(
            f"{source}: Expected arrays and tables nested at most {_MOST_DEPTH} deep, got "
            f"more in `{_key(path[:1])}`"
        )
    if not isinstance(path[-1], int | str) or not _is_text(str(path[-1]), _MOST_KEY):
        raise InputError(
            f"{source}: Expected keys of at most {_MOST_KEY} characters of text, got "
            f"{shown(path[-1])}"
        )
    if isinstance(value, Mapping | list):
        entries = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in entries:
            _check(inner, (*path, key), source)
    elif expected := _expected(value):
        where = f"{source}: [{path[0]}]" if len(path) > 1 else source
        raise InputError(
            f"{where}: Expected `{_key(path[1:] or path)}` to be {expected}, got {shown(value)}"
        )


def _expected(value: Any) -> str:
    """What was expected instead of this value; empty where it may stand in a suite."""
    if isinstance(value, str):
        most = f"text of at most {_MOST_TEXT:,} characters, none of them for control"
        return "" if _is_text(value, _MOST_TEXT) else most
    if isinstance(value, int):  # true and false are such
        fits = -_MOST_NUMBER <= value < _MOST_NUMBER
        return "" if fits else "a number of at most 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "a finite number"
    return "" if value is None else "text, a number, true or false, an array or a table"


def _is_text(value: str, most: int) -> bool:
    return len(value) <= most and _CONTROL.search(value) is None


def _key(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


# --- single values --------------------------------------------------------------------------------


def override(table: dict[str, Any], assignment: str) -> None:
    """Set one value of a nested table in place: `dotted.key=value`.

    The value is read as in TOML; what is no TOML is a plain string.

    An element of an array of tables is named by its `label` or `name`:
    ``attacks.rl_s2v.steps=100``. A part that holds a dot or an equals sign stands in quotes, as in
    TOML: ``methods."1/mean - 0.2".delta=0.3``.

    Raises:
        InputError: no such form, or a part of the key that names nothing.

    Example:
        >>> table = {"attacks": [{"name": "beam", "width": 3}]}
        >>> override(table, "attacks.beam.width=5")
        >>> table["attacks"]
        [{'name': 'beam', 'width': 5}]
    """
    parts, text = _split(assignment)
    *path, last = parts
    dotted = cut(assignment[: len(assignment) - len(text) - 1].strip())
    at: Any = table
    for part in path:
        at = _child(at, part, dotted)
    if isinstance(at, list):
        _require_tables(at, dotted)
        raise InputError(f"Expected --set {dotted} to name a single value, got a list of tables")
    at[last] = _value(text, dotted)


def _split(assignment: str) -> tuple[list[str], str]:
    """The parts of the key, and the text of the value."""
    parts: list[str] = []
    position, after = 0, "."
    while after == "." and len(parts) < _MOST_DEPTH:
        found = _PART.match(assignment, position)
        if found is None:
            break
        quoted, bare, after = found.groups()
        try:
            parts.append(bare.strip() if quoted is None else _loads(f"part = {quoted}")["part"])
        except ValueError:
            parts.append("")
        position = found.end()
    if after != "=" or not all(parts):
        raise InputError(f"Expected --set to be dotted.key=value, got {shown(assignment)}")
    return parts, assignment[position:]


def _value(text: str, dotted: str) -> Any:
    """What stands behind the equals sign."""
    try:
        read = _loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text.strip()
    except ValueError as error:
        raise InputError(f"Expected --set {dotted} to have a TOML value, got {error}") from None
    return read["value"] if len(read) == 1 else text.strip()  # a line break begins another key


def _require_tables(at: list[Any], dotted: str) -> None:
    """Refuse a list of plain values: only as a whole it can be set."""
    if not any(isinstance(entry, dict) for entry in at):
        raise InputError(
            f"Expected --set {dotted} to name a single value, but it is in the list {shown(at)}: "
            "set that as a whole"
        )


def _child(at: Any, part: str, dotted: str) -> Any:
    if isinstance(at, list):
        _require_tables(at, dotted)
        labels = {
            str(entry.get("label", entry.get("name"))): entry
            for entry in at
            if isinstance(entry, dict)
        }
        if part not in labels:
            error = unknown(f"part of --set {dotted}:", part, labels)
            raise InputError(f"{error}; an entry is named by its label, or else by its name")
        return labels[part]
    child = at.setdefault(part, {})
    if not isinstance(child, dict | list):
        raise InputError(
            f"Expected --set {dotted} to name a value, but `{cut(part)}` is {shown(child)}"
        )
    return child
