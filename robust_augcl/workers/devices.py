"""Which device steps run on."""

from __future__ import annotations

from robust_augcl.errors import InputError


def resolve_device(name: str) -> str:
    """The device that "auto", "cpu" or "cuda" means on this machine.

    The worker that does the work asks this.

    Raises:
        InputError: "cuda" where there is none.

    Example:
        >>> resolve_device("cpu")
        'cpu'
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
