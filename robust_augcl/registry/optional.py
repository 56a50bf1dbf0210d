"""Optional parts: what works only where other packages are installed, and what installs them.

Light: whether a package is there is asked without importing it.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import NamedTuple


class OptionalPart(NamedTuple):
    """A part of this package that needs others.

    Args:
        name: by which plug-ins ask for it.
        modules: what must be importable.
        install: the commands that install it, one after the other.
        gives: what there is with it, in words.
    """

    name: str
    modules: tuple[str, ...]
    install: tuple[str, ...]
    gives: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of its modules that are not there."""
        return tuple(module for module in self.modules if find_spec(module) is None)

    @property
    def problem(self) -> str:
        """Why it cannot be used, and what would install it; empty where it can."""
        if not self.missing:
            return ""
        return f"{', '.join(self.missing)} not installed: {' && '.join(self.install)}"

    @property
    def version(self) -> str:
        """The version of the package that it is named after; empty where it is not installed."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return ""


DEEPROBUST = OptionalPart(
    name="deeprobust",
    modules=("deeprobust", "numba", "gensim"),
    install=(
        'pip install "robust-augcl[deeprobust]"',
        "pip install --no-deps deeprobust==0.2.11",
    ),
    gives="attacks on nodes of DeepRobust, an independent library",
)
DASK = OptionalPart(
    name="distributed",
    modules=("distributed",),
    install=('pip install "robust-augcl[dask]"',),
    gives="workers on several machines",
)
FRAME = OptionalPart(
    name="pandas",
    modules=("pandas",),
    install=('pip install "robust-augcl[frame]"',),
    gives="results as a data frame",
)

PARTS = {part.name: part for part in (DEEPROBUST, DASK, FRAME)}
"""All optional parts, by name."""


def problem_of(name: str | None) -> str:
    """Why a part cannot be used; empty where it can, and for no part.

    >>> problem_of(None)
    ''
    """
    return "" if name is None else PARTS[name].problem
