"""What artifacts hold, and how it is read from them.

They hold data sets, pretrained encoders, victims, what attackers have learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Fitted
from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import ArtifactDamaged, InputError, cut
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.given import known_module
from robust_augcl.models.given_weights import with_weights
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.results import strict
from robust_augcl.seeds import generator
from robust_augcl.steps.stored_tensors import check_dataset, check_victim
from robust_augcl.store.artifact import Artifact

FITTED_ON = "fitted_on"
"""The tensor of an attacker that holds the keys (`graph_keys`) of the graphs that it learned on and
was chosen by.
"""
NOTES = "notes"
"""The entry of a data set's `about` that says what was mended or not used when graphs came in."""


def dataset_artifact(dataset: Dataset, info: dict[str, Any]) -> Artifact:
    """A data set as an artifact.

    Raises:
        InputError: more classes than can be read back.
    """
    if dataset.num_classes > strict.MOST_CLASSES:
        raise InputError(
            f"Expected a data set of at most {strict.MOST_CLASSES} classes, got "
            f"{dataset.num_classes}"
        )
    graphs = dataset.graphs
    tensors = {
        "x": graphs.x,
        "edge_index": graphs.edge_index.int(),
        "ptr": graphs.ptr,
        "y": graphs.y,
    }
    if dataset.targets is not None:
        named = {"graph": dataset.targets.graph, "y": dataset.targets.y}
        if dataset.targets.node is not None:
            named["node"] = dataset.targets.node
        tensors |= prefixed("target", named)
    if graphs.edge_attr is not None and graphs.added_edge is not None:
        tensors |= {"edge_attr": graphs.edge_attr, "added_edge": graphs.added_edge}
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    if dataset.chosen is not None:
        parts["attacked"] = dataset.chosen
    return Artifact({**tensors, **parts}, {**info, "num_classes": dataset.num_classes})


def dataset_of(artifact: Artifact) -> Dataset:
    """The data set that an artifact holds.

    Raises:
        ArtifactDamaged: tensors of another form than a data set's.
    """
    of = artifact.tensors
    if artifact.digest not in _checked:
        check_dataset(artifact)
        _checked.add(artifact.digest)
    graphs = PackedGraphs(
        of["x"],
        of["edge_index"].long(),
        of["ptr"],
        of["y"],
        edge_attr=of.get("edge_attr"),
        added_edge=of.get("added_edge"),
    )
    named = unprefixed("target", of)
    targets = Targets(named["graph"], named.get("node"), named["y"]) if named else None
    parts = of["train"], of["validation"], of["test"]
    classes, chosen = artifact.info["num_classes"], of.get("attacked")
    return Dataset(graphs, *parts, classes, targets, chosen=chosen)


_checked: set[str] = set()
"""The digests of data sets that this process has looked at: most are asked for again and again."""


def new_encoder(settings: Mapping[str, Any], in_features: int) -> Encoder:
    """The encoder of a step's settings, with its initial weights."""
    identity = [settings[name] for name in ("encoder", "width", "layers", "seed")]
    cls = registry.load("encoder", settings["encoder"])
    encoder: Encoder = cls(
        in_features=in_features,
        width=settings["width"],
        layers=settings["layers"],
        generator=generator("encoder", *identity),
    )
    return encoder


def load_pretrained(encoder: Encoder, pretrained: Artifact) -> float:
    """Give an encoder its pretrained weights.

    Returns:
        The seconds that they took, those of a shared warm-up included.

    Raises:
        ArtifactDamaged: weights of another encoder.
    """
    _load(encoder, unprefixed("encoder", pretrained.tensors))
    return float(pretrained.about["warm_up_seconds"] + pretrained.about["seconds"])


def victim_of(artifact: Artifact, device: str = "cpu") -> Victim:
    """The victim that an artifact holds: one that was trained here, or a given model.

    Raises:
        ArtifactDamaged: weights of another model than the one that it claims to be.
        ModelMissing: a given model, whose module nobody has handed to this process.
    """
    info = artifact.info
    weights = unprefixed("model", artifact.tensors)
    require_finite(weights, "a victim")
    if "found" in info:
        return _given_victim(info, weights, device)
    check_victim(info, weights)
    unused = torch.Generator()
    encoder: Encoder = registry.load("encoder", info["encoder"])(
        in_features=info["in_features"],
        width=info["width"],
        layers=info["layers"],
        generator=unused,
    )
    model = GraphClassifier(
        encoder,
        num_classes=info["num_classes"],
        hidden=info.get("head_hidden", 0),  # of linear evaluation there is no hidden layer
        generator=unused,
    )
    _load(model, weights)
    return Victim(model.to(device))


def _given_victim(info: Mapping[str, Any], weights: Mapping[str, Tensor], device: str) -> Victim:
    known = known_module(info)
    try:
        made = with_weights(known.module, weights, info["label"])
        model = ModuleClassifier.of_found(made, info["found"], known.function)
    except InputError as error:
        raise ArtifactDamaged(
            f"The stored model {info['label']!r} cannot be made: {error}"
        ) from None
    return Victim(model.to(device))


def _load(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model its weights; raises `ArtifactDamaged` where they are another model's."""
    own = {name: (tensor.shape, tensor.dtype) for name, tensor in model.state_dict().items()}
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in weights.items()}
    if own != found:
        names = [name for name in {**own, **found} if own.get(name) != found.get(name)]
        raise ArtifactDamaged(
            f"Expected the stored weights of a {type(model).__name__}, got others: "
            f"`{cut(names[0])}` and {len(names) - 1} more differ"
        )
    model.load_state_dict(dict(weights))


def require_finite(weights: Mapping[str, Tensor], whose: str) -> None:
    """Refuse weights that are no finite numbers: every comparison with what they predict is false.

    Raises:
        ArtifactDamaged: one is NaN or infinite.
    """
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise ArtifactDamaged(
                f"Expected the stored weights of {whose} to be finite numbers, got NaN or infinity "
                f"in `{cut(name)}`"
            )


def fitted_of(artifact: Artifact) -> Fitted:
    """What the attacker that an artifact holds has learned."""
    info = artifact.info
    curve = [(int(step), float(loss), float(accuracy)) for step, loss, accuracy in info["curve"]]
    state = unprefixed("state", artifact.tensors)
    return Fitted(
        state, curve, info["queries"], info["gradient_calls"], artifact.about["fit_seconds"]
    )


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under names that begin with the prefix."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def unprefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with the prefix, by what follows it."""
    return {
        name.removeprefix(prefix + "."): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix + ".")
    }
