"""Weights with the names of a wrapper, or in a checkpoint, are refused, and told from others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from robust_augcl.errors import InputError
from robust_augcl.models.given_weights import read_weights, with_weights


@pytest.mark.parametrize(
    ("prefix", "writer"),
    [
        ("module.", "DistributedDataParallel"),
        ("_orig_mod.", "torch.compile"),
        ("model.", "wrapper"),
    ],
)
def test_names_of_a_wrapper_are_told(tmp_path, prefix, writer):
    inner = nn.Linear(2, 2)
    path = tmp_path / "wrapped.pt"
    torch.save({prefix + name: value for name, value in inner.state_dict().items()}, path)
    with pytest.raises(InputError) as refused:
        with_weights(inner, read_weights(path), "gin")
    text = str(refused.value)
    assert f"all their names begin with {prefix!r}" in text
    assert writer in text
    assert ".state_dict()` instead" in text


def test_what_data_parallel_writes_is_known():
    wrapped = nn.DataParallel(nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"begin with 'module\.'.*model\.module\.state_dict"):
        with_weights(wrapped.module, wrapped.state_dict(), "gin")
    with pytest.raises(InputError, match=r"names of the module begin with 'module\.'.*hand over"):
        with_weights(wrapped, wrapped.module.state_dict(), "gin")


def test_a_prefix_beside_other_shapes_is_no_wrapper():
    state = {f"module.{name}": value for name, value in nn.Linear(3, 2).state_dict().items()}
    with pytest.raises(InputError, match="is of shape none instead of"):
        with_weights(nn.Linear(2, 2), state, "gin")


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_is_told_from_a_state_dict(tmp_path, key):
    path = tmp_path / "checkpoint.pt"
    torch.save({"epoch": 3, key: nn.Linear(2, 2).state_dict()}, path)
    with pytest.raises(InputError, match=f"got a checkpoint with one in '{key}': save that alone"):
        read_weights(path)
