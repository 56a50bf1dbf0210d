"""Digests of a very small suite in portable arithmetic: the same on every x86-64 processor.

`tests/end_to_end/test_same_bits.py` compares them with those that are stored. By hand:

    python tests/helpers/same_bits.py                             # this processor
    python tests/helpers/same_bits.py --emulate Haswell EPYC      # emulated ones of two vendors
    python tests/helpers/same_bits.py --write                     # after a change of results

`--emulate` takes names of processors that `qemu-x86_64-static -cpu help` lists (on Debian in the
package qemu-user-static), and needs some minutes for each.
"""

from __future__ import annotations

from robust_augcl import use_arithmetic

use_arithmetic("portable")

import argparse  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import tomllib  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402

from robust_augcl.models.products import apply_linear  # noqa: E402
from robust_augcl.models.sparse_features import apply_to_features  # noqa: E402
from robust_augcl.plan.kinds import KINDS  # noqa: E402
from robust_augcl.plan.planner import plan  # noqa: E402
from robust_augcl.plan.step import Step  # noqa: E402
from robust_augcl.plan.suite import make_suite  # noqa: E402
from robust_augcl.steps.compute import compute  # noqa: E402
from robust_augcl.steps.context import Context  # noqa: E402
from robust_augcl.store.store import Store  # noqa: E402

STORED = Path(__file__).parents[1] / "vectors" / "same_bits.json"
EMULATOR = "qemu-x86_64-static"
LIBRARIES = ("torch", "torch-geometric", "numpy", "scipy", "scikit-learn")

_DATA = """
[dataset]
source = "components"
nodes = [15, 20]
graphs_per_class = 10
[split]
test = 0.2
validation = 0.2
[pretraining]
warm_up_epochs = 1
continued_epochs = 1
batch_size = 8
[training]
epochs = 2
batch_size = 4
head_hidden = 8
[representations]
folds = 2
c = [1.0]
[threat]
within_component = true
budget = [1, 2]
[certificates]
parts = 1
"""
_ATTACKS = """
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "grad_argmax"
[[attacks]]
name = "rl_s2v"
budgets = [1]
steps = 4
updates = 1
partners = 2
burn_in = 2
width = 8
[[attacks]]
name = "genetic"
budgets = [1]
population = 4
rounds = 2
[[attacks]]
name = "prbcd"
budgets = [2]
epochs = 3
resampling = 2
samples = 2
[[attacks]]
name = "beam"
[[attacks]]
name = "exhaustive"
budgets = [1]
"""
_METHODS = "".join(
    f'[[methods]]\nname = "{name}"\n' for name in ("none", "graphcl", "augcl", "hcl", "progcl")
)
SUITES = {
    "structure2vec": f"""
name = "structure2vec"
{_DATA}
[encoder]
name = "structure2vec"
width = 8
layers = [2]
{_METHODS}
{_ATTACKS}
""",
    "gin": f"""
name = "gin"
{_DATA}
[encoder]
name = "gin"
width = 8
layers = [2]
[[methods]]
name = "graphcl"
[[attacks]]
name = "grad_argmax"
[[attacks]]
name = "exhaustive"
budgets = [1]
""",
}


def versions() -> dict[str, str]:
    """Of the libraries that the digests belong to."""
    return {name: version(name) for name in LIBRARIES}


def digests() -> dict[str, str]:
    """What each step of the suites gives, by suite, kind and title; and what large products do."""
    torch.set_num_threads(1)
    found = large_products()
    for name, text in SUITES.items():
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            store.artifacts.mkdir(parents=True)
            for step in _in_order(plan(make_suite(tomllib.loads(text), name)).steps):
                compute(step, Context(store))
                found[f"{name}, {step.kind}: {step.title}"] = _digest(step, store)
    return dict(sorted(found.items()))


def large_products() -> dict[str, str]:
    """Products of the sizes that the shipped suites have, and their gradients."""
    generator, found = torch.Generator().manual_seed(0), {}
    for rows, inputs, outputs in ((300, 64, 64), (2250, 64, 64), (2450, 128, 128), (2450, 300, 8)):
        parts = [
            torch.randn(*shape, generator=generator, requires_grad=True)
            for shape in ((rows, inputs), (outputs, inputs), (outputs,))
        ]
        out = apply_linear(*parts)
        slopes = torch.autograd.grad((out * out).sum(), parts)
        content = b"".join(each.detach().numpy().tobytes() for each in (out, *slopes))
        name = f"products, linear: {rows} x {inputs} x {outputs}"
        found[name] = hashlib.sha256(content).hexdigest()[:16]
    return found | sparse_features()


def sparse_features() -> dict[str, str]:
    """A product of features of Cora's size and density, and its gradient."""
    draws = torch.Generator().manual_seed(1)
    x = torch.rand(2708, 1433, generator=draws)
    x = x.where(torch.rand(x.shape, generator=draws) < 0.0127, torch.zeros(()))
    weight = torch.randn(256, 1433, generator=draws, requires_grad=True)
    out = apply_to_features(x, weight)
    (slopes,) = torch.autograd.grad((out * out).sum(), weight)
    content = out.detach().numpy().tobytes() + slopes.numpy().tobytes()
    return {"products, features: 2708 x 1433 x 256": hashlib.sha256(content).hexdigest()[:16]}


def emulated(processor: str) -> dict[str, str]:
    """The digests on a processor that QEMU plays."""
    command = [EMULATOR, "-cpu", processor, sys.executable, __file__, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}"
        )
    return json.loads(done.stdout)


def different(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """The steps whose digests differ, or that only one side has."""
    names = sorted(set(found) | set(expected))
    return [name for name in names if found.get(name) != expected.get(name)]


def _in_order(steps: list[Step], seen: set[str] | None = None) -> Iterator[Step]:
    """The steps after all that they need, each once."""
    seen = set() if seen is None else seen
    for step in steps:
        if step.key not in seen:
            seen.add(step.key)
            yield from _in_order(list(step.inputs.values()), seen)
            yield step


def _digest(step: Step, store: Store) -> str:
    if KINDS[step.kind].stores == "artifact":
        return store.load(step.key).digest[:16]
    # The first line says where and when it was computed.
    lines = store.record_path(step.key).read_text().splitlines()[1:]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def main() -> None:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emulate", nargs="+", default=[], metavar="PROCESSOR")
    parser.add_argument("--write", action="store_true", help="store the digests of this processor")
    parser.add_argument("--json", action="store_true", help="print them")
    asked = parser.parse_args()
    if asked.json:
        print(json.dumps(digests()))
        return
    here = digests()
    if asked.write:
        content: dict[str, Any] = {"versions": versions(), "digests": here}
        STORED.write_text(json.dumps(content, indent=1) + "\n")
    expected = json.loads(STORED.read_text())["digests"]
    failed = _said("this processor", here, expected)
    for processor in asked.emulate:
        failed |= _said(processor, emulated(processor), expected)
    sys.exit(failed)


def _said(processor: str, found: dict[str, str], expected: dict[str, str]) -> bool:
    wrong = different(found, expected)
    print(f"{processor}: {len(expected) - len(wrong)} of {len(expected)} digests are the same")
    for name in wrong:
        print(f"  differs: {name}")
    return bool(wrong)


if __name__ == "__main__":
    main()
