"""Probes of what a module keeps of earlier questions.

Letters: B graphs, C classes.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.agreement import same
from robust_augcl.models.asking import Asked
from robust_augcl.models.order_probes import with_half_of_the_edges

_WHAT_TO_DO = "keep counters and caches out of evaluation mode"


@torch.no_grad()
def refuse_memory(
    asked: Asked, untouched: nn.Module, fresh: nn.Module, graphs: PackedGraphs, first: Tensor
) -> None:
    """Ask copies that were made before the first question, and compare their answers.

    One is asked about the same graphs in another order. The other is asked about graphs that lack
    some edges, of which the module has seen the whole graphs: it may have kept what it computed of
    them, by their number of nodes for example.

    Args:
        asked: the module, which has answered for the graphs.
        untouched, fresh: copies of it that have not been asked anything.
        graphs: that it has answered for.
        first: what it said (B, C).

    Raises:
        InputError: the answers of a copy are others.
    """
    backwards = torch.arange(graphs.num_graphs - 1, -1, -1, device=graphs.device)
    turned = graphs.select(backwards)
    again = replace(asked, module=fresh).one_by_one(turned, turned.edge_index).flip(0)
    if not same(again, first, asked.module):
        raise InputError(
            "Expected logits that do not depend on earlier questions, got others in another order "
            f"of questions: {_WHAT_TO_DO}"
        )
    edited = with_half_of_the_edges(graphs, torch.ones_like(backwards, dtype=torch.bool))
    try:
        expected = replace(asked, module=untouched).one_by_one(edited, edited.edge_index)
        known = asked.one_by_one(edited, edited.edge_index)
    except Exception:  # it may need edges, which another probe says
        return
    if not same(known, expected, asked.module):
        raise InputError(
            "Expected logits that do not depend on earlier questions, got others for graphs that "
            f"lack edges, after it had seen them whole: {_WHAT_TO_DO}"
        )
