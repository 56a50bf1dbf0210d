"""The worst of several attacks, graph by graph: an ensemble, as AutoAttack is (Croce and Hein 2020,
arXiv 2003.01690).
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
    """Take, for each graph, the edits among those of other attacks on this victim that leave the
    true class the smallest margin.

    Edits that break the graph come before any that do not, whatever the margins, which are rounded
    where they are stored; of equals the fewest edits are taken. What was found with a smaller
    budget counts too, since it is allowed. The clean graph is one of the choices, the first of
    equals, so this never helps the victim. It asks nothing itself: what it costs is what the others
    cost, with each of those budgets.

    Args:
        of: the labels of those attacks in the suite. None: all of them but exact searches, which
            would leave nothing to combine.
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
            mine = chosen[found["graph"]] == found["attack"]
            graph, pairs, added = (
                found["graph"][mine],
                found["pairs"][:, mine],
                found["added"][mine],
            )
            order = graph.argsort(stable=True)
            counts = torch.bincount(graph, minlength=graphs.num_graphs).tolist()
            parts = zip(
                pairs[:, order].split(counts, dim=1), added[order].split(counts), strict=True
            )
            return [Perturbation(part[:, is_added], part[:, ~is_added]) for part, is_added in parts]

        return propose


def _best(state: Mapping[str, Tensor]) -> Tensor:
    """Of each graph the best choice, 0 for the clean graph, else 1 and the place of the attack
    (G,).
    """
    margin = torch.cat([state["clean_margin"].unsqueeze(0), state["attacked_margin"]])
    unbroken = torch.cat([torch.ones_like(state["broken"][:1]), ~state["broken"]])
    number = torch.zeros(margin.shape, dtype=torch.long)
    number.index_put_(
        (state["attack"] + 1, state["graph"]), torch.ones_like(state["graph"]), accumulate=True
    )
    order = torch.arange(len(margin)).unsqueeze(1).expand(margin.shape)
    for key in (number, margin, unbroken.long()):  # the last decides first
        order = order.gather(0, key.gather(0, order).argsort(dim=0, stable=True))
    return order[0]
