"""Functions on numbers and arrays that are compiled where numba is installed.

Numba compiles plain Python, so there is one text of each function. Without numba the same text runs
uncompiled. Both give the same bits: no operation is reordered or fused (`fastmath` is off), and
every sum has an order that is written down. Uncompiled it takes hundreds of times as long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., object])

IS_COMPILED = find_spec("numba") is not None
"""Whether functions are compiled here."""


def compiled(function: AnyFunction) -> AnyFunction:
    """The function, compiled when it is first called; machine code is kept beside its file.

    What is kept is used as long as no file of that folder changes.

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
        with _kept_apart(cast(FunctionType, function)):
            made = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        made.__qualname__ = function.__qualname__
    except RuntimeError:  # no folder that can be written, so nothing is kept
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return made


@contextmanager
def _kept_apart(function: FunctionType) -> Iterator[None]:
    """Let the name of what is kept hold the text of all files of the function's folder.

    Numba looks at the function's own file alone. So it would use machine code in which the old text
    of a function of another file stands.
    """
    name, folder = function.__qualname__, Path(function.__code__.co_filename).parent
    function.__qualname__ = f"{name}_{_digest(folder)}"
    try:
        yield
    finally:
        function.__qualname__ = name


@cache
def _digest(folder: Path) -> str:
    """Of the text of a folder's modules."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
