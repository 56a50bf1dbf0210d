"""How many workers this machine has room for: cores and memory.

Each worker is a process with one thread: two busy threads on two small cores make a training step
many times slower.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from robust_augcl.workers.cgroups import limits

_ROOT = Path("/")  # where the system says what there is
_MEMORY_A_WORKER = 2 * 2**30
_MEMORY_BESIDE = (
    2**30
)  # of the process that has the workers: it audits and draws while they compute
_GPU_MEMORY_A_WORKER = 2 * 2**30  # its CUDA context, and a chunk of graphs of the largest suites


def default_workers(device: str = "cpu") -> int:
    """One a core that this process may use, as far as the free memory goes; on a GPU, as far as its
    own memory goes too.

    What a container or a scheduler allows this process counts as what there is (see cgroups.py).
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = limits(_ROOT).cores
    if quota is not None:
        cores = min(cores, int(quota))
    room = (_available_memory() - _MEMORY_BESIDE) // _MEMORY_A_WORKER
    if device == "cuda":
        room = min(room, _available_gpu_memory() // _GPU_MEMORY_A_WORKER)
    return max(1, min(cores, room))


def _available_gpu_memory() -> int:
    """Bytes of the GPU that are free."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return int(free)


def _available_memory() -> int:
    """Bytes that new processes can have, the system's caches included; where it is not known, as
    much as anybody could want.
    """
    allowed = limits(_ROOT).memory
    most = sys.maxsize if allowed is None else allowed
    try:
        lines = (_ROOT / "proc/meminfo").read_text(encoding="ascii").splitlines()
        return min(
            most,
            next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")),
        )
    except (OSError, StopIteration, ValueError, IndexError):
        return most
