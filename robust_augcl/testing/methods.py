"""The contract of methods."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import torch

from robust_augcl.contrast.diagnostics import diagnose
from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.objective import Embedded, LossSettings, Objective
from robust_augcl.testing.rules import Contract, broken, require
from robust_augcl.testing.settings import (
    add_settings_rules,
    check_text,
    same_by_chance_passed_in,
    seeded,
)

CONTRACT = Contract()
add_settings_rules(CONTRACT, Method)

_SIZE = 5
LOSSES = tuple(
    LossSettings(0.5, positive_in_denominator=inside, directions=directions)
    for inside in (True, False)
    for directions in ("one", "both")
)


def check_method(method: Method | type[Method], *, skip: Iterable[str] = ()) -> None:
    """Check that a method keeps its contract. The rules are `METHOD_RULES`.

    Args:
        method: an instance, best one that learns quickly, or a class that needs no settings.
        skip: the names of rules that are not checked.

    Raises:
        ContractBroken: the first rule that is broken, with what was seen and what to do.

    >>> from robust_augcl import registry
    >>> check_method(registry.load("method", "graphcl"))
    """
    CONTRACT.hold(method() if isinstance(method, type) else method, skip)


# --- how it is used -------------------------------------------------------------------------------


def batches(*sizes: int) -> list[Embedded]:
    """Batches of random embeddings."""
    numbers = torch.arange(sum(sizes))
    z1, z2 = torch.randn(2, sum(sizes), _SIZE, generator=seeded(1))
    return [Embedded(z1[part], z2[part], part) for part in numbers.split(list(sizes))]


def fitted(
    method: Method,
    found: list[Embedded],
    settings: LossSettings = LOSSES[0],
    generator: torch.Generator | None = None,
) -> Objective:
    """The objective of a method, fitted on batches where it learns."""
    chance = seeded(0) if generator is None else generator
    objective = method.objective(_SIZE, settings, chance, "cpu")
    if objective.learns:
        objective.fit(lambda: iter(found), chance)
    return objective


# --- the rules ------------------------------------------------------------------------------------


@CONTRACT.rule(
    "declared",
    "A method declares what it is in class attributes: `display_name`, `pretrains`, `plain`, "
    "`rivals`.",
    "See the class attributes of robust_augcl.contrast.method_base.Method.",
)
def _declared(method: Method) -> None:
    check_text(method, "display_name")
    for name in ("pretrains", "plain"):
        value = getattr(method, name)
        require(type(value) is bool, f"its `{name}` is {value!r}, not True or False")
    require(not method.plain or method.pretrains, "it is plain pretraining and does not pretrain")
    rivals = method.rivals
    fits = type(rivals) is tuple and all(isinstance(name, str) and name for name in rivals)
    require(fits, f"its `rivals` are {rivals!r}, no tuple of names of methods")


@CONTRACT.rule(
    "finite",
    "Losses and gradients are finite, for every setting of the loss, two graphs, and embeddings "
    "that are all the same or all 0.",
    "Divide by nothing that may be 0, and take logarithms of nothing that may be.",
)
def _finite(method: Method) -> None:
    if not method.pretrains:
        return
    same = [Embedded(fill, fill, torch.arange(9)) for fill in (torch.ones(9, 5), torch.zeros(9, 5))]
    for settings in LOSSES:
        for what, found in (
            ("random embeddings", batches(9)),
            ("two graphs", batches(2)),
            ("equal embeddings", same[:1]),
            ("embeddings of 0", same[1:]),
        ):
            objective = fitted(method, found, settings)
            z1, z2 = (part.clone().requires_grad_(True) for part in found[0][:2])
            loss = objective.loss(z1, z2, found[0].numbers)
            require(loss.dim() == 0, f"the loss has the shape {tuple(loss.shape)}, not ()")
            require(
                bool(loss.isfinite()),
                f"the loss of {what} is {float(loss.detach())} under {settings}",
            )
            require(loss.requires_grad, f"the loss of {what} has no gradient")
            loss.backward()
            grad = z1.grad
            require(grad is not None and bool(grad.isfinite().all()), f"{what} have no gradient")


@CONTRACT.rule(
    "weights",
    "Weights of negatives are (B, B), not negative, and without gradients; on the diagonal they "
    "are 1.",
    "See HardnessWeighter.weigh.",
)
def _weights(method: Method) -> None:
    objective = fitted(method, batches(8, 8)) if method.pretrains else None
    weighter = getattr(objective, "weighter", None)
    if weighter is None:
        return
    z1, z2, _ = batches(8)[0]
    weight = weighter(z1.requires_grad_(True), z2.requires_grad_(True))
    require(weight.shape == (8, 8), f"weights of 8 graphs have the shape {tuple(weight.shape)}")
    require(bool((weight >= 0).all()), f"a weight is {float(weight.min()):.4g}")
    require(not weight.requires_grad, "weights have gradients")
    require(torch.equal(weight.diagonal(), torch.ones(8)), "the diagonal is not 1")


@CONTRACT.rule(
    "chance",
    "All chance comes from the generators that are passed in.",
    "Pass `generator` to every function that draws, initial weights of networks included.",
)
def _chance(method: Method) -> None:
    if not method.pretrains:
        return

    def losses(generator: torch.Generator) -> list[float]:
        objective = fitted(method, batches(8, 8), generator=generator)
        return [float(objective.loss(*batch)) for batch in batches(8, 8)]

    same_by_chance_passed_in(losses, lambda a, b: a == b, "losses")


@CONTRACT.rule(
    "stored",
    "What is told of a method (`notes`, `info`, its diagnosis) is JSON of finite numbers.",
    "Return text, finite numbers, lists and dictionaries by text.",
)
def _stored(method: Method) -> None:
    if not method.pretrains:
        return
    objective = fitted(method, batches(8, 8))
    objective.loss(*batches(8)[0])
    told: dict[str, Any] = {
        "notes": objective.notes,
        **objective.info,
        "diagnosis": diagnose(batches(8, 6), objective, torch.arange(14) % 3),
    }
    try:
        again = json.loads(json.dumps(told, allow_nan=False))
    except (TypeError, ValueError) as error:
        broken(f"it tells what is no JSON: {error}")
    require(again == told, "what it tells comes back from JSON as something else")


@CONTRACT.rule(
    "progress",
    "A method that reports its fit tells shares above 0 and up to 1 that never fall.",
    "Call report(done / all, text).",
)
def _progress(method: Method) -> None:
    heard: list[float] = []
    if not method.pretrains:
        return
    objective = method.objective(_SIZE, LOSSES[0], seeded(0), "cpu")
    if objective.learns:
        objective.fit(lambda: iter(batches(8, 8)), seeded(2), lambda done, text: heard.append(done))
    require(heard == sorted(heard), f"it tells {heard}, which fall")
    require(all(0 < done <= 1 for done in heard), f"it tells {heard}")


METHOD_RULES = tuple(CONTRACT.rules)
"""The rules of methods; each is called with an instance."""
