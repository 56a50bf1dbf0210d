"""Planetoid's files: Python-2 pickles of arrays, looked at before anything unpickles them.

A pickle is a program. Its operations are read here, and none of them runs: a file that names
anything but what Planetoid's arrays are made of is refused. Only then PyTorch Geometric reads it.
"""

from __future__ import annotations

import pickletools
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from torch_geometric.data import Data
from torch_geometric.io import read_planetoid_data

from robust_augcl.errors import InputError, cut
from robust_augcl.validation import read_bytes

PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
"""The files of a data set, each named ind.NAME.PART; the last one is text."""
MOST_BYTES = 2**28
_MAY_NAME = {
    "numpy ndarray",
    "numpy dtype",
    "numpy.core.multiarray _reconstruct",
    "scipy.sparse.csr csr_matrix",
    "collections defaultdict",
    "__builtin__ list",
    "_codecs encode",  # bytes, as Python 3 writes them for Python 2
}
"""What the pickles may name."""
_MAY_NOT_BE_USED = {
    "INST",
    "OBJ",
    "STACK_GLOBAL",
    "EXT1",
    "EXT2",
    "EXT4",
    "PERSID",
    "BINPERSID",
    "NEWOBJ_EX",
    "NEXT_BUFFER",
}
"""Operations that could name something in another way."""


def read_number_pickles(files: list[Path], name: str) -> Data:
    """Return the graph of a Planetoid data set, as PyTorch Geometric reads it.

    Args:
        files: in the order of `PARTS`.
        name: of the data set.

    Raises:
        InputError: a file that names other code, or that is no such file.
    """
    with TemporaryDirectory() as folder:
        # What is looked at is what is read: the files may change meanwhile.
        for part, path in zip(PARTS, files, strict=True):
            content = read_bytes(path, MOST_BYTES)
            if part != "test.index":
                refuse_code(content, path)
            (Path(folder) / f"ind.{name.lower()}.{part}").write_bytes(content)
        try:
            with warnings.catch_warnings():  # the reader changes the filters for good
                return read_planetoid_data(folder, name)
        except Exception as error:  # whatever unpickling of a damaged file raises
            raise InputError(
                f"Expected {files[0].parent} to hold the files of {name}, got others "
                f"({type(error).__name__}: {cut(str(error))})"
            ) from error


def refuse_code(content: bytes, path: Path) -> None:
    """Raise `InputError` for a pickle that is none, or that names anything but arrays.

    >>> import pickle
    >>> refuse_code(pickle.dumps([1, 2], protocol=2), Path("numbers"))
    >>> refuse_code(pickle.dumps(print, protocol=2), Path("code"))
    Traceback (most recent call last):
    robust_augcl.errors.InputError: Expected code to hold arrays alone, got what names \
'__builtin__ print'
    """
    try:
        for operation, argument, _ in pickletools.genops(content):
            named = str(argument) if operation.name == "GLOBAL" else ""
            if operation.name in _MAY_NOT_BE_USED or (named and named not in _MAY_NAME):
                raise InputError(
                    f"Expected {path} to hold arrays alone, got what names "
                    f"{cut(named or operation.name)!r}"
                )
    except InputError:
        raise
    except Exception as error:  # `genops` raises errors of several kinds at what is no pickle
        raise InputError(f"Expected {path} to be a pickle of arrays ({error})") from error
