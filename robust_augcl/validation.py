"""Checks of settings, where they are made, with one wording."""

from __future__ import annotations

import math
from collections.abc import Sequence


def require_positive(settings: object, *names: str) -> None:
    """Raise `ValueError` for the first of these attributes that is not a positive, finite
    number.
    """
    for name in names:
        check_positive(name, getattr(settings, name))


def require_not_negative(settings: object, *names: str) -> None:
    """Raise `ValueError` for the first of these attributes that is not a finite number of at least
    0.
    """
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value < math.inf:
            raise ValueError(f"Expected `{name}` to be at least 0, got {value}")


def check_positive(name: str, value: float) -> None:
    """Raise `ValueError` unless this value is a positive, finite number."""
    if not 0 < value < math.inf:
        raise ValueError(f"Expected `{name}` to be positive, got {value}")


def require_one_of(settings: object, name: str, allowed: Sequence[str]) -> None:
    """Raise `ValueError` if this attribute is none of the words allowed."""
    value = getattr(settings, name)
    if value not in allowed:
        *most, last = (repr(word) for word in allowed)
        raise ValueError(f"Expected `{name}` to be {', '.join(most)} or {last}, got {value!r}")
