"""The replay memory of RL-S2V: transitions of one step of the decision process.

Letters: B graphs of a batch, K edits of a graph at the most, A nodes tried in a step.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.attacks._edit_process import State


class Transition(NamedTuple):
    """A step of B episodes; in the last step, of A episodes that shared all picks before, each.

    Args:
        state: where the graphs stood.
        node: the nodes picked (B, A), -1 where there are fewer than A.
        reward: the rewards (B, A), 0 unless it is the last step.
    """

    state: State
    node: Tensor
    reward: Tensor


class Replay:
    """The last `capacity` transitions of one step of the process, in a ring.

    Args:
        capacity: how many are kept.
        max_edits: K.
        device: where they are kept.
    """

    def __init__(
        self, capacity: int, max_edits: int, device: torch.device, actions: int = 1
    ) -> None:
        self.capacity, self.added = capacity, 0
        self._graph, self._picked = (
            torch.zeros(capacity, dtype=torch.int32, device=device) for _ in range(2)
        )
        self._node = torch.zeros(capacity, actions, dtype=torch.int32, device=device)
        self._edits = torch.zeros(capacity, max_edits, 2, dtype=torch.int32, device=device)
        self._reward = torch.zeros(capacity, actions, device=device)

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, transition: Transition) -> None:
        """Store transitions over the oldest."""
        state, node, reward = transition
        size = node.size(0)
        place = (self.added + torch.arange(size, device=node.device)) % self.capacity
        keep = slice(max(size - self.capacity, 0), None)
        for store, values in zip(
            (self._graph, self._edits, self._picked, self._node, self._reward),
            (*state, node, reward),
            strict=True,
        ):
            store[place[keep]] = values[keep].to(store.dtype)
        self.added += size

    def draw(self, size: int, generator: torch.Generator) -> Transition:
        """Draw transitions uniformly, with replacement."""
        return self.at(self.places(size, generator))

    def places(self, size: int, generator: torch.Generator) -> Tensor:
        """Draw where transitions stand (size,), uniformly, with replacement."""
        return torch.randint(len(self), (size,), generator=generator).to(self._reward.device)

    def at(self, place: Tensor) -> Transition:
        """Return the transitions that stand there.

        What was added to several memories together stands at the same places in each.
        """
        state = State(
            self._graph[place].long(), self._edits[place].long(), self._picked[place].long()
        )
        return Transition(state, self._node[place].long(), self._reward[place])
