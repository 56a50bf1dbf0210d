"""Functions on numbers and arrays that are compiled where numba is installed.

Numba compiles plain Python, so there is one text of each function. Without numba the same text runs
uncompiled. Both give the same bits: no operation is reordered or fused (`fastmath` is off), and
every sum has an order that is written down. Uncompiled it takes hundreds of times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., object])

IS_COMPILED = find_spec("numba") is not None
"""Whether functions are compiled here."""


def compiled(function: AnyFunction) -> AnyFunction:
    """The function, compiled when it is first called; machine code is kept beside its file.

    >>> from robust_augcl.oracle.branches.sums import relu
    >>> relu(-2.0), relu(3.0)
    (0.0, 3.0)
    """
    if not IS_COMPILED:
        return function
    import numba

    made: Any  # what answers like the function
    # As NumPy does: no test of each division.
    try:
        made = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder that can be written, so nothing is kept
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return made
