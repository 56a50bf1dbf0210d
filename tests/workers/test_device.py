"""Every step on a second device: nothing is left behind, and the results are those of the CPU.

The device is simulated on the CPU, so that this is tested where there is no GPU. Tensors on it say
that their device is `DEVICE`, hold their values in an inner CPU tensor, and refuse, as CUDA does,
to be mixed with CPU tensors of one or more dimensions, unless those are indices, or to be read as
NumPy arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from robust_augcl import registry
from robust_augcl.adversary import answers
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step
from robust_augcl.plan.suite import make_suite
from robust_augcl.plan.suite_settings import Suite
from robust_augcl.steps.compute import compute
from robust_augcl.steps.context import Context
from robust_augcl.store.store import Store
from robust_augcl.workers.devices import resolve_device
from robust_augcl.workers.memory import default_workers

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*to a meta parameter in the current model, which is a no-op"
)  # not of ours


@pytest.fixture(autouse=True)
def _learned_tensors_may_lie_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard takes plain tensors alone, of which those on the simulated device are none."""
    kept = answers._kept

    def kept_from_there(attack: str, key: str, value: Any) -> Tensor:
        return kept(attack, key, value.cpu() if type(value) is OnDevice else value)

    monkeypatch.setattr(answers, "_kept", kept_from_there)


# --- the simulated device -------------------------------------------------------------------------

# a device that every build of PyTorch knows; its own tensors, without values, are not used
DEVICE = "meta"

_aten = torch.ops.aten
_MOVES = {_aten._to_copy.default, _aten.copy_.default, _aten._local_scalar_dense.default}
_INDEXING = {
    _aten.index.Tensor,
    _aten.index_put_.default,
    _aten.index_put.default,
    _aten._index_put_impl_.default,
}


class OnDevice(Tensor):
    """A tensor on the simulated device."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor, requires_grad: bool = False) -> OnDevice:
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
            requires_grad=requires_grad,
        )
        made.inner = inner
        return made

    def __repr__(self) -> str:
        return f"OnDevice({self.inner!r})"

    # With these two a module's `double()` swaps its tensors; else it sets what `inner` never sees.
    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @classmethod
    def __tensor_unflatten__(
        cls, tensors: dict[str, Tensor], context: None, size: Any, stride: Any
    ) -> OnDevice:
        return cls(tensors["inner"])

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("can't convert a tensor of the simulated device to numpy: use .cpu() first")

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert a tensor of the simulated device to numpy: use .cpu() first")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class SimulatedDevice(TorchDispatchMode):
    """While it is entered, tensors can be made on, and moved to, the simulated device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
    there = any(isinstance(tensor, OnDevice) for tensor in tensors)
    asked = torch.device(kwargs["device"]).type if kwargs.get("device") is not None else None
    if there and func not in _MOVES:
        allowed = 0 if func not in _INDEXING else 99
        if func in _INDEXING and not isinstance(tensors[0], OnDevice):
            raise RuntimeError(f"indices should be on the CPU, as the indexed tensor is: {func}")
        for tensor in tensors:
            if not isinstance(tensor, OnDevice) and tensor.dim() > allowed:
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but found {DEVICE} and "
                    f"cpu: {func}"
                )
    if (
        func is _aten.index_put_.default
        and isinstance(args[0], OnDevice)
        and not isinstance(args[2], OnDevice)
        and args[2].dim() > 0
    ):
        raise RuntimeError(f"Expected the values to be on the device of the tensor: {func}")
    own = {id(tensor.inner): tensor for tensor in tensors if isinstance(tensor, OnDevice)}
    plain_args, plain_kwargs = tree_map_only(OnDevice, lambda tensor: tensor.inner, (args, kwargs))
    if asked == DEVICE:
        plain_kwargs["device"] = torch.device("cpu")
    out = func(*plain_args, **plain_kwargs)
    stays = asked == DEVICE or (there and asked is None)
    if func is _aten.copy_.default:
        return args[0]
    if not stays:
        return out
    return tree_map_only(
        Tensor, lambda tensor: own.get(id(tensor)) if id(tensor) in own else OnDevice(tensor), out
    )


# --- the steps ------------------------------------------------------------------------------------

_QUICK = {
    "rl_s2v": {"steps": 6, "burn_in": 2, "width": 8, "evaluate_every": 3},
    "augcl": {"passes": 1},
    "genetic": {"population": 6, "rounds": 2},
    "prbcd": {"epochs": 4, "resampling": 2, "samples": 3},
}
"""Settings that make a plugin fast; one that is not named runs with its own."""


def suite_of(encoder: str, methods: list[str], attacks: list[str], **more: dict[str, Any]) -> Suite:
    table = {
        "name": "devices",
        "arithmetic": "fast",  # as on every GPU
        "dataset": {"source": "components", "nodes": [15, 20], "graphs_per_class": 10},
        "split": {"test": 0.2, "validation": 0.2},
        "encoder": {"name": encoder, "width": 8, "layers": [2]},
        "pretraining": {"warm_up_epochs": 1, "continued_epochs": 1, "batch_size": 8},
        "training": {"epochs": 2},
        "threat": {"within_component": True},
        "methods": [{"name": name, **_QUICK.get(name, {})} for name in methods],
        "attacks": [{"name": name, **_QUICK.get(name, {})} for name in attacks],
        **more,
    }
    return make_suite(table, "devices")


def compute_all(steps: list[Step], store: Store, device: str) -> None:
    for step in steps:
        if not store.path(step).exists():
            compute_all(list(step.inputs.values()), store, device)
            compute(step, Context(store, device))


_Adam = torch.optim.Adam


def test_the_simulated_device_keeps_apart_what_cuda_keeps_apart():
    with SimulatedDevice():
        a = torch.arange(3.0, device=DEVICE)
        assert (a * 2).tolist() == [0, 2, 4]
        assert isinstance(torch.ones(3).to(DEVICE), OnDevice)
        assert (
            type((a + torch.tensor(1.0)).cpu()) is Tensor
        )  # a CPU tensor without dimensions is a number
        assert a[torch.tensor([2, 0])].tolist() == [2, 0]  # as is one of indices
        for mixed in (
            lambda: a + torch.ones(3),
            lambda: torch.ones(3)[a.long()],
            lambda: torch.stack([a, torch.ones(3)]),
        ):
            with pytest.raises(RuntimeError, match=r"device|CPU"):
                mixed()
        with pytest.raises(TypeError):
            np.asarray(a)


METHODS = [
    name
    for name in registry.names("method")
    if not (bases := registry.load("method", name).bases) or "graphcl" in bases
]
"""Those for graphs: the suites of this file have no others."""
ATTACKS = [
    name for name in registry.names("attack") if not registry.load("attack", name).nodes_only
]


@pytest.mark.thorough(
    but=["*-augcl-*", "*-none-*+exhaustive", "*-none-*+grad_argmax", "*-none-*+prbcd", "gin-*"]
)
@pytest.mark.parametrize(
    ("encoder", "methods", "attacks"),
    [
        *(("structure2vec", [method], ["rand_sampling"]) for method in METHODS),
        *(
            ("structure2vec", ["none"], ["rand_sampling", attack])
            for attack in ATTACKS
            if attack != "rand_sampling"
        ),
        *(
            (encoder, ["graphcl"], ["rand_sampling", "grad_argmax", "exhaustive"])
            for encoder in registry.names("encoder")
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_every_step_runs_on_a_device_and_gives_the_same_result(
    tmp_path, monkeypatch, encoder, methods, attacks
):
    # The simulated device has no fused kernels.
    monkeypatch.setattr(
        torch.optim, "Adam", lambda *args, fused=None, **kwargs: _Adam(*args, **kwargs)
    )
    steps = plan(suite_of(encoder, methods, attacks)).attacks
    here, there = Store(tmp_path / "cpu"), Store(tmp_path / "device")
    compute_all(steps, here, "cpu")
    with SimulatedDevice():
        compute_all(steps, there, DEVICE)
    for step in steps:
        lines = [store.record_path(step.key).read_text().splitlines() for store in (here, there)]
        assert lines[0][1:] == lines[1][1:]
        assert DEVICE in lines[1][0]


@pytest.mark.thorough(but=["structure2vec"])
@pytest.mark.parametrize("encoder", ["structure2vec", "gcn"])
def test_certificates_on_a_device_say_the_same(tmp_path, monkeypatch, encoder):
    monkeypatch.setattr(
        torch.optim, "Adam", lambda *args, fused=None, **kwargs: _Adam(*args, **kwargs)
    )
    suite = suite_of(
        encoder,
        ["none"],
        ["rand_sampling"],
        certificates={},
        threat={"within_component": True, "budget": [1, 2]},
    )
    measured = plan(suite).measurements
    steps = [step for _, step in measured if step.kind == "certificate"]
    here, there = Store(tmp_path / "cpu"), Store(tmp_path / "device")
    compute_all(steps, here, "cpu")
    with SimulatedDevice():
        compute_all(steps, there, DEVICE)
    found = [here.load(step.key).info for step in steps]
    assert any(witness for info in found for witness in info["witnesses"])
    assert [there.load(step.key).info for step in steps] == found


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == "cpu"
    with pytest.raises(InputError, match="--device cuda"):
        resolve_device("cuda")


def test_a_gpu_gets_as_many_workers_as_its_memory_holds(monkeypatch, tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text(f"MemAvailable: {300 * 2**20} kB\n")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (5 * 2**30, 80 * 2**30))
    monkeypatch.setattr(
        "robust_augcl.workers.memory.os.sched_getaffinity",
        lambda pid: set(range(8)),
        raising=False,
    )
    assert resolve_device("auto") == "cuda"
    assert default_workers("cpu", tmp_path) == 8
    assert default_workers("cuda", tmp_path) == 2
