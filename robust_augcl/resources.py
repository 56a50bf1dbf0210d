"""What this machine has for workers: threads, memory, devices.

Each worker is a process with one thread: two busy threads on two small cores make a training step many times slower.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from robust_augcl.cgroups import limits
from robust_augcl.errors import InputError

_ROOT = Path("/")  # where the system says what there is
_MEMORY_A_WORKER = 2 * 2**30
_MEMORY_BESIDE = 2**30  # of the process that has the workers: it audits and draws while they compute
_GPU_MEMORY_A_WORKER = 2 * 2**30  # its CUDA context, and a chunk of graphs of the largest suites


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for PyTorch, in every kind of worker: sums come out the same, to the bit."""
    import torch

    before = torch.get_num_threads()
    if before == 1:  # setting it anew costs a thread pool
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve_device(name: str) -> str:
    """The device that "auto", "cpu" or "cuda" means on this machine; asked by the worker that does the work.

    Raises:
        InputError: "cuda" where there is none.
    """
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise InputError("Expected --device cuda to name a device that is there, got none that PyTorch can use: try --device cpu")
    return "cpu"


def default_workers(device: str = "cpu") -> int:
    """One a core that this process may use, as far as the free memory goes; on a GPU, as far as its own memory goes too.

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
    """Bytes that new processes can have, the system's caches included; where it is not known, as much as anybody could want."""
    allowed = limits(_ROOT).memory
    most = sys.maxsize if allowed is None else allowed
    try:
        lines = (_ROOT / "proc/meminfo").read_text(encoding="ascii").splitlines()
        return min(most, next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    except (OSError, StopIteration, ValueError, IndexError):
        return most


def peak_memory_mib() -> float:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


@contextlib.contextmanager
def environment_of_workers() -> Iterator[None]:
    """Tell the numeric libraries of new processes to start no thread pools; they read it when they are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
