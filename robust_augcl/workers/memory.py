"""How many workers a machine has room for: how a worker's memory is counted, and its cores.

Each worker counts as 2 GiB: what PyTorch and a chunk of graphs of the largest suites take. One GiB
more is left to the process that has the workers. On a GPU each worker counts as 2 GiB of the GPU's
memory too. So the number of workers is the least of:

    the cores that this process may use
    (free memory - 1 GiB) / 2 GiB
    (free memory of the GPU) / 2 GiB, on a GPU

and at least one. A worker is one process with one thread: two busy threads on two small cores make
a training step many times slower.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from robust_augcl.workers.cgroups import left

_GIB = 2**30
_WORKER = 2 * _GIB
_BESIDE = 1 * _GIB  # of the process that has the workers: it audits and draws while they compute
_GPU_WORKER = 2 * _GIB  # its CUDA context, and a chunk of graphs of the largest suites


def default_workers(device: str = "cpu", root: Path = Path("/")) -> int:
    """How many workers there are where a user does not say.

    What a container or a scheduler allows this process counts as what there is (see cgroups.py).

    Args:
        device: that they use, "cpu" or "cuda".
        root: the folder of proc and sys, where the system says what there is.
    """
    room = (available_memory(root) - _BESIDE) // _WORKER
    if device == "cuda":
        room = min(room, _available_gpu_memory() // _GPU_WORKER)
    return max(1, min(_available_cores(root), room))


def _available_cores(root: Path) -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = left(root).cores
    return cores if quota is None else min(cores, int(quota))


def _available_gpu_memory() -> int:
    """Bytes of the GPU that are free."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return int(free)


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that new processes can have, the system's caches included.

    Where it is not known, it is as much as anybody could want.
    """
    allowed = left(root).memory
    most = sys.maxsize if allowed is None else allowed
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        (free,) = (line for line in lines if line.startswith("MemAvailable:"))
        return min(most, int(free.split()[1]) * 1024)
    except (OSError, ValueError, IndexError):
        return most
