"""How weights, similarities and uncertainties relate to true and false negatives.

A false negative is a negative of the anchor's own class. The benchmark knows the classes, a method
never does: nothing here is used in training.

Letters: B graphs in a batch, D embedding, P pairs, G graphs of the data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from robust_augcl.contrast.losses import cosine_similarities
from robust_augcl.contrast.objective import Embedded, Objective, PairObjective

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
BINS = 40


def false_negatives(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the masks of the false and of the true negatives.

    Neither mask holds the diagonal.

    Shapes: labels (B,) -> (B, B) bool, (B, B) bool.

    >>> false, true = false_negatives(torch.tensor([0, 0, 1]))
    >>> false.nonzero().tolist()
    [[0, 1], [1, 0]]
    >>> int(true.sum())
    4
    """
    same = labels.unsqueeze(1) == labels.unsqueeze(0)
    own = torch.eye(labels.numel(), dtype=torch.bool, device=labels.device)
    return same & ~own, ~same


def share_on(weight: Tensor, false: Tensor, true: Tensor) -> float | None:
    """Return the share of the negatives' total weight that lies on false ones.

    Where there is no weight, the share is None.

    Shapes: weight, not negative, and the masks of false and of true negatives, all (B, B) or all
    (P,).

    >>> false = torch.tensor([True, False, False])
    >>> share_on(torch.tensor([1.0, 2.0, 1.0]), false, ~false)
    0.25
    """
    on_false, on_true = float(weight[false].double().sum()), float(weight[true].double().sum())
    return on_false / (on_false + on_true) if on_false + on_true > 0 else None


def summary(values: Tensor, low: float, high: float) -> dict[str, Any]:
    """Describe values by count, mean, `QUANTILES` and a histogram of `BINS` equal bins, as JSON.

    The bins cover [low, high]; values outside count in the outermost bins.

    Shapes: values (P,).

    >>> summary(torch.tensor([0.0, 1.0]), 0.0, 1.0)["mean"]
    0.5
    """
    values = values.double().cpu()
    if not values.numel():
        return {"count": 0, "mean": None, "quantiles": None, "histogram": [0] * BINS}
    # Indices instead of `torch.quantile`, which takes at most 16 million values.
    ordered = values.sort().values
    at = torch.tensor(QUANTILES, dtype=torch.float64).mul(ordered.numel() - 1).round().long()
    return {
        "count": values.numel(),
        "mean": _rounded(values.mean()),
        "quantiles": [_rounded(value) for value in ordered[at]],
        "histogram": torch.histc(values.clamp(low, high), bins=BINS, min=low, max=high)
        .long()
        .tolist(),
    }


def push(objective: Objective, z1: Tensor, z2: Tensor) -> Tensor | None:
    """Return how strongly the loss pushes each pair apart, |d loss / d s_ij|.

    The answer is None if the objective is no loss of pairs.

    Shapes: z1 (B, D), z2 (B, D) -> (B, B).
    """
    if not isinstance(objective, PairObjective):
        return None
    with torch.enable_grad():
        similarity = cosine_similarities(z1, z2).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(objective.pair_loss(similarity, z1, z2), similarity)
    return gradient.abs()


def diagnose(batches: Iterable[Embedded], objective: Objective, labels: Tensor) -> dict[str, Any]:
    """Describe a pass over the data with a trained encoder, as small JSON.

    `false_negatives` holds the share of false negatives among the pairs, of the weight that lies
    on them, and of the loss's push on them. A share is None where the method has no such thing.
    `similarity` and `uncertainty` hold a `summary` for the true and one for the false negatives,
    with the range of their histogram.

    Looking at the push counts as one more batch of training in `objective.notes` and
    `objective.info`: read these before.

    Args:
        batches: the embedded batches of one pass.
        objective: what the encoder was trained with.
        labels: the classes of all graphs (G,).
    """
    whole = _pass(batches, objective, labels)
    if not whole:
        return {}
    false = whole["false"]
    shares = {
        name: share_on(whole[name], false, ~false) if name in whole else None
        for name in ("pairs", "weight", "push")
    }
    return {
        "false_negatives": {
            f"share_of_{name}": None if value is None else round(value, 6)
            for name, value in shares.items()
        },
        "quantile_levels": list(QUANTILES),
        "similarity": _by_kind(whole["similarity"], false, (-1.0, 1.0)),
        "uncertainty": _by_kind(whole["uncertainty"], false, None)
        if "uncertainty" in whole
        else None,
    }


def _pass(batches: Iterable[Embedded], objective: Objective, labels: Tensor) -> dict[str, Tensor]:
    """Collect what is known of every negative of a pass: name -> values (P,).

    A name that the objective knows nothing of is left out.
    """
    kept: dict[str, list[Tensor]] = {}
    for z1, z2, numbers in batches:
        false, true = false_negatives(labels[numbers])
        pairs = false | true
        found: dict[str, Tensor | None] = {
            "false": false,
            "pairs": torch.ones_like(pairs, dtype=torch.float32),
            "weight": objective.pair_weights(z1, z2),
            "push": push(objective, z1, z2),
            "similarity": cosine_similarities(z1, z2),
            "uncertainty": objective.uncertainty(z1, z2),
        }
        for name, values in found.items():
            if values is not None:
                kept.setdefault(name, []).append(values[pairs])
    return {name: torch.cat(parts) for name, parts in kept.items()}


def _by_kind(values: Tensor, false: Tensor, limits: Sequence[float] | None) -> dict[str, Any]:
    low, high = limits if limits is not None else (0.0, max(float(values.max()), 1e-12))
    kinds = {"true": values[~false], "false": values[false]}
    return {
        "range": [_rounded(low), _rounded(high)],
        **{kind: summary(part, low, high) for kind, part in kinds.items()},
    }


def _rounded(value: Tensor | float) -> float:
    return float(f"{float(value):.6g}")
