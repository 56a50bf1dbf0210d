"""The process that a step runs in: its threads, memory, processor and end."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path


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


def peak_memory_mib() -> float:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


ARITHMETIC_SETTINGS = (
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "OPENBLAS_CORETYPE",
)
"""Variables by which a library is told to use other instructions, which gives other bits."""


def processor() -> str:
    """The processor's model, the widest arithmetic that PyTorch uses on it, and what limits it.

    Sums come out the same, to the bit, where all are the same. What limits it are the variables of
    `ARITHMETIC_SETTINGS` that are set.
    """
    import torch

    told = [f"{name}={os.environ[name]}" for name in ARITHMETIC_SETTINGS if os.environ.get(name)]
    return ", ".join([_model(), torch.backends.cpu.get_cpu_capability(), *told])


@lru_cache(maxsize=1)
def _model() -> str:
    """What the system calls its processor."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):  # only Linux says it there
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        model = next(named, model)
    return model


def end_of(exit_code: int | None) -> str:
    """How a process ended, by its exit code.

    >>> end_of(0), end_of(-11), end_of(None)
    ('exit code 0', 'signal SIGSEGV', 'nobody knows how')
    """
    if exit_code is None:
        return "nobody knows how"
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
    return f"signal {name}: out of memory?" if name == "SIGKILL" else f"signal {name}"
