"""Where a step runs, and what its result says of that."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from robust_augcl.arithmetic import arithmetic_in_force
from robust_augcl.progress import Report, silent
from robust_augcl.steps.this_process import peak_memory_mib, processor
from robust_augcl.store.store import Store

DISTRIBUTIONS = ("robust-augcl", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Context:
    """Where a step runs.

    Args:
        store: holds the results.
        device: of models and graphs, "cpu" or "cuda".
        archives: a folder of data set archives, or None.
        report: told how far the step is.
        commit: of the source tree that runs, if known.
    """

    store: Store
    device: str = "cpu"
    archives: Path | None = None
    report: Report = silent
    commit: str | None = None


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """The versions of what computes; looking for one takes a walk through folders."""
    return {name: version(name) for name in DISTRIBUTIONS}


def environment(context: Context) -> dict[str, Any]:
    """What a record says of where it comes from.

    That is: versions, commit, machine, processor, device, arithmetic, threads, and the most memory
    that this process has held.
    """
    return {
        "versions": {
            "python": platform.python_version(),
            **_versions(),
        },
        "commit": context.commit,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "processor": processor(),
        "device": torch.cuda.get_device_name() if context.device == "cuda" else context.device,
        "arithmetic": arithmetic_in_force(context.device),
        "threads": torch.get_num_threads(),
        "peak_memory_mib": round(peak_memory_mib()),
    }
