"""What `list` says of settings, bases and augmentations is what a suite takes."""

from __future__ import annotations

import json

from command_line import call

from robust_augcl import registry


def test_bases_and_augmentations_are_those_that_a_suite_takes():
    from typing import get_args, get_type_hints

    from robust_augcl.contrast.augment import AugmentationName
    from robust_augcl.contrast.names import AUGMENTATIONS, BASES
    from robust_augcl.contrast.node_pretrain import NodePretraining
    from robust_augcl.contrast.pretrain import Pretraining

    assert tuple(AUGMENTATIONS) == get_args(AugmentationName)
    on_graphs, on_nodes = (
        get_args(get_type_hints(settings)["base"]) for settings in (Pretraining, NodePretraining)
    )
    assert set(BASES) == {*on_graphs, *on_nodes}
    for base in on_graphs:
        assert Pretraining(base=base).base == base
    for base in on_nodes:
        assert NodePretraining(base=base).base == base
    found = json.loads(call("list", "--format", "json").out)
    assert [entry["name"] for entry in found["bases"]] == list(BASES)


def test_settings_are_listed_with_their_defaults():
    from robust_augcl.registry.settings import settings_of

    for kind in ("attack", "method", "data source"):
        for name in registry.names(kind):
            made = registry.load(kind, name)
            for setting in settings_of(made):
                assert setting.text, f"{name}: {setting.name} is not explained"
    (answer,) = json.loads(call("list", "gin", "--format", "json").out)
    assert [setting["name"] for setting in answer["settings"]] == ["width", "layers"]
    refused = call("list", "gon")
    assert (refused.code, "Unknown name 'gon'" in refused.err) == (2, True)
