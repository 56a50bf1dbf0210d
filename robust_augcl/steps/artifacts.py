"""What artifacts hold, and how it is read from them.

They hold data sets, pretrained encoders, victims, what attackers have learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Fitted
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.seeds import generator
from robust_augcl.store.artifact import Artifact

FITTED_ON = "fitted_on"
"""The tensor of an attacker that holds the keys (`graph_keys`) of the graphs that it learned on and
was chosen by.
"""


def dataset_artifact(dataset: Dataset, info: dict[str, Any]) -> Artifact:
    """A data set as an artifact."""
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
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return Artifact({**tensors, **parts}, {**info, "num_classes": dataset.num_classes})


def dataset_of(artifact: Artifact) -> Dataset:
    """The data set that an artifact holds."""
    of = artifact.tensors
    graphs = PackedGraphs(of["x"], of["edge_index"].long(), of["ptr"], of["y"])
    named = unprefixed("target", of)
    targets = Targets(named["graph"], named.get("node"), named["y"]) if named else None
    parts = of["train"], of["validation"], of["test"]
    return Dataset(graphs, *parts, artifact.info["num_classes"], targets)


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
    """
    encoder.load_state_dict(unprefixed("encoder", pretrained.tensors))
    return float(pretrained.about["warm_up_seconds"] + pretrained.about["seconds"])


def victim_of(artifact: Artifact, device: str = "cpu") -> Victim:
    """The victim that an artifact holds."""
    info = artifact.info
    unused = torch.Generator()
    encoder: Encoder = registry.load("encoder", info["encoder"])(
        in_features=info["in_features"],
        width=info["width"],
        layers=info["layers"],
        generator=unused,
    )
    model = GraphClassifier(
        encoder, num_classes=info["num_classes"], hidden=info["head_hidden"], generator=unused
    )
    model.load_state_dict(unprefixed("model", artifact.tensors))
    return Victim(model.to(device))


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
