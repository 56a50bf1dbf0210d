"""Strict reading: what a file says is taken to the type, or the file is refused in one short line.

JSON is parsed with limits: nested so deep at the most, no key twice in one table, no number that is
not finite. A dataclass is then read from it without any conversion: true is no 1, and 1.0 is no 1.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from robust_augcl.errors import ArtifactDamaged, cut, one_line, shown

T = TypeVar("T")

MOST_DEPTH = 64
"""How deep JSON may be nested; what the code writes is nested less than ten deep."""
MOST_CLASSES = 10_000
"""How many classes a data set may have."""
STRICT = ConfigDict(strict=True, extra="forbid")
"""Of dataclasses that are read back: `__pydantic_config__ = STRICT`."""

_MOST_NODES = 2**31
_MOST_WHOLE = 2**63
_MOST_TEXT = 1_000_000
_FLOAT32 = 3.5e38
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


# --- JSON -----------------------------------------------------------------------------------------


def parse(text: str, allow_nan: bool = False) -> Any:
    """Parse JSON from a file.

    Args:
        text: the JSON.
        allow_nan: whether numbers may be NaN or infinite; a model of the fields says which.

    Raises:
        ValueError: not JSON, nested too deep, a key twice in one table.

    Example:
        >>> parse('{"a": 1}')
        {'a': 1}
        >>> parse('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        ValueError: the key 'a' stands twice in one table
    """
    check_depth(text)
    return json.loads(
        text, object_pairs_hook=_table, parse_constant=None if allow_nan else _not_finite
    )


def check_depth(text: str) -> None:
    """Raise `ValueError` for JSON that is nested too deep, before anybody parses it."""
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    depth = 0
    for token in _TOKEN.finditer(text):
        letter = token[0][0]
        if letter in "[{":
            depth += 1
            if depth > MOST_DEPTH:
                raise ValueError(f"JSON is nested more than {MOST_DEPTH} deep")
        elif letter in "]}":
            depth -= 1


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shown(twice)} stands twice in one table")
    return table


def _not_finite(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no finite number")


# --- types of fields ------------------------------------------------------------------------------


def plain(value: Any, allow_nan: bool = False) -> Any:
    """A JSON value of any form, if its parts are within limits.

    Raises:
        ValueError: a whole number of more than 63 bits, a number that is not finite, a text that is
            too long or no Unicode.
    """
    kind = type(value)
    if kind is dict:
        for name, item in value.items():
            plain(name)
            plain(item, allow_nan)
    elif kind is list:
        for item in value:
            plain(item, allow_nan)
    elif kind is int:
        if not -_MOST_WHOLE < value < _MOST_WHOLE:
            raise ValueError("whole numbers of at most 63 bits")
    elif kind is float:
        if not (allow_nan or math.isfinite(value)):
            raise ValueError("finite numbers")
    elif kind is str:
        if len(value) > _MOST_TEXT or (not value.isascii() and not _is_unicode(value)):
            raise ValueError("Unicode text of at most a million letters")
    elif value is not None and kind is not bool:
        raise ValueError("JSON")
    return value


def _is_unicode(text: str) -> bool:
    """Whether a text can be written: half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


Index = Annotated[int, Field(ge=0, lt=_MOST_NODES)]
"""The number of a graph, a node, a class."""
Whole = Annotated[int, Field(ge=0, lt=_MOST_WHOLE)]
"""A count of what may be many."""
Positive = Annotated[int, Field(ge=1, lt=_MOST_NODES)]
Margin = Annotated[float, Field(ge=-_FLOAT32, le=_FLOAT32, allow_inf_nan=False)]
"""A number that a model computed."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Budget = (
    Annotated[int, Field(ge=1, lt=_MOST_NODES)]
    | Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
)
"""A number of edits, or a share of the edges: 1 is one edit, 1.0 is all edges."""
Classes = Annotated[int, Field(ge=1, le=MOST_CLASSES)]
Name = Annotated[str, Field(max_length=10_000)]
Note = Annotated[str, Field(max_length=_MOST_TEXT)]
_KEY, _DIGEST = r"^[a-z_]{1,40}-[0-9a-f]{20}$", r"^[0-9a-f]{64}$"
_PATTERNS = {_KEY: "the key of a result", _DIGEST: "64 hexadecimal digits"}
Key = Annotated[str, Field(pattern=_KEY)]
"""The address of a step's result."""
Digest = Annotated[str, Field(pattern=_DIGEST)]
"""SHA-256 in hexadecimal digits."""
Pair = Annotated[list[Index], Field(min_length=2, max_length=2)]
"""Two nodes."""
Table = Annotated[dict[str, Any], AfterValidator(plain)]
"""A table of any JSON within limits."""


# --- dataclasses ----------------------------------------------------------------------------------


_PLAIN = {
    "dataclass_type": "a table of fields",
    "dict_type": "a table",
    "list_type": "a list",
    "tuple_type": "a list",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "none_required": "null",
}
"""Pydantic's name of what is wrong -> what was expected, as people say it."""
_LENGTHS = {"too_short": "a list of at least", "too_long": "a list of at most"}
_TYPE = re.compile(r"(constrained-)?(int|float|str|bool)|(list|dict|tuple|function-[a-z]+)\[.*")
"""What pydantic puts in a place for each type that a field may have."""


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(cls: type[T]) -> TypeAdapter[T]:
    if cls not in _adapters:
        _adapters[cls] = TypeAdapter(cls)
    return _adapters[cls]


def read_as(cls: type[T], text: str, source: str, what: str) -> T:
    """Read a dataclass from JSON, strictly.

    Args:
        cls: the dataclass, with `STRICT` as its configuration.
        text: the JSON.
        source: names the file in errors.
        what: names what is read in errors, e.g. "a record".

    Raises:
        ArtifactDamaged: an unknown, missing or wrong field; the line names it.
    """
    try:
        return _adapter(cls).validate_json(text, strict=True)
    except ValidationError as error:
        raise ArtifactDamaged(_line(error, source, what)) from None


def table_as(cls: type[T], value: dict[str, Any]) -> T:
    """Read a dataclass from a table inside of another.

    Raises:
        ValueError: an unknown, missing or wrong field.
    """
    try:
        return _adapter(cls).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise ValueError(f"a table with {_expected(error)}") from None


def require_all(cls: type[object], held: Any, source: str, what: str) -> None:
    """Raise `ArtifactDamaged` where a table lacks a field of a dataclass, defaults or not.

    Fields that came later (`revisions.LATER`) may be left out.
    """
    of = dataclasses.fields(cls)  # type: ignore[arg-type]
    names = [f.name for f in of if f.init and not f.metadata.get("later")]
    for name in names:
        if name not in held:
            raise ArtifactDamaged(f"{source}: expected {what}, got none of its field `{name}`")


def _line(error: ValidationError, source: str, what: str) -> str:
    """One line for the first thing that is wrong."""
    return f"{source}: expected {what}, {_expected(error)}"


def _expected(error: ValidationError) -> str:
    """What was expected where, and what is there."""
    found = error.errors(include_url=False)
    first, place = found[0], _place(found[0])
    where, got = cut(".".join(map(str, place))), shown(first["input"])
    if first["type"] == "json_invalid":
        return f"got no JSON ({cut(first['msg'], 100)})"
    if first["type"] in ("missing", "missing_argument"):
        return f"got none of its field `{where}`"
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"got an unknown field `{where}`"
    # Of a field of several types there is an error for each type.
    words = dict.fromkeys(_words(each) for each in found if _place(each) == place)
    if not place:
        return f"as {' or '.join(words)}, got {got}"
    return f"its `{where}` to be {' or '.join(words)}, got {got}"


def _place(error: ErrorDetails) -> tuple[int | str, ...]:
    """The keys and places that lead to what is wrong, without the names of a field's types."""
    return tuple(
        each for each in error["loc"] if isinstance(each, int) or not _TYPE.fullmatch(each)
    )


def _words(error: ErrorDetails) -> str:
    """What was expected instead, in plain words."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], "another text")
    if kind in _LENGTHS:
        count = context.get("min_length", context.get("max_length"))
        return f"{_LENGTHS[kind]} {count} entries, and not {context['actual_length']}"
    message = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return cut(message, 120)


def reason(error: BaseException) -> str:
    """What an error says, in one short line."""
    return f"no `{shown(error.args[0])}`" if isinstance(error, KeyError) else one_line(error)


# --- tables with a checksum -----------------------------------------------------------------------


def seal(content: dict[str, Any]) -> str:
    """The checksum of a table, which stands in it as `digest`."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def unsealed(text: str, version: int, source: str, what: str) -> dict[str, Any]:
    """Parse a table with a checksum and a version, and return what else it holds.

    Raises:
        ArtifactDamaged: no such table, of another version, or altered since it was written.
    """
    try:
        content = parse(text)
        digest, found = content.pop("digest"), content.get("version")
        intact = type(found) is int and found == version and digest == seal(content)
        del content["version"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactDamaged(f"{source}: expected {what} as JSON ({reason(error)})") from None
    if not intact:
        the = what.removeprefix("a ").removeprefix("an ")
        raise ArtifactDamaged(f"{source}: the {the} was altered, or another version wrote it")
    return content
