"""Which arithmetic this process computes in: the same bits on every processor, or the fastest.

Numeric libraries choose their code by the processor. Sums then run in another order, and the last
bits of a product differ; after some epochs of training so does a victim. In *portable* arithmetic
PyTorch, MKL, oneDNN, OpenBLAS and NumPy are told to use code that every x86-64 processor with AVX2
has. They read that from environment variables when they are loaded, so it must be chosen before.
In *fast* arithmetic each library does as it likes.

The promise holds for the CPU, for one version of each library (`constraints.txt` pins them), and
for steps computed with one thread, as workers do.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from robust_augcl.errors import InputError, shown

PORTABLE = "portable"
FAST = "fast"
ARITHMETICS = (PORTABLE, FAST)
DEFAULT = PORTABLE
"""Of a suite that states none."""

VARIABLES = {
    # MKL: products that are the same on all processors, of each vendor. Its mode AVX2 is faster,
    # and not the same on Intel's and AMD's where a side of a matrix is short.
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
}
"""What tells the libraries to compute portably."""

_LIBRARIES = ("torch", "numpy", "scipy", "sklearn")
_MKL_COMPATIBLE = 3  # MKL_CBWR_COMPATIBLE in mkl_service.h
_MKL_ALL_SETTINGS = -1
_X86 = ("x86_64", "amd64")


def use_arithmetic(name: str) -> None:
    """Choose the arithmetic of this process, before NumPy or PyTorch is imported.

    Processes that this one starts inherit the choice. Where the libraries are loaded and compute
    portably already, "fast" is for those processes alone: this one goes on as it is.

    Args:
        name: "portable" or "fast".

    Raises:
        InputError: another name; "portable", where the libraries are loaded already and compute
            otherwise, though this machine could.

    Example:
        >>> import subprocess, sys
        >>> code = (
        ...     "import robust_augcl; robust_augcl.use_arithmetic('fast'); import torch; "
        ...     "print(robust_augcl.arithmetic_in_force())"
        ... )
        >>> subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
        'fast\\n'
    """
    if name not in ARITHMETICS:
        raise InputError(f"Expected the arithmetic to be {' or '.join(ARITHMETICS)}, got {name!r}")
    loaded = [library for library in _LIBRARIES if library in sys.modules]
    if name == PORTABLE:
        if loaded and arithmetic_in_force() != PORTABLE and machine_obstacle() is None:
            raise InputError(
                f"Expected the arithmetic to be chosen before {loaded[0]} is imported, got "
                f"{shown(name)} after it: call robust_augcl.use_arithmetic first"
            )
        os.environ.update(VARIABLES)
        os.environ.pop("NPY_ENABLE_CPU_FEATURES", None)  # beside the one above NumPy refuses it
    else:  # what somebody else has set stays
        for variable, value in VARIABLES.items():
            if os.environ.get(variable) == value:
                del os.environ[variable]


def arithmetic_in_force(device: str = "cpu") -> str:
    """The arithmetic that this process really computes in. Imports PyTorch.

    The libraries themselves are asked, where they answer.

    Args:
        device: that steps compute on; on a GPU it is always "fast".

    Example:
        >>> arithmetic_in_force("cuda")
        'fast'
    """
    return PORTABLE if device == "cpu" and _libraries_are_portable() else FAST


def machine_obstacle(device: str = "cpu") -> str | None:
    """Why no process on this machine can compute portably on the device; None where one can.

    Example:
        >>> machine_obstacle("cuda")
        'a GPU computes'
    """
    if device != "cpu":
        return "a GPU computes"
    if platform.machine().lower() not in _X86:
        return f"the processor is {platform.machine() or 'unknown'}, not x86-64"
    torch = _torch()
    if not torch.backends.mkl.is_available():
        return "PyTorch is built without MKL here"
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return "the processor has no AVX2"
    if _mkl_mode() is None:
        return "the MKL of this PyTorch does not say how it computes"
    numpy = importlib.import_module("numpy")
    if _numpy_dispatch() - set(VARIABLES["NPY_DISABLE_CPU_FEATURES"].split()):
        return (
            f"NumPy {numpy.__version__} has code for processors that it cannot be told not to use"
        )
    return None


def possible(name: str, device: str = "cpu") -> str:
    """The arithmetic that a suite which asks for this one gets on this machine.

    Results that a machine cannot compute portably are never called so: they are "fast".

    Example:
        >>> possible("portable", "cuda"), possible("fast")
        ('fast', 'fast')
    """
    return FAST if name == PORTABLE and machine_obstacle(device) is not None else name


def require(name: str, device: str = "cpu") -> None:
    """Raise `InputError` where this process cannot compute what is kept as of that arithmetic.

    What is "fast" may be computed in any.
    """
    if name == FAST or arithmetic_in_force(device) == PORTABLE:
        return
    said = 'Expected this process to compute in portable arithmetic, got "fast": '
    mend = '`arithmetic = "fast"` in the suite'
    if why := machine_obstacle(device):
        raise InputError(f"{said}{why}. Set {mend}")
    raise InputError(
        f"{said}told nothing of it when loaded: {', '.join(_otherwise())}. Call "
        'robust_augcl.use_arithmetic("portable") before NumPy and PyTorch are imported; start a '
        f"Dask worker with the environment variables that docs/cluster.md lists; or set {mend}"
    )


def _libraries_are_portable() -> bool:
    """Whether each library does as `VARIABLES` say."""
    return platform.machine().lower() in _X86 and not _otherwise()


@lru_cache(maxsize=1)
def _otherwise() -> tuple[str, ...]:
    """The libraries that do not do as `VARIABLES` say."""
    told_onednn = os.environ.get("ONEDNN_MAX_CPU_ISA") == VARIABLES["ONEDNN_MAX_CPU_ISA"]
    does = {
        "PyTorch": _torch().backends.cpu.get_cpu_capability() == "AVX2",
        "oneDNN": told_onednn,
        "MKL": _mkl_mode() == _MKL_COMPATIBLE,
        "OpenBLAS": _openblas_is_haswell(),
        "NumPy": _numpy_is_plain(),
    }
    return tuple(library for library, as_told in does.items() if not as_told)


def _mkl_mode() -> int | None:
    """What the MKL in PyTorch's own library says of itself; None where it says nothing."""
    folder = Path(_torch().__file__).parent / "lib"
    for name in ("libtorch_cpu.so", "torch_cpu.dll"):
        if (folder / name).exists():
            mode = getattr(ctypes.CDLL(str(folder / name)), "mkl_serv_cbwr_get", None)
            return None if mode is None else int(mode(_MKL_ALL_SETTINGS))
    return None


def _openblas_is_haswell() -> bool:
    """What NumPy's and SciPy's OpenBLAS, where they are loaded, say of themselves."""
    importlib.import_module("numpy")
    pools = importlib.import_module("threadpoolctl").threadpool_info()
    kinds = [pool.get("architecture") for pool in pools if pool["internal_api"] == "openblas"]
    return all(kind == VARIABLES["OPENBLAS_CORETYPE"] for kind in kinds)


def _numpy_is_plain() -> bool:
    """Whether NumPy's own loops use no more than its baseline."""
    on: dict[str, bool] = _numpy_core().__cpu_features__
    return not any(on.get(feature) for feature in _numpy_dispatch())


def _numpy_dispatch() -> set[str]:
    """The features of processors for which NumPy has code beside its baseline."""
    return set(_numpy_core().__cpu_dispatch__)


def _numpy_core() -> Any:
    return importlib.import_module("numpy._core._multiarray_umath")


def _torch() -> Any:
    """PyTorch, which this module must not import before it is asked for."""
    return importlib.import_module("torch")
