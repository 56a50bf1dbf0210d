"""Randomness: one generator per purpose, seeded by what the purpose is.

A seed is derived from the identity of the thing that is drawn (suite seed, data set, stage, ...),
never from the order in which things happen. So a result depends neither on the order of cells nor
on the number of workers, and two methods that should see the same batches see them because they ask
for the same identity.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # seeds are derived without torch, generators are made with it
    import torch


def derive_seed(*identity: object) -> int:
    """Return a seed in [0, 2**63) from the JSON form of `identity`.

    It is the same on every machine and in every Python version.

    >>> derive_seed("split", 0) == derive_seed("split", 0)
    True
    >>> derive_seed("split", 0) == derive_seed("split", 1)
    False
    """
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*identity: object) -> torch.Generator:
    """Return a CPU generator seeded by `derive_seed(*identity)`.

    Chance always enters on the CPU, also when the work runs on another device, so that both see the
    same draws.

    >>> generator("batches", 7).initial_seed() == derive_seed("batches", 7)
    True
    """
    import torch

    return torch.Generator().manual_seed(derive_seed(*identity))


def spawn(parent: torch.Generator) -> torch.Generator:
    """Return a new generator seeded by one draw from `parent`.

    It is for a part of the work that draws any number of times: what comes after that part draws
    the same numbers however often the part drew.
    """
    import torch

    return torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=parent)))
