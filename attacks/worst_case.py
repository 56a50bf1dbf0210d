"""The worst of several attacks, graph by graph (as in AutoAttack, Croce and Hein 2020).

AutoAttack (arXiv 2003.01690) is such an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import CombiningAttack, Proposer
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True)
class WorstCase(CombiningAttack):
    """Take, for each graph, the edits of other attacks that leave the smallest margin.

    The margin is that of the true class, and the other attacks ran on the same victim. Edits that
    break the graph come before any that do not, whatever the margins, which are rounded where they
    are stored. Of equals, the fewest edits are taken. What was found with a smaller budget counts
    too, since it is allowed. The clean graph is one of the choices and the first of equals, so this
    attack never helps the victim. It asks nothing itself: it costs what the others cost, with each
    of those budgets.

    Args:
        of: the labels of the other attacks in the suite. Empty: all of them but exact searches,
            which would leave nothing to combine.

    >>> WorstCase(of=("GradArgmax", "RL-S2V")).of
    ('GradArgmax', 'RL-S2V')
    """

    access: ClassVar[Access] = Access.NONE
    display_name: ClassVar[str] = "Worst of the attacks"

    of: tuple[str, ...] = ()

    def combine(
        self, found: Mapping[str, Tensor], victim: VictimView, threat: ThreatModel
    ) -> Proposer:
        chosen = _best(found) - 1  # the place of the attack, -1 for the clean graph

        def propose(graphs: PackedGraphs) -> list[Perturbation]:
            if graphs.num_graphs != chosen.numel():
                raise ValueError(
                    f"Expected the {chosen.numel()} graphs that the attacks were run on, got "
                    f"{graphs.num_graphs}"
                )
            is_chosen = chosen[found["graph"]] == found["attack"]
            graph, pairs = found["graph"][is_chosen], found["pairs"][:, is_chosen]
            added = found["added"][is_chosen]
            order = graph.argsort(stable=True)
            counts = torch.bincount(graph, minlength=graphs.num_graphs).tolist()
            parts = zip(
                pairs[:, order].split(counts, dim=1), added[order].split(counts), strict=True
            )
            return [Perturbation(part[:, is_added], part[:, ~is_added]) for part, is_added in parts]

        return propose


def _best(state: Mapping[str, Tensor]) -> Tensor:
    """Return the best choice of each graph (G,): 0 is the clean graph, k + 1 is the attack k."""
    margin = torch.cat([state["clean_margin"].unsqueeze(0), state["attacked_margin"]])
    unbroken = torch.cat([torch.ones_like(state["broken"][:1]), ~state["broken"]])
    number = torch.zeros(margin.shape, dtype=torch.long)
    number.index_put_(
        (state["attack"] + 1, state["graph"]), torch.ones_like(state["graph"]), accumulate=True
    )
    order = torch.arange(len(margin)).unsqueeze(1).expand(margin.shape)
    # Stable sorts by one key after another: the last key decides first.
    for key in (number, margin, unbroken.long()):
        order = order.gather(0, key.gather(0, order).argsort(dim=0, stable=True))
    return order[0]
