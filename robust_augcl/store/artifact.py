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

from robust_augcl.errors import ArtifactDamaged

FORMAT = "robust_augcl/1"


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
                names = file.keys()  # the file is no mapping
                tensors = {name: file.get_tensor(name) for name in names}
            artifact = cls(tensors, json.loads(metadata["info"]), json.loads(metadata["about"]))
            written = metadata["format"], metadata["digest"], metadata["checksum"]
        except (OSError, safetensors.SafetensorError, KeyError, ValueError) as error:
            raise ArtifactDamaged(
                f"{path.name}: expected a stored artifact, got a file that cannot be read ({error})"
            ) from error
        found = FORMAT, artifact.digest, _checksum(artifact.digest, metadata["about"])
        if written != found:
            raise ArtifactDamaged(
                f"{path.name}: the artifact was altered: its checksum does not match its content"
            )
        return artifact


def _checksum(digest: str, about: str) -> str:
    return hashlib.sha256((digest + about).encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
