"""Any weighting composes with any base by configuration alone: settings of pretraining for one
method of a suite.
"""

from __future__ import annotations

import copy

import pytest

from robust_augcl.errors import InputError
from robust_augcl.plan.declared import method_settings
from robust_augcl.plan.planner import plan
from robust_augcl.plan.suite import make_suite
from robust_augcl.plan.toml_text import override

TABLE = {
    "name": "tiny",
    "dataset": {"source": "components"},
    "encoder": {"name": "structure2vec"},
    "pretraining": {"warm_up_epochs": 2, "continued_epochs": 3, "temperature": 0.5},
    "threat": {"operations": ["add"], "within_component": True},
    "methods": [{"name": "none"}, {"name": "graphcl"}, {"name": "augcl"}],
    "attacks": [{"name": "rand_sampling"}],
}


def suite(*methods, **changes):
    table = copy.deepcopy({**TABLE, **changes})
    table["methods"] = list(methods) or table["methods"]
    return make_suite(table, "tiny")


def steps(made):
    """Label of the method -> its warm-up and pretraining steps."""
    found = {}
    for attack in plan(made).attacks:
        pretraining = attack.inputs["victim"].inputs.get("pretraining")
        if pretraining is not None:
            found[attack.cell.method] = (pretraining.inputs["warm_up"], pretraining)
    return found


def test_a_method_changes_the_suites_pretraining_for_itself_alone():
    own = {"base": "simgrace", "perturbation": 0.3, "directions": "both"}
    made = suite({"name": "graphcl"}, {"name": "augcl", "pretraining": own})
    plain, changed = (made.pretraining_of(method) for method in made.methods)
    assert plain == made.pretraining
    assert plain.base == "graphcl"
    assert (changed.base, changed.perturbation, changed.directions) == ("simgrace", 0.3, "both")
    assert (changed.temperature, changed.warm_up_epochs) == (0.5, 2)


def test_equal_settings_share_a_warm_up_and_others_do_not():
    simgrace = {"base": "simgrace"}
    found = steps(
        suite(
            {"name": "graphcl"},
            {"name": "augcl"},
            {"name": "dcl", "pretraining": {"continued_epochs": 9}},
            {"name": "graphcl", "label": "simgrace", "pretraining": simgrace},
            {"name": "augcl", "label": "augcl on simgrace", "pretraining": simgrace},
            {"name": "hcl", "pretraining": {"temperature": 0.5}},
        )
    )
    warm_ups = {label: warm_up.key for label, (warm_up, _) in found.items()}
    assert warm_ups["graphcl"] == warm_ups["augcl"] == warm_ups["dcl"] == warm_ups["hcl"]
    assert warm_ups["simgrace"] == warm_ups["augcl on simgrace"] != warm_ups["graphcl"]
    assert len({pretraining.key for _, pretraining in found.values()}) == 6
    assert found["dcl"][1].settings["continued_epochs"] == 9
    assert found["augcl on simgrace"][1].settings["pretraining"].base == "simgrace"


def test_a_change_of_one_method_leaves_the_others_where_they_were():
    before = steps(suite())
    after = steps(
        suite(
            {"name": "none"},
            {"name": "graphcl"},
            {"name": "augcl", "pretraining": {"temperature": 0.3}},
        )
    )
    assert before["graphcl"][1].key == after["graphcl"][1].key
    assert before["augcl"][1].key != after["augcl"][1].key


def test_a_record_says_so():
    made = suite(
        {"name": "graphcl"}, {"name": "augcl", "reward": 1.5, "pretraining": {"base": "simgrace"}}
    )
    plain_method, changed = (method_settings(attack.settings) for attack in plan(made).attacks)
    assert plain_method == {"type": "GraphCL"}
    assert (changed["type"], changed["reward"], changed["pretraining"]["base"]) == (
        "AUGCL",
        1.5,
        "simgrace",
    )


def test_the_command_line_reaches_it():
    table = copy.deepcopy(TABLE)
    override(table, "methods.augcl.pretraining.base=simgrace")
    made = make_suite(table, "tiny")
    assert made.pretraining_of(made.methods[2]).base == "simgrace"


AUGMENTATIONS = [
    {"name": name, "ratio": 0.2}
    for name in ("node_drop", "edge_perturbation", "attribute_masking", "subgraph")
]


def test_all_four_augmentations_are_known():
    made = suite(pretraining={"augmentations": AUGMENTATIONS})
    assert [augmentation.name for augmentation in made.pretraining.augmentations] == [
        entry["name"] for entry in AUGMENTATIONS
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"name": "augcl", "pretraining": {"temprature": 0.3}},
            ["augcl", "temprature", "temperature"],
        ),
        ({"name": "augcl", "pretraining": {"temperature": -1.0}}, ["augcl", "temperature", "-1"]),
        ({"name": "augcl", "pretraining": {"base": "simclr"}}, ["augcl", "base", "simclr"]),
        ({"name": "augcl", "pretraining": {"directions": "all"}}, ["directions", "all"]),
        (
            {
                "name": "augcl",
                "pretraining": {"augmentations": [{"name": "node_drop", "ratoi": 0.2}]},
            },
            ["ratoi", "ratio"],
        ),
        ({"name": "augcl", "pretraining": 3}, ["pretraining", "table", "3"]),
        ({"name": "none", "pretraining": {"temperature": 0.3}}, ["none", "pretrains"]),
        ({"name": "augcl", "reward": 2.5}, ["reward", "2.5"]),
        ({"name": "augcl", "reward": 1.0}, ["reward", "1.0"]),
        ({"name": "augcl", "uncertainty": "guess"}, ["uncertainty", "guess"]),
        ({"name": "augcl", "partition": "thirds"}, ["partition", "thirds"]),
        ({"name": "augcl", "alpha": "mean"}, ["alpha", "mean"]),
        ({"name": "augcl", "alpha": -1.0}, ["alpha", "-1.0"]),
        ({"name": "augcl", "delta": -0.1}, ["delta", "-0.1"]),
    ],
)
def test_bad_settings_are_refused_by_name(entry, words):
    with pytest.raises(InputError) as error:
        suite(entry)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    "alpha", ["row_mean", "batch_mean", "inverse_mean_minus", "inverse_mean_plus", 2, 1.5]
)
def test_alpha_is_a_name_or_a_number(alpha):
    assert suite({"name": "augcl", "alpha": alpha}).methods[0].what.alpha == alpha
