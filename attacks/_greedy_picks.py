"""Greedy picks of RL-S2V: at each step the node of the highest value."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robust_augcl.attacks._edit_process import EditSpace, State, best_allowed
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import runs
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


class GreedyProposer:
    """Takes the pick of the highest value at each step.

    Args:
        network: the learned Q-network.
        threat: what it may edit.
        curve: of learning: update, mean loss since the last point, robust accuracy on the
            validation graphs.
    """

    def __init__(
        self, network: TwoStepQ, threat: ThreatModel, curve: Sequence[tuple[int, float, float]]
    ) -> None:
        self.network, self.threat, self.curve = network, threat, curve
        self._device = next(network.parameters()).device

    def __call__(self, graphs: PackedGraphs) -> list[Perturbation]:
        if graphs.num_graphs == 0:
            return []
        space = EditSpace.of(graphs.to(self._device), self.threat)
        return space.perturbations(act_greedily(self.network, space))

    def state(self) -> dict[str, Tensor]:
        """Return the network's weights."""
        return dict(self.network.state_dict())


@torch.no_grad()
def act_greedily(network: TwoStepQ, space: EditSpace) -> State:
    """Return the final state of every graph of the space, in order."""
    sizes = space.graphs.sizes
    # A few graphs at a time, to bound the memory.
    parts = runs((torch.ones_like(sizes), limits().played_graphs), (sizes, limits().played_nodes))
    finals = [space.start(part) for part in parts or [sizes.new_zeros(0)]]
    for final in finals:
        for edits_left in range(space.max_edits, 0, -1):
            rows = (space.budgets[final.graph] >= edits_left).nonzero().squeeze(1)
            if len(rows) == 0:
                continue
            state = final.take(rows)
            graphs = space.realise(state)
            shared = network.shared_states(graphs)
            for half in range(2):
                values = network(graphs, state.picked, edits_left, half, shared)
                node = best_allowed(values, space.allowed(state, graphs, half), graphs)[1]
                state = state.pick(node) if half == 0 else state.edit(node, edits_left)
            final.edits[rows] = state.edits
    return State(*(torch.cat(parts) for parts in zip(*finals, strict=True)))
