"""Forging stored results as somebody would who knows every format: checksums and digests match."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from robust_augcl.results.records import ArtifactRef, Record
from robust_augcl.store.artifact import Artifact


class Forger:
    """A copy of a finished run, to be changed.

    Args:
        folder: the run's.
        run: computes again what is missing there.
    """

    def __init__(self, folder: Path, run: Callable[[], object]) -> None:
        self.folder, self._run = folder, run

    def artifacts(self, kind: str, about: str = "") -> list[Path]:
        """The artifacts of a kind whose titles begin so, in the order of their titles."""
        found = [
            (Artifact.read(path).about["title"], path)
            for path in self.folder.glob(f"artifacts/{kind}-*.safetensors")
        ]
        return [path for title, path in sorted(found) if title.startswith(about)]

    def artifact(self, kind: str, about: str = "") -> Path:
        return self.artifacts(kind, about)[0]

    def records(self) -> list[Path]:
        return sorted(self.folder.glob("records/*.jsonl"))

    def record_of(self, attack: str) -> Path:
        return next(path for path in self.records() if f'"attack":"{attack}"' in path.read_text())

    def change_artifact(self, path: Path, change: Callable[[Artifact], Artifact]) -> None:
        """Change an artifact, and the digests of it in all records."""
        stored = Artifact.read(path)
        made = change(
            Artifact(
                {name: tensor.clone() for name, tensor in stored.tensors.items()},
                dict(stored.info),
                dict(stored.about),
            )
        )
        path.write_bytes(made.dumps())
        ref = ArtifactRef(path.stem, made.digest)
        for record in self.records():
            self.change_record(
                record,
                lambda r: replace(
                    r,
                    **{
                        role: ref
                        for role in ("dataset", "victim", "attacker")
                        if getattr(r, role) is not None and getattr(r, role).key == ref.key
                    },
                ),
            )

    def change_record(self, path: Path, change: Callable[[Record], Record]) -> None:
        path.write_text(change(Record.loads(path.read_text(), path.name)).dumps())

    def compute_after(self, *kinds: str) -> None:
        """Compute again what rests on what was changed: records, and artifacts of these kinds."""
        for path in (*self.records(), *(p for kind in kinds for p in self.artifacts(kind))):
            path.unlink()
        self._run()


def with_tensor(name: str, change: Callable[[torch.Tensor], torch.Tensor]):
    """A change of one tensor of an artifact."""
    return lambda made: replace(
        made, tensors={**made.tensors, name: change(made.tensors[name]).contiguous()}
    )


def with_info(**changes: object):
    """A change of an artifact's header."""
    return lambda made: replace(made, info={**made.info, **changes})
