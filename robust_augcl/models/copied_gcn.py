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
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for index, (weight, bias) in enumerate([(one, of_one), (two, of_two)]):
            encoder.maps[index].weight[: weight.size(1), : weight.size(0)] = weight.T
            encoder.maps[index].bias[: len(bias)] = bias
        eye = torch.eye(classes)
        model.head[0].weight[:, : 2 * classes] = torch.cat([eye, -eye], dim=1)
    return model.eval()


def _bias(bias: Tensor | None, size: int, *, doubled: bool) -> Tensor:
    own = torch.zeros(size) if bias is None else bias.detach()
    return torch.cat([own, -own]) if doubled else own
