"""An artifact: tensors, and JSON that says what they are. One safetensors file; nothing is pickled.

It is checked whenever it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from robust_augcl.errors import ArtifactDamaged, cut, shown
from robust_augcl.results import strict
from robust_augcl.store import file_sizes
from robust_augcl.validation import read_start

FORMAT = "robust_augcl/1"

_LENGTH = 8  # bytes that say how long the header is
_MOST_TENSORS = 100_000
_TYPES = {"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "F32", "F64"}
_METADATA = {"format", "info", "about", "digest", "checksum"}


@dataclass(frozen=True, eq=False)
class Artifact:
    """Tensors and what they are.

    Args:
        tensors: name -> tensor.
        info: what the tensors are, as JSON; the digest covers both.
        about: how they came to be (seconds, versions): two equal results may differ here.

    Example:
        >>> import torch
        >>> fast, slow = (Artifact({"w": torch.ones(2)}, {}, {"seconds": s}) for s in (1.0, 9.0))
        >>> fast.digest == slow.digest
        True
        >>> fast.digest == Artifact({"w": torch.zeros(2)}).digest
        False
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
        about = _json(self.about)
        metadata = {
            "format": FORMAT,
            "info": _json(self.info),
            "about": about,
            "digest": self.digest,
            "checksum": _checksum(self.digest, about),
        }
        return safetensors.torch.save(_apart(self.tensors), metadata)

    @classmethod
    def read(cls, path: Path) -> Artifact:
        """Read and check an artifact.

        Raises:
            ArtifactDamaged: not an artifact, of another format, truncated, or altered since it was
                written.
        """
        try:
            metadata = _metadata(path)
            with safetensors.safe_open(path, framework="pt") as file:
                names = file.keys()  # the file is no mapping
                tensors = {name: file.get_tensor(name) for name in names}
            info, about = (_said(metadata, name) for name in ("info", "about"))
            artifact = cls(tensors, info, about)
            written = metadata["format"], metadata["digest"], metadata["checksum"]
        except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
            raise ArtifactDamaged(
                f"{cut(path.name, 100)}: expected a stored artifact, got a file that "
                f"cannot be read ({strict.reason(error)})"
            ) from None
        found = FORMAT, artifact.digest, _checksum(artifact.digest, metadata["about"])
        if written != found:
            raise ArtifactDamaged(
                f"{path.name}: the artifact was altered: its checksum does not match its content"
            )
        return artifact


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata of a safetensors file, whose header is checked before anything is read by it.

    Raises:
        ValueError: a header that is too long, no such header, tensors of types that are not used.
        OSError: no regular file, or one that is too large.
    """
    start, size = read_start(path, _LENGTH, file_sizes.ARTIFACT)
    length = int.from_bytes(start, "little")
    if not 2 <= length <= min(size - _LENGTH, file_sizes.ARTIFACT_HEADER):
        raise ValueError(f"its header claims {length} bytes, the file has {size}")
    start, _ = read_start(path, _LENGTH + length, file_sizes.ARTIFACT)
    header = strict.parse(start[_LENGTH:].decode("utf-8"))
    metadata = header.pop("__metadata__")
    if len(header) > _MOST_TENSORS:
        raise ValueError(f"more than {_MOST_TENSORS} tensors")
    for tensor in header.values():
        if tensor["dtype"] not in _TYPES:
            raise ValueError(f"tensors of type {shown(tensor['dtype'])}")
    if type(metadata) is not dict or set(metadata) != _METADATA:
        raise ValueError(f"its metadata are not {', '.join(sorted(_METADATA))}")
    return metadata


def _said(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the metadata say under one name, a table in JSON.

    Which numbers may be NaN, the model of each kind says.
    """
    table = strict.parse(metadata[name], allow_nan=True)
    if type(table) is not dict:
        raise ValueError(f"its {name} is no table")
    if metadata[name] != _json(table):
        raise ValueError(f"its {name} is not spelt as it is written")
    strict.plain(table, allow_nan=True)
    return table


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU; of those that share memory, which safetensors refuses, copies."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        if own.untyped_storage().data_ptr() in seen:
            own = own.clone()
        seen.add(own.untyped_storage().data_ptr())
        found[name] = own
    return found


def _checksum(digest: str, about: str) -> str:
    return hashlib.sha256((digest + about).encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
