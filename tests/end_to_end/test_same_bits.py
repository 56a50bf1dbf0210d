"""The same bits on every x86-64 processor: what is stored was computed on another machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import same_bits
import torch

from robust_augcl import arithmetic, use_arithmetic
from robust_augcl.errors import InputError
from robust_augcl.models.products import apply_linear, multiply


def test_this_machine_computes_the_stored_digests():
    if (why := arithmetic.machine_obstacle()) is not None:
        pytest.skip(f"portable arithmetic is for x86-64 with AVX2: {why}")
    stored = json.loads(same_bits.STORED.read_text())
    if (here := same_bits.versions()) != stored["versions"]:
        pytest.skip(f"the digests belong to {stored['versions']}, got {here}")
    assert arithmetic.arithmetic_in_force() == "portable"
    wrong = same_bits.different(same_bits.digests(), stored["digests"])
    assert wrong == [], (
        "This processor computes other bits. Please report it with the output of "
        "`python tests/helpers/same_bits.py` and the processor's name (`lscpu`)"
    )


def test_the_stored_digests_speak_of_each_kind_of_step():
    kinds = {
        name.split(": ")[0].split(", ")[1]
        for name in json.loads(same_bits.STORED.read_text())["digests"]
    }
    assert kinds >= {
        "warm_up",
        "pretraining",
        "victim",
        "attacker",
        "attack",
        "certificate",
        "representation",
    }


def test_a_digest_that_differs_is_found():
    stored = json.loads(same_bits.STORED.read_text())["digests"]
    name = next(iter(stored))
    assert same_bits.different({**stored, name: "0" * 16}, stored) == [name]
    assert same_bits.different({**stored, "more": "0" * 16}, stored) == ["more"]


@pytest.mark.parametrize("rows", [16, 300, 2500])
def test_products_are_those_of_double_precision(rows):
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, 64, generator=generator, requires_grad=True)
    weight = torch.randn(64, 64, generator=generator, requires_grad=True)
    bias = torch.randn(64, generator=generator, requires_grad=True)
    parts = (x, weight, bias)
    exact = [part.detach().double().requires_grad_() for part in parts]
    towards = torch.randn(rows, 64, generator=generator)

    out = apply_linear(*parts)
    expected = torch.nn.functional.linear(*exact)
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-4)
    found = torch.autograd.grad((out * towards).sum(), parts)
    slopes = torch.autograd.grad((expected * towards.double()).sum(), exact)
    for one, other in zip(found, slopes, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(multiply(x, weight.T), out - bias, rtol=1e-5, atol=1e-4)


def test_torch_before_the_choice_is_told_and_what_fast_computes_is_fast():
    fast = {k: v for k, v in os.environ.items() if k not in arithmetic.VARIABLES}
    code = (
        "import torch, robust_augcl as ra; from robust_augcl.errors import InputError\n"
        "print(ra.arithmetic_in_force())\n"
        "from robust_augcl import arithmetic\n"
        "for call in (ra.use_arithmetic, arithmetic.require):\n"
        "    try: call('portable')\n"
        "    except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=fast)
    first, of_choice, of_need = done.stdout.splitlines()
    assert first == "fast"
    assert "chosen before torch is imported" in of_choice
    assert 'got "fast"' in of_need


def test_an_arithmetic_that_there_is_not():
    with pytest.raises(InputError, match="portable or fast, got 'quick'"):
        use_arithmetic("quick")


def test_a_step_of_portable_arithmetic_is_not_computed_on_a_gpu():
    with pytest.raises(InputError, match="a GPU computes"):
        arithmetic.require("portable", "cuda")
    arithmetic.require("fast", "cuda")
