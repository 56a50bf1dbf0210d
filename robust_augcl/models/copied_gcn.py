"""A GCN of two rounds from elsewhere, its weights copied into our own encoder and head.

Letters: N nodes, F features, H width, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robust_augcl import registry
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.layers import linear


def classifier_of_gcn(
    first: Tensor,
    second: Tensor,
    first_bias: Tensor | None = None,
    second_bias: Tensor | None = None,
    *,
    relu: bool = True,
) -> GraphClassifier:
    """The classifier with the logits A act(A x W1 + b1) W2 + b2; A is GCN's normalised matrix.

    Our encoder ends each round with a relu. Where there is none, the round computes z and -z side
    by side, and what follows takes relu(z) - relu(-z), which is z: so the logits are the same, and
    the exact oracle works for them.

    Args:
        first: W1 (F, H).
        second: W2 (H, C).
        first_bias: b1 (H,), or None for zeros.
        second_bias: b2 (C,), or None for zeros.
        relu: whether act is a relu; else it changes nothing.

    Returns:
        A classifier of nodes; its weights are in single precision.

    >>> model = classifier_of_gcn(torch.ones(3, 4), torch.ones(4, 2))
    >>> model.num_classes, model.encoder.layers
    (2, 2)
    """
    features, hidden = first.shape
    classes = second.size(1)
    one = first if relu else torch.cat([first, -first], dim=1)
    two = second if relu else torch.cat([second, -second])
    two = torch.cat([two, -two], dim=1)
    of_one = _bias(first_bias, hidden, doubled=not relu)
    of_two = _bias(second_bias, classes, doubled=True)
    width = max(one.size(1), two.size(1))
    draws = torch.Generator().manual_seed(0)  # all that is drawn is replaced
    encoder = registry.load("encoder", "gcn")(
        in_features=features, width=width, layers=2, generator=draws
    )
    model = GraphClassifier(encoder, num_classes=classes, hidden=1, generator=draws)
    model.head = nn.Sequential(linear(width, classes, draws))
    eye = torch.eye(classes)
    _copy(encoder.maps[0], one, of_one)
    _copy(encoder.maps[1], two, of_two)
    _copy(model.head[0], torch.cat([eye, -eye]), torch.zeros(classes))
    return model.eval()


def _bias(bias: Tensor | None, size: int, *, doubled: bool) -> Tensor:
    own = torch.zeros(size) if bias is None else bias.detach()
    return torch.cat([own, -own]) if doubled else own


@torch.no_grad()
def _copy(layer: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Copy weights (inputs, outputs) and biases into a layer that may be larger; the rest is 0."""
    for name, value in (("weight", weight.T), ("bias", bias)):
        own = layer.get_parameter(name)
        own.zero_()
        own[tuple(slice(size) for size in value.shape)] = value
