"""How weights, similarities and uncertainties relate to true and false negatives.

A false negative is a negative of the anchor's own class. Classes are known to the benchmark and
never to a method: nothing here is used in training. Letters: B graphs in a batch, D embedding, P
pairs.
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
    """Masks of false and of true negatives: labels (B,) -> (B, B) bool, (B, B) bool; neither holds
    the diagonal.
    """
    same = labels.unsqueeze(1) == labels.unsqueeze(0)
    own = torch.eye(labels.numel(), dtype=torch.bool, device=labels.device)
    return same & ~own, ~same


def share_on(weight: Tensor, false: Tensor, true: Tensor) -> float | None:
    """The share of the total weight of negatives that lies on false ones; None where there is no
    weight.

    Shapes: weight, not negative, and the masks of false and true negatives, all (B, B) or (P,).
    """
    on_false, on_true = float(weight[false].double().sum()), float(weight[true].double().sum())
    return on_false / (on_false + on_true) if on_false + on_true > 0 else None


def summary(values: Tensor, low: float, high: float) -> dict[str, Any]:
    """Count, mean, `QUANTILES` and a histogram of `BINS` equal bins over [low, high], as JSON:
    values (P,).
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
    """How strongly the loss pushes each pair apart, |d loss / d s_ij|: (B, D), (B, D) -> (B, B);
    None if it is no loss of pairs.
    """
    if not isinstance(objective, PairObjective):
        return None
    with torch.enable_grad():
        similarity = cosine_similarities(z1, z2).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(objective.pair_loss(similarity, z1, z2), similarity)
    return gradient.abs()


def diagnose(batches: Iterable[Embedded], objective: Objective, labels: Tensor) -> dict[str, Any]:
    """Describe a pass over the data with a trained encoder, as small JSON; labels are those of all
    graphs (G,).

    `false_negatives`: the share of false negatives among the pairs, of the weight on them, and of
    the loss's push on them (None: the method has no such thing). `similarity`, `uncertainty`: a
    `summary` for true and for false negatives, the range of the histogram beside it.

    Looking at the push counts as one more batch of training in `objective.notes` and
    `objective.info`: read them before.
    """
    names = ("false", "pairs", "weight", "push", "similarity", "uncertainty")
    kept: dict[str, list[Tensor]] = {name: [] for name in names}
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
                kept[name].append(values[pairs])
    if not kept["false"]:
        return {}
    whole = {name: torch.cat(parts) for name, parts in kept.items() if parts}
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


def _by_kind(values: Tensor, false: Tensor, limits: Sequence[float] | None) -> dict[str, Any]:
    low, high = limits if limits is not None else (0.0, max(float(values.max()), 1e-12))
    kinds = {"true": values[~false], "false": values[false]}
    return {
        "range": [_rounded(low), _rounded(high)],
        **{kind: summary(part, low, high) for kind, part in kinds.items()},
    }


def _rounded(value: Tensor | float) -> float:
    return float(f"{float(value):.6g}")
