"""Global state that code leaves behind is found, named and put back."""

from __future__ import annotations

import builtins
import decimal
import gc
import locale
import os
import random
import resource
import signal
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from robust_augcl.adversary import global_state, guard
from robust_augcl.adversary.global_state import EVERYTHING, NUMERIC, clean, put_back
from robust_augcl.models import margins as margins_module
from robust_augcl.oracle import certifier
from robust_augcl.store.store import Store
from robust_augcl.workers import executors

_held = []


def enter(context):
    """Enter a context, and never leave it."""
    _held.append(context)
    context.__enter__()


def replace_code():
    margins_module.margins.__code__ = (lambda logits, y: logits.new_ones(len(y))).__code__


CHANGES = [
    ("hooks of all modules", lambda: nn.modules.module.register_module_forward_hook(print)),
    ("hooks of all modules", lambda: nn.modules.module.register_module_forward_pre_hook(print)),
    ("hooks of all modules", lambda: nn.modules.module.register_module_full_backward_hook(print)),
    (
        "hooks of all modules",
        lambda: nn.modules.module.register_module_parameter_registration_hook(print),
    ),
    ("autocast", lambda: enter(torch.autocast("cpu", torch.bfloat16))),
    ("autocast", lambda: torch.set_autocast_dtype("cuda", torch.bfloat16)),
    ("the default dtype", lambda: torch.set_default_dtype(torch.float64)),
    ("the default device", lambda: torch.set_default_device("meta")),
    ("modes of PyTorch", lambda: enter(torch.device("meta"))),
    ("modes of PyTorch", lambda: enter(TorchFunctionMode())),
    ("modes of PyTorch", lambda: enter(TorchDispatchMode())),
    ("modes of PyTorch", lambda: enter(FakeTensorMode())),
    ("inference mode", lambda: enter(torch.inference_mode())),
    ("gradients on or off", lambda: enter(torch.no_grad())),
    ("anomaly detection", lambda: torch.autograd.set_detect_anomaly(True)),
    ("the number of threads", lambda: torch.set_num_threads(3)),
    ("deterministic algorithms", lambda: torch.use_deterministic_algorithms(True)),
    (
        "deterministic algorithms",
        lambda: setattr(torch.utils.deterministic, "fill_uninitialized_memory", False),
    ),
    (
        "settings of libraries that compute",
        lambda: torch.set_float32_matmul_precision("medium"),
    ),
    (
        "settings of libraries that compute",
        lambda: setattr(torch.backends.mkldnn, "enabled", False),
    ),
    ("the treatment of tiny numbers", lambda: torch.set_flush_denormal(True)),
    ("NumPy's treatment of errors", lambda: np.seterr(all="raise")),
    ("PyTorch's random state", lambda: torch.rand(1)),
    ("NumPy's random state", lambda: np.random.rand()),  # noqa: NPY002
    ("Python's random state", random.random),
    ("replaced functions", lambda: setattr(torch.nn.functional, "relu", abs)),
    ("replaced functions", lambda: setattr(nn.Linear, "forward", lambda self, x: x)),
    ("replaced functions", lambda: setattr(nn.Sequential, "__call__", lambda self, x: x)),
    ("replaced functions", lambda: setattr(guard, "apply_all", print)),
    ("replaced functions", lambda: setattr(Store, "save", print)),
    ("replaced functions", lambda: setattr(builtins, "max", min)),
    ("replaced functions", lambda: setattr(certifier, "SLACK", 7.0)),
    ("replaced functions", lambda: setattr(global_state, "NUMERIC", ())),
    ("replaced functions", replace_code),
    ("environment variables", lambda: os.environ.update(OMP_NUM_THREADS="7", NEW="x")),
    ("environment variables", lambda: os.environ.pop("PATH")),
    ("the current folder", lambda: os.chdir("/")),
    ("the umask", lambda: os.umask(0o777)),
    ("signals", lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)),
    ("signals", lambda: signal.alarm(1000)),
    ("signals", lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})),
    ("the import path", lambda: sys.path.insert(0, "/nowhere")),
    ("the import path", lambda: sys.meta_path.clear()),
    ("filters of warnings", lambda: warnings.simplefilter("error")),
    ("the standard streams", lambda: setattr(sys, "stdout", None)),
    ("tracing", lambda: sys.settrace(lambda *_: None)),
    ("the recursion limit", lambda: sys.setrecursionlimit(5000)),
    ("garbage collection", gc.disable),
    ("limits of the process", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (99, 4096))),
    ("the locale", lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8")),
]


@pytest.fixture(autouse=True)
def _limits():
    """The hard limit on open files is one that the test can come back to."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], 4096), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def change_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_every_change_is_named_and_put_back(name, change):
    if name == "limits of the process":
        change = change_limit
    if name == "the locale" and locale.setlocale(locale.LC_ALL) == "C.UTF-8":
        pytest.skip("it is this one already")
    (setting,) = (setting for setting in EVERYTHING if setting.name == name)
    before = setting.read()
    with put_back() as changed:
        change()
        assert not setting.holds(before)
    assert name in changed
    assert setting.holds(before)
    assert not any("cannot" in each for each in changed)
    assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).device.type == "cpu"
    _held.clear()


def test_what_changes_nothing_is_not_named():
    with put_back() as changed:
        with torch.no_grad(), torch.autocast("cpu"), warnings.catch_warnings():
            warnings.simplefilter("error")
            nn.Linear(3, 3, device="meta")
            decimal.getcontext()
        os.environ.update(os.environ)
    assert changed == []


def test_what_our_modules_note_while_code_runs_stays_noted(monkeypatch):
    monkeypatch.setattr(executors, "_queue", None)
    monkeypatch.setattr(executors, "_told_to_end", threading.Event())
    with put_back() as changed:
        executors._queue = "a queue"
        with pytest.raises(SystemExit):
            executors._leave(signal.SIGTERM, None)
    assert executors._told_to_end.is_set()
    assert (changed, executors._queue) == ([], "a queue")


def test_it_is_put_back_whatever_the_code_raises():
    changed = []

    def stop():
        nonlocal changed
        with put_back() as changed:
            torch.set_default_dtype(torch.float64)
            os.chdir("/")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert changed == ["the default dtype", "the current folder"]
    assert torch.get_default_dtype() == torch.float32


def test_what_is_put_back_inside_is_told_outside():
    with put_back() as outer:
        with put_back(NUMERIC) as inner:
            torch.set_default_dtype(torch.float64)
        assert torch.get_default_dtype() == torch.float32
    assert inner == outer == ["the default dtype"]


def test_what_cannot_be_put_back_is_said(monkeypatch):
    def refuse(value):
        raise OSError("no")

    bad = global_state.Setting("the weather", lambda: len(_held), refuse)
    with put_back([bad]) as changed:
        _held.append("rain")
    _held.clear()
    assert changed == ["the weather (which cannot be put back: OSError)"]


@pytest.mark.parametrize(
    "change",
    [
        lambda: torch.set_default_dtype(torch.float64),
        lambda: enter(torch.autocast("cpu", torch.bfloat16)),
        lambda: nn.modules.module.register_module_forward_hook(lambda m, given, out: 0 * out),
        lambda: torch.set_default_device("meta"),
        lambda: enter(torch.inference_mode()),
    ],
)
def test_a_model_predicts_alike_whatever_the_state_is(change):
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)).train()
    x = torch.ones(4, 3)
    with clean(model), torch.no_grad():
        expected = model(x)
    with put_back():
        change()
        model.train()
        with clean(model), torch.no_grad():
            found = model(x)
        assert not model.training
    assert found.dtype == torch.float32
    assert found.tolist() == expected.tolist()
    _held.clear()
