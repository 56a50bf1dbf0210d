"""One bit a target, as short text: base64 of packed bits, the first target in the highest bit."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence


def packed(flags: Iterable[bool]) -> str:
    """Flags as text: a sixth of a letter each.

    Example:
        >>> packed([True, False, True]), packed([])
        ('oA==', '')
    """
    bits = "".join("1" if flag else "0" for flag in flags)
    if not bits:
        return ""
    size = (len(bits) + 7) // 8
    return base64.b64encode(int(bits.ljust(8 * size, "0"), 2).to_bytes(size, "big")).decode()


def unpacked(text: str, count: int) -> tuple[bool, ...]:
    """The flags that `packed` made text of.

    Args:
        text: as it was written.
        count: of the flags.

    Raises:
        ValueError: it is no such text, or one of another number of flags.

    Example:
        >>> unpacked("oA==", 3)
        (True, False, True)
        >>> unpacked("oQ==", 3)
        Traceback (most recent call last):
        ValueError: base64 of 3 bits
    """
    try:
        held = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"base64 of {count} bits") from None
    bits = f"{int.from_bytes(held, 'big'):0{8 * len(held)}b}" if held else ""
    flags = tuple(bit == "1" for bit in bits[:count])
    if packed(flags) != text or len(flags) != count:  # other spellings of the same are refused
        raise ValueError(f"base64 of {count} bits")
    return flags


def gaps(numbers: Sequence[int]) -> list[int]:
    """The first of some numbers, and the steps to each further one: short where they rise.

    Example:
        >>> gaps([1203, 1205, 1209])
        [1203, 2, 4]
    """
    return [after - before for before, after in zip([0, *numbers], numbers, strict=False)]


def summed(steps: Iterable[int]) -> list[int]:
    """The numbers of which `gaps` made steps.

    Example:
        >>> summed([1203, 2, 4])
        [1203, 1205, 1209]
    """
    found, reached = [], 0
    for step in steps:
        reached += step
        found.append(reached)
    return found
