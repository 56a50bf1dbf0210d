"""Which device steps run on."""

from __future__ import annotations

from robust_augcl.errors import InputError


def resolve_device(name: str) -> str:
    """The device that "auto", "cpu" or "cuda" means on this machine; asked by the worker that does
    the work.

    Raises:
        InputError: "cuda" where there is none.
    """
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise InputError(
            "Expected --device cuda to name a device that is there, got none that PyTorch can "
            "use: try --device cpu"
        )
    return "cpu"
