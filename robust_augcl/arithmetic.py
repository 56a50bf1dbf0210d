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

    Processes that this one starts inherit the choice.

    Args:
        name: "portable" or "fast".

    Raises:
        InputError: another name; the libraries are loaded already and compute otherwise.

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
    why = machine_obstacle(device) or "NumPy or PyTorch was imported here before it was chosen"
    raise InputError(
        f'Expected this process to compute in portable arithmetic, got "fast": {why}. Call '
        'robust_augcl.use_arithmetic("portable") before they are imported, or set '
        '`arithmetic = "fast"` in the suite'
    )


@lru_cache(maxsize=1)
def _libraries_are_portable() -> bool:
    """Whether each library does as `VARIABLES` say."""
    torch = _torch()
    return (
        platform.machine().lower() in _X86
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
        and os.environ.get("ONEDNN_MAX_CPU_ISA") == VARIABLES["ONEDNN_MAX_CPU_ISA"]
        and _mkl_is_compatible(Path(torch.__file__).parent / "lib")
        and _openblas_is_haswell()
        and _numpy_is_plain()
    )


def _mkl_is_compatible(folder: Path) -> bool:
    """What the MKL that lies in PyTorch's own library says of itself."""
    for name in ("libtorch_cpu.so", "torch_cpu.dll"):
        if (folder / name).exists():
            mode = getattr(ctypes.CDLL(str(folder / name)), "mkl_serv_cbwr_get", None)
            return mode is not None and mode(_MKL_ALL_SETTINGS) == _MKL_COMPATIBLE
    return False


def _openblas_is_haswell() -> bool:
    """What NumPy's and SciPy's OpenBLAS, where they are loaded, say of themselves."""
    importlib.import_module("numpy")
    pools = importlib.import_module("threadpoolctl").threadpool_info()
    kinds = [pool.get("architecture") for pool in pools if pool["internal_api"] == "openblas"]
    return all(kind == VARIABLES["OPENBLAS_CORETYPE"] for kind in kinds)


def _numpy_is_plain() -> bool:
    """Whether NumPy's own loops use no more than its baseline."""
    core = importlib.import_module("numpy._core._multiarray_umath")
    on: dict[str, bool] = getattr(core, "__cpu_features__", {})
    dispatched = getattr(core, "__cpu_dispatch__", ())
    return not any(on.get(feature) for feature in dispatched)


def _torch() -> Any:
    """PyTorch, which this module must not import before it is asked for."""
    return importlib.import_module("torch")
