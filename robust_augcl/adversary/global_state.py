"""The global state of a process that code leaves behind, and by which it changes other code.

PyTorch, NumPy and Python keep settings for the whole process: hooks of all modules, autocast, the
default dtype, the current folder. Other people's code may change them and not put them back. Here
they are read before such code runs, and put back after it.

What nobody can read is not put back: what lies in an object that the code reached through the
garbage collector, the state of libraries written in C, threads that still run, open files.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.utils._python_dispatch as dispatch
from torch import nn, overrides
from torch.nn.modules import module as modules

from robust_augcl.adversary import process_settings
from robust_augcl.adversary.patched import Standing, standing, still_stands


class Setting(NamedTuple):
    """One piece of global state.

    Args:
        name: what people call it.
        read: returns its value, which can be compared.
        write: makes a value that was read the present one.
        clean: the value under which the guard predicts; absent where any will do.
        is_so: whether a value that was read is still the present one; by default it is read again.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    clean: tuple[Any, ...] = ()
    is_so: Callable[[Any], bool] | None = None

    def holds(self, value: Any) -> bool:
        """Whether a value that was read is still the present one."""
        return bool(self.read() == value) if self.is_so is None else self.is_so(value)


# --- modes ----------------------------------------------------------------------------------------


def _default_device() -> Any:
    return getattr(getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None), "device_context", None)


def _set_default_device(context: Any) -> None:
    torch.set_default_device(None if context is None else context.device)


def _modes() -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The modes through which PyTorch passes every call, the last one entered at the end."""
    return (
        tuple(overrides._get_current_function_mode_stack()),
        tuple(dispatch._get_current_dispatch_mode_stack()),
    )


def _set_modes(stacks: tuple[tuple[Any, ...], tuple[Any, ...]]) -> None:
    functions, dispatched = stacks
    while overrides._get_current_function_mode_stack():
        overrides._pop_mode()
    while left := dispatch._get_current_dispatch_mode_stack():
        dispatch._pop_mode(getattr(left[-1], "_mode_key", None))
    for mode in functions:
        overrides._push_mode(mode)
    for mode in dispatched:
        dispatch._push_mode(mode)


_entered: list[Any] = []  # a mode ends with the object that entered it


def _set_inference_mode(value: bool) -> None:
    entered = torch._C._InferenceMode(value)
    entered.__enter__()
    _entered.append(entered)


_AUTOCAST = ("cpu", "cuda")


def _autocast() -> tuple[Any, ...]:
    each = [
        (device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        for device in _AUTOCAST
    ]
    return (*each, torch.is_autocast_cache_enabled())


def _set_autocast(state: tuple[Any, ...]) -> None:
    *each, cached = state
    for device, enabled, dtype in each:
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    torch.set_autocast_cache_enabled(cached)
    torch.clear_autocast_cache()


def _no_autocast() -> tuple[Any, ...]:
    *each, cached = _autocast()
    return (*((device, False, dtype) for device, _, dtype in each), cached)


# --- hooks ----------------------------------------------------------------------------------------


def _hooks() -> dict[str, Any]:
    """The hooks of all modules, by the names of the places that hold them."""
    return {
        name: tuple(value.items()) if isinstance(value, dict) else value
        for name, value in vars(modules).items()
        if name.startswith("_global_")
    }


def _set_hooks(hooks: dict[str, Any]) -> None:
    for name, value in hooks.items():
        place = getattr(modules, name)
        if isinstance(place, dict):
            place.clear()
            place.update(value)
        else:
            setattr(modules, name, value)


def _no_hooks() -> dict[str, Any]:
    return {name: () if isinstance(value, tuple) else None for name, value in _hooks().items()}


# --- numbers --------------------------------------------------------------------------------------


def _deterministic() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )


def _set_deterministic(state: tuple[bool, bool, bool]) -> None:
    torch.use_deterministic_algorithms(state[0], warn_only=state[1])
    torch.utils.deterministic.fill_uninitialized_memory = state[2]  # type: ignore[attr-defined]


_BACKENDS = {
    "cudnn": ("enabled", "benchmark", "deterministic", "allow_tf32"),
    "mkldnn": ("enabled", "deterministic", "allow_tf32"),
}


def _backends() -> dict[Any, Any]:
    """What is told to the libraries that compute; versions of PyTorch know different ones."""
    found: dict[Any, Any] = {}
    for library, names in _BACKENDS.items():
        for name in names:
            with contextlib.suppress(AttributeError, RuntimeError):
                found[library, name] = getattr(getattr(torch.backends, library), name)
    with contextlib.suppress(RuntimeError):
        found["matmul"] = torch.get_float32_matmul_precision()
    return found


def _set_backends(state: dict[Any, Any]) -> None:
    now = _backends()
    for place, value in state.items():
        if now.get(place) == value:
            continue
        if place == "matmul":
            torch.set_float32_matmul_precision(value)
        else:
            library, name = place
            setattr(getattr(torch.backends, library), name, value)


def _flushes_denormals() -> bool:
    """Whether numbers too small for full precision become 0."""
    return not np.any(np.array([2e-310]) * np.array([0.5]))


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _numpy_errors() -> tuple[Any, ...]:
    return tuple(sorted(np.geterr().items())), np.geterrcall()


def _set_numpy_errors(state: tuple[Any, ...]) -> None:
    np.seterr(**dict(state[0]))
    np.seterrcall(state[1])


def _torch_chance() -> tuple[bytes, ...]:
    generators = [torch.default_generator]
    if torch.cuda.is_initialized():
        generators += torch.cuda.default_generators
    return tuple(generator.get_state().numpy().tobytes() for generator in generators)


def _set_torch_chance(states: tuple[bytes, ...]) -> None:
    generators = [torch.default_generator]
    if len(states) > 1:
        generators += torch.cuda.default_generators
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _numpy_chance() -> tuple[Any, ...]:
    state: Any = np.random.get_state()  # noqa: NPY002
    name, keys, *rest = state
    return (name, keys.tobytes(), *rest)


def _set_numpy_chance(state: tuple[Any, ...]) -> None:
    name, keys, *rest = state
    np.random.set_state((name, np.frombuffer(keys, dtype=np.uint32), *rest))  # noqa: NPY002


# Modes come first: until they are gone, reading the rest would pass through them.
NUMERIC: tuple[Setting, ...] = (
    Setting("replaced functions", standing, Standing.put_back, is_so=still_stands),
    Setting("the default device", _default_device, _set_default_device, (None,)),
    Setting("modes of PyTorch", _modes, _set_modes),
    Setting("inference mode", torch.is_inference_mode_enabled, _set_inference_mode, (False,)),
    Setting("gradients on or off", torch.is_grad_enabled, torch._C._set_grad_enabled),
    Setting("autocast", _autocast, _set_autocast, (_no_autocast(),)),
    Setting(
        "the default dtype", torch.get_default_dtype, torch.set_default_dtype, (torch.float32,)
    ),
    Setting("hooks of all modules", _hooks, _set_hooks, (_no_hooks(),)),
    Setting("anomaly detection", _anomaly, lambda state: torch.set_anomaly_enabled(*state)),
    Setting("the number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("deterministic algorithms", _deterministic, _set_deterministic),
    Setting("settings of libraries that compute", _backends, _set_backends),
    Setting("the treatment of tiny numbers", _flushes_denormals, torch.set_flush_denormal),
    Setting("NumPy's treatment of errors", _numpy_errors, _set_numpy_errors),
    Setting("PyTorch's random state", _torch_chance, _set_torch_chance),
    Setting("NumPy's random state", _numpy_chance, _set_numpy_chance),
    Setting("Python's random state", random.getstate, random.setstate),
)
"""What changes numbers that are computed afterwards."""

EVERYTHING: tuple[Setting, ...] = (
    *NUMERIC,
    *(Setting(*setting) for setting in process_settings.SETTINGS),
)
"""All that is put back after a step."""

_STAYS = "cannot be put back"

_here = threading.local()


@contextlib.contextmanager
def put_back(settings: Iterable[Setting] = EVERYTHING) -> Iterator[list[str]]:
    """Put the global state back that the code inside changes.

    Yields a list. At the end it holds the names of what was changed, inside this one and inside
    those that it encloses.

    Example:
        >>> with put_back(NUMERIC) as changed:
        ...     torch.set_default_dtype(torch.float64)
        >>> changed, torch.get_default_dtype()
        (['the default dtype'], torch.float32)
    """
    found: list[str] = []
    outer: list[str] | None = getattr(_here, "found", None)
    before = [(setting, setting.read()) for setting in settings]
    _here.found = found
    try:
        yield found
    finally:
        _here.found = outer
        for setting, value in before:
            _put_back(setting, value, found)
        if outer is not None:
            outer += [name for name in found if name not in outer]


def _put_back(setting: Setting, value: Any, found: list[str]) -> None:
    """Put one setting back, and enter its name in `found` if it was another one."""
    name = setting.name
    try:
        if setting.holds(value):
            return
        setting.write(value)
        if not setting.holds(value):
            name += f" (which {_STAYS})"
    except Exception as error:
        name += f" (which {_STAYS}: {type(error).__name__})"
    if name not in found:
        found.append(name)


def stays(changed: str) -> bool:
    """Whether something that `put_back` names could not be put back.

    >>> stays("the umask"), stays("limits of the process (which cannot be put back: ValueError)")
    (False, True)
    """
    return f"(which {_STAYS}" in changed


@contextlib.contextmanager
def clean(model: nn.Module) -> Iterator[None]:
    """Let a model predict as it was trained to, whatever the global state is.

    That is: no autocast, no hooks of all modules, numbers of single precision, the model in
    evaluation mode. The global state is afterwards what it was. Modes stay as they are: what an
    attack left on is off again by then (`put_back`).
    """
    before = [(setting, setting.read()) for setting in NUMERIC if setting.clean]
    for setting, value in before:
        if value != setting.clean[0]:
            setting.write(setting.clean[0])
    model.eval()
    try:
        yield
    finally:
        for setting, value in before:
            if setting.read() != value:
                setting.write(value)
