"""The loss of a pair network and its gradient, by hand, in memory that is set aside once.

A step has only a few thousand pairs. Fresh memory, copies and autograd's small steps would cost as
much as the arithmetic.

Letters: B graphs in a batch, D embedding, H hidden width, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from robust_augcl.contrast.augcl.uncertainty import PairNetwork
from robust_augcl.models.products import multiply

PairLoss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes logits (P, outputs) and labels (P,); returns the mean loss () and its gradient."""


class PairPass:
    """Computes the loss of a pair network on some pairs, and its gradient in the parameters.

    Args:
        network: the pair network.
        loss: the loss, with its gradient.
        most_pairs: the most pairs P of one call.
    """

    def __init__(self, network: PairNetwork, loss: PairLoss, most_pairs: int) -> None:
        self.network = network
        self.loss = loss
        like = network.layer2.weight
        self._memory = [like.new_empty(most_pairs, like.size(0)) for _ in range(3)]

    @torch.no_grad()
    def __call__(
        self, z1: Tensor, z2: Tensor, anchor: Tensor, view: Tensor, labels: Tensor
    ) -> Tensor:
        """Return the mean loss, and leave its gradient in `grad` of the network's parameters.

        What `grad` held before is lost.

        Shapes: z1 (B, D), z2 (B, D); anchor, view, labels (P,) -> ().
        """
        first, second, third = (memory[: labels.numel()] for memory in self._memory)
        layer1, layer2, layer3 = self.network.layer1, self.network.layer2, self.network.layer3
        left, right = self.network.halves(z1, z2)

        # Forward: the network's layers, each in memory of its own.
        torch.index_select(left, 0, anchor, out=first)
        first.add_(torch.index_select(right, 0, view, out=second)).relu_()
        second = multiply(first, layer2.weight.T, second)
        second.add_(layer2.bias).relu_()
        # Each output is a row here: what follows works on whole rows.
        logits = torch.addmm(layer3.bias.unsqueeze(1), layer3.weight, second.T)

        loss, gradient = self.loss(logits.T, labels)

        # Backward: layer by layer, each gradient in memory that is no longer needed.
        layer3.weight.grad, layer3.bias.grad = multiply(gradient.T, second), gradient.sum(0)
        third = multiply(gradient, layer3.weight, third)
        torch.ops.aten.threshold_backward(third, second, 0, grad_input=third)
        layer2.weight.grad, layer2.bias.grad = multiply(third.T, first), third.sum(0)
        second = multiply(third, layer2.weight, second)  # the activations of `second` are used up
        torch.ops.aten.threshold_backward(second, first, 0, grad_input=second)
        by_anchor = torch.zeros_like(left).index_add_(0, anchor, second)
        by_view = torch.zeros_like(right).index_add_(0, view, second)
        layer1.weight.grad = torch.cat([by_anchor.T @ z1, by_view.T @ z2], dim=1)
        layer1.bias.grad = by_anchor.sum(0)
        return loss
