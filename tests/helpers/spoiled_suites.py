"""Suites spoiled at random: by their structure, or by the bytes of their files."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from typing import Any

Place = tuple[Any, Any]
"""A table or an array, and the key or the number of one of its values."""

NUMBERS: list[Any] = [
    0, 1, -1, True, 2**31, 2**63 - 1, 2**63, -(2**63), 2**70, 10**5999, 16**5999,
    0.0, -0.0, 0.5, 1.0, 1e-320, 1e308, math.inf, -math.inf, math.nan,
]  # fmt: skip
TEXTS = [
    "", " ", "x", "\x00", "\x1b[31m", "\u0663", "1_0", "\u202eabc", "\U0001f4a5" * 70, "\ud800",
    "\udcff", "a\nb", "x" * 101, "x" * 100_000, "../mine.py", "mine.py:Class", "os:system",
    "no.such:Thing", ":", "a:b", "/dev/zero:X", "/dev/zero.py:X", "augcl", "exhaustive",
    "components", "tu", "nan", "clean", "GraphCL", "%s{0}", "__class__", "delta", "1979-05-27",
]  # fmt: skip
KEYS = [*TEXTS[:14], "x" * 5_000, "name", "label", "budgets", "pretraining", "of", "seeds", "scale"]
BYTES = [
    b"[", b"]", b"[[", b"]]", b"{", b"}", b"=", b".", b",", b'"', b"'", b'"""', b"\\", b"\n", b"#",
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", "\u0663".encode(), b"1_0", b"+1", b"1e400", b"nan",
    b"0x" + b"f" * 6_000, b"9" * 6_000, b"[" * 100_000, b"{a=" * 50_000, b"a." * 5_000,
    b"k" * 5_000, b"1979-05-27", b"2023-02-30", b"25:61:61", b"\\uD800", b"x = 1\n" * 3, b"true",
    b'name = "x"\n', b"[[attacks]]\n", b"[threat]\n",
]  # fmt: skip


def spoil(table: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy of a suite's table with one to three faults."""
    spoiled = {"": copy.deepcopy(table)}  # so that the whole table has a place too
    for _ in range(chance.randint(1, 3)):
        places = _places(spoiled)
        if places:
            chance.choice(_FAULTS)(*chance.choice(places), chance)
    whole = spoiled.get("")
    return whole if isinstance(whole, dict) else table


def spoil_bytes(content: bytes, chance: random.Random) -> bytes:
    """A suite's file with one to five faults in its bytes."""
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(content) + 1)
        to = min(len(content), at + chance.choice([0, 0, 1, 1, 7, 100]))
        new = chance.choice([b"", content[at:to] * 2, chance.randbytes(1), chance.choice(BYTES)])
        content = content[:at] + new + content[to:]
    return content


def as_toml(table: dict[str, Any]) -> str:
    """A table as the text of a TOML file, every inner table in one line."""
    return "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in table.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > 10_000:
        return hex(value)
    return json.dumps(value)


# --- faults ---------------------------------------------------------------------------------------


def _places(value: Any) -> list[Place]:
    """The places of all values in a table."""
    found: list[Place] = []
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        keys = inner if isinstance(inner, dict) else range(min(len(inner), 20))
        for key in keys:
            found.append((inner, key))
            if isinstance(inner[key], dict | list):
                waiting.append(inner[key])
    return found


def _drop(inner: Any, key: Any, chance: random.Random) -> None:
    del inner[key]


def _repeat(inner: Any, key: Any, chance: random.Random) -> None:
    if isinstance(inner, list):
        inner.insert(key, copy.deepcopy(inner[key]))
    elif isinstance(inner[key], list):
        inner[key] = inner[key] * chance.choice([2, 50])
    else:
        inner[key] = [inner[key], inner[key]]


def _retype(inner: Any, key: Any, chance: random.Random) -> None:
    inner[key] = chance.choice([*NUMBERS, *TEXTS, [], {}, [[]], [{}], [1], ["x"], {"x": 1}, None])


def _nest(inner: Any, key: Any, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 2, 25, 90])):
        inner[key] = [inner[key]] if chance.random() < 0.5 else {"x": inner[key]}


def _add(inner: Any, key: Any, chance: random.Random) -> None:
    value = chance.choice([*NUMBERS, *TEXTS])
    if isinstance(inner, dict):
        inner[chance.choice(KEYS)] = value
    else:
        inner.append(value)


def _swap(inner: Any, key: Any, chance: random.Random) -> None:
    other = chance.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
    inner[key], inner[other] = inner[other], inner[key]


def _scale(inner: Any, key: Any, chance: random.Random) -> None:
    value = inner[key]
    if isinstance(value, int | float):
        inner[key] = value * chance.choice([-1, 0, 0.1, 10, 10**9, 10**20])
    else:
        _retype(inner, key, chance)


_FAULTS: list[Callable[[Any, Any, random.Random], None]] = [
    _drop, _repeat, _retype, _nest, _add, _swap, _scale,
]  # fmt: skip
