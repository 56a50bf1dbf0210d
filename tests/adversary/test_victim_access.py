"""What a view of a victim answers, level by level, and what it does not hold."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from victims import ADD, relaxed

from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.errors import AccessViolation

QUESTIONS = {
    "logits": (Access.QUERY, lambda view, graphs: view.logits(graphs)),
    "candidate_logits": (
        Access.QUERY,
        lambda view, graphs: view.candidate_logits(graphs, ADD.enumerate(graphs)),
    ),
    "prepared_logits": (
        Access.QUERY,
        lambda view, graphs: view.prepared_logits(graphs)(
            torch.arange(len(graphs)), ADD.enumerate(graphs)
        ),
    ),
    "pair_logits": (
        Access.QUERY,
        lambda view, graphs: view.pair_logits(graphs, ADD.enumerate(graphs))(
            *torch.tensor([[0, 1], [2, 0]])
        ),
    ),
    "edge_gradients": (
        Access.GRADIENT,
        lambda view, graphs: view.edge_gradients(graphs, ADD.enumerate(graphs), graphs.y),
    ),
    "relaxed": (Access.GRADIENT, lambda view, graphs: torch.cat(relaxed(view, graphs))),
    "partial_edits": (
        Access.GRADIENT,
        lambda view, graphs: view.partial_edits(
            graphs, ADD.enumerate(graphs), lambda logits, index: logits[:, 0]
        )(*torch.tensor([[0, 1], [1, 0]])),
    ),
}


@pytest.mark.parametrize("access", list(Access))
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_view_answers_up_to_its_level(victim, graphs, access, question):
    needed, ask = QUESTIONS[question]
    view = victim.restricted(access)
    if access >= needed:
        assert torch.equal(ask(view, graphs), ask(victim, graphs))
        return
    with pytest.raises(AccessViolation, match=f"{access.name.lower()}.*{question}"):
        ask(view, graphs)
    assert (victim.queries, victim.gradient_calls) == (0, 0)


@pytest.mark.parametrize("access", list(Access))
def test_a_view_holds_neither_module_nor_tensor(victim, access):
    view = victim.restricted(access)
    assert not hasattr(view, "__dict__")
    held = [getattr(view, name) for name in dir(view) if not name.startswith("__")]
    assert not any(isinstance(value, nn.Module | Tensor | Victim) for value in held)
    assert not any(
        hasattr(view, name) for name in ("_model", "model", "victim", "_victim", "parameters")
    )
    assert view.num_classes == 3
    assert view.device == torch.device("cpu")


@pytest.mark.parametrize("access", [Access.NONE, Access.QUERY])
def test_a_view_takes_no_further_attributes(victim, access):
    with pytest.raises(AttributeError):
        victim.restricted(access).model = victim._model
