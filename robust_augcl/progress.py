"""How long work tells how far it is: a function of a fraction done, from 0 to 1, and a few
words.
"""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[float, str], None]


def silent(fraction: float, text: str) -> None:
    """Tell nobody."""
