"""What the processes of one call of pytest share: folders and values, each made once.

With `pytest -n 2` two processes run the tests of whole runs. What is the same for both is made by
the first one that needs it, and kept in a folder that goes with the folders of `tmp_path`. So
nothing outlives one call of pytest, and no code that has changed since is believed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of this call of pytest know."""
    base = tmp_path_factory.getbasetemp()
    # Of several processes each has a folder of its own in that of the call.
    at = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    at.mkdir(exist_ok=True)
    return at


def made_once(at: Path, make: Callable[[Path], object]) -> Path:
    """A folder that one process fills by `make`, while all others that need it wait.

    Args:
        at: the folder. It is not to be changed later.
        make: is given the folder, empty. Where it fails, or its process is killed, the next one
            begins anew.
    """
    with _locked(at.with_name(f"{at.name}.lock")):
        whole = at.with_name(f"{at.name}.whole")
        if not whole.exists():
            shutil.rmtree(at, ignore_errors=True)
            at.mkdir()
            make(at)
            whole.touch()
    return at


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that no other process holds; the system lets it go, however a process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Kept:
    """What was found for a key, by this process or another one of this call of pytest.

    Args:
        folder: where the values lie, pickled. A key goes by its `repr`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._here: dict[Any, Any] = {}

    def __contains__(self, key: Any) -> bool:
        if key not in self._here:
            with contextlib.suppress(OSError):  # a test may take away the right to read it
                self._here[key] = pickle.loads(self._path(key).read_bytes())
        return key in self._here

    def __getitem__(self, key: Any) -> Any:
        if key not in self:
            raise KeyError(key)
        return self._here[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._here[key] = value
        with contextlib.suppress(OSError):  # or to write there
            handle, path = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(pickle.dumps(value))
            os.replace(path, self._path(key))  # others find it whole, or not at all

    def _path(self, key: Any) -> Path:
        return self._folder / f"{hashlib.sha256(repr(key).encode()).hexdigest()}.pickle"
