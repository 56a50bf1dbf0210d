"""The store: what was computed, as plain files, each addressed by what determines it.

An artifact is one safetensors file: tensors, and JSON beside them. It is written whole or not at
all, and checked whenever it is read. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
from torch import Tensor

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.plan.kinds import KINDS

if TYPE_CHECKING:
    from robust_augcl.plan.step import Step

FORMAT = "robust_augcl/1"
WRITING = ".writing-"
"""How the names of files begin that are not whole yet."""
_ABANDONED_SECONDS = 3600  # where there are no locks: nothing here takes as long to write


@dataclass(frozen=True, eq=False)
class Artifact:
    """Tensors and what they are.

    Args:
        tensors: name -> tensor.
        info: what the tensors are, as JSON; the digest covers both.
        about: how they came to be (seconds, versions): two equal results may differ here.
    """

    tensors: Mapping[str, Tensor]
    info: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of tensors and info: equal for equal results."""
        state = hashlib.sha256(_json(self.info).encode())
        for name in sorted(self.tensors):
            tensor = self.tensors[name].detach().cpu().contiguous()
            state.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
            state.update(tensor.numpy().tobytes())
        return state.hexdigest()

    def dumps(self) -> bytes:
        """The artifact as the bytes of a safetensors file."""
        digest = self.digest
        about = _json(self.about)
        metadata = {
            "format": FORMAT,
            "info": _json(self.info),
            "about": about,
            "digest": digest,
            "checksum": hashlib.sha256((digest + about).encode()).hexdigest(),
        }
        tensors = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()
        }
        return safetensors.torch.save(tensors, metadata)

    @classmethod
    def read(cls, path: Path) -> Artifact:
        """Read and check an artifact.

        Raises:
            ArtifactDamaged: not an artifact, of another format, truncated, or altered since it was
                written.
        """
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            artifact = cls(tensors, json.loads(metadata["info"]), json.loads(metadata["about"]))
            wanted = metadata["format"], metadata["digest"], metadata["checksum"]
        except (OSError, safetensors.SafetensorError, KeyError, ValueError) as error:
            raise ArtifactDamaged(
                f"{path.name}: expected a stored artifact, got a file that cannot be read ({error})"
            ) from error
        digest = artifact.digest
        if wanted != (
            FORMAT,
            digest,
            hashlib.sha256((digest + metadata["about"]).encode()).hexdigest(),
        ):
            raise ArtifactDamaged(
                f"{path.name}: the artifact was altered: its checksum does not match its content"
            )
        return artifact


class Store:
    """A folder of artifacts and records.

    Args:
        root: the folder; it is made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artifacts = root / "artifacts"
        self.records = root / "records"
        self.failures = root / "failures"
        self.locks = root / "locks"

    def path(self, step: Step) -> Path:
        """Where a step's result lies."""
        stored_as = KINDS[step.kind].stores
        return self.record_path(step.key) if stored_as == "record" else self.artifact_path(step.key)

    def artifact_path(self, key: str) -> Path:
        return self.artifacts / f"{key}.safetensors"

    def record_path(self, key: str) -> Path:
        return self.records / f"{key}.jsonl"

    def failure_path(self, key: str) -> Path:
        return self.failures / f"{key}.json"

    @contextlib.contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Try to be the only one, of all processes on this folder, that computes `key`: yields
        whether that succeeded.

        The operating system gives a lock back when its process ends, however it ends. Where there
        are no such locks, every claim succeeds: then two runs may compute a step twice, and the
        last one's equal result stays.
        """
        try:
            import fcntl
        except ImportError:
            yield True
            return
        path = self.locks / f"{key}.lock"
        with _naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed the file between the opening and the locking: then
            # this lock is of no use.
            mine = os.stat(path).st_ino == os.fstat(handle).st_ino
        except (BlockingIOError, FileNotFoundError):
            mine = False
        except OSError:  # a file system without locks
            os.close(handle)
            yield True
            return
        try:
            yield mine
        finally:
            if mine:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            os.close(handle)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Wait to be the only one that changes what the folder says it holds."""
        with _naming(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl

            handle = os.open(self.root, os.O_RDONLY)
        except (ImportError, OSError):  # a system without such locks
            yield
            return
        try:
            with contextlib.suppress(OSError):  # a file system without them
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def locked(self, key: str) -> bool:
        """Whether a process computes `key` now; only a look, which changes nothing."""
        try:
            handle = os.open(self.locks / f"{key}.lock", os.O_RDWR)
        except OSError:
            return False
        try:
            return _lock(handle) is False
        finally:
            os.close(handle)

    def load(self, key: str) -> Artifact:
        """Read an artifact; raises `ArtifactDamaged` where it is missing or not what was
        written.
        """
        return Artifact.read(self.artifact_path(key))

    def save(self, key: str, artifact: Artifact) -> None:
        write_atomically(self.artifact_path(key), artifact.dumps())

    def set_aside(self, path: Path) -> Path:
        """Rename a damaged file, so that it is kept for a look and never read again; return its new
        name.
        """
        aside = path.with_name(path.name + ".damaged")
        with _naming(path):
            os.replace(path, aside)
        return aside


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary name, flushed to the disk, then renamed.

    The temporary file is locked until then: see `discard`.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _temporary(path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                if os.fstat(file.fileno()).st_size != len(content):
                    raise OSError(errno.EIO, "the file is shorter than what was written to it")
                os.chmod(temporary, 0o644)
                os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _temporary(folder: Path) -> tuple[int, str]:
    """A new file of this process alone, open and locked, and its name."""
    while True:
        handle, name = tempfile.mkstemp(prefix=WRITING, dir=folder)
        if _lock(handle) is not False and _names(name, handle):
            return handle, name
        os.close(handle)  # somebody looked whether it is abandoned before it was locked
        with contextlib.suppress(OSError):
            os.unlink(name)


def abandoned(temporary: Path) -> bool:
    """Whether a file that is not whole (`WRITING`) was left by a process that is gone; only a look,
    which changes nothing.
    """
    try:
        return _if_abandoned(temporary, lambda: None)
    except PermissionError:  # another user's, who alone can tell
        return False


def discard(temporary: Path) -> bool:
    """Remove a file that is not whole if the process that wrote it is gone; return whether that was
    so.

    Raises:
        InputError: it cannot be removed.
    """
    try:
        return _if_abandoned(temporary, lambda: os.unlink(temporary))
    except PermissionError as error:
        raise InputError(f"Cannot remove {temporary}: {error.strerror or error}") from error


def _if_abandoned(temporary: Path, act: Callable[[], None]) -> bool:
    try:
        handle = os.open(temporary, os.O_RDWR)
    except FileNotFoundError:  # it is whole now, under its own name
        return False
    except PermissionError:
        raise
    except OSError as error:
        raise InputError(f"Cannot look at {temporary}: {error.strerror or error}") from error
    try:
        free = _lock(handle)
        if free is None:
            free = time.time() - os.fstat(handle).st_mtime > _ABANDONED_SECONDS
        free = free and _names(temporary, handle)
        if free:
            act()
        return free
    except PermissionError:
        raise
    except OSError as error:
        raise InputError(f"Cannot remove {temporary}: {error.strerror or error}") from error
    finally:
        os.close(handle)


def _names(name: str | Path, handle: int) -> bool:
    """Whether a name is still that of an open file."""
    try:
        return os.stat(name).st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def _lock(handle: int) -> bool | None:
    """Lock an open file for as long as it is open: whether that succeeded, None where there are no
    locks.
    """
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn an operating system's error into one that names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror or error}") from error


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
