"""A certificate in parts is the one made at once, to the byte of its content, however it is cut."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.oracle.certificates import certify
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.plan.suite import make_suite
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.steps.certifying import compute_certificate
from robust_augcl.steps.compute import compute
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.store import Store


def certificate_step(
    nodes: tuple[int, int] = (12, 16),
    budget: Any = 2,
    encoder: str = "structure2vec",
    **certificates: Any,
) -> Step:
    (found,) = certificate_steps(nodes, budget, encoder, **certificates)
    return found


def certificate_steps(
    nodes: tuple[int, int] = (12, 16),
    budget: Any = 2,
    encoder: str = "structure2vec",
    **certificates: Any,
) -> list[Step]:
    table = {
        "name": "parts",
        "dataset": {
            "source": "components",
            "nodes": list(nodes),
            "graphs_per_class": 20,
            "edge_probability": 0.2,
        },
        "split": {"test": 0.5, "validation": 0.2},
        "encoder": {"name": encoder, "width": 8},
        "training": {"epochs": 3},
        "threat": {"within_component": True, "budget": budget},
        "certificates": certificates,
        "methods": [{"name": "none"}],
        "attacks": [{"name": "rand_sampling"}],
    }
    planned = plan(make_suite(table, "here")).measurements
    return [step for _, step in planned if step.kind == "certificate"]


def parts_of(step: Step) -> list[Step]:
    return [needed for needed in step.inputs.values() if needed.kind == "certificate_part"]


def made_in_parts(step: Step, store: Store) -> Artifact:
    for needed in [*step.inputs.values(), step]:
        if not store.artifact_path(needed.key).exists():
            compute(needed, Context(store))
    return store.load(step.key)


def rounded(margins: list[float]) -> list[float | None]:
    return [round(margin, 6) if math.isfinite(margin) else None for margin in margins]


@pytest.mark.thorough(but=["nodes0-structure2vec-7", "nodes1-gin-7"])
@pytest.mark.parametrize(
    ("nodes", "encoder", "at_once"),
    [
        ((6, 9), "structure2vec", 7),
        ((6, 9), "gin", 7),
        ((12, 16), "gin", 4),
        ((12, 16), "structure2vec", 1),
        ((20, 30), "structure2vec", 50),
        ((8, 30), "gcn", 50),
    ],
)
def test_it_says_what_one_made_at_once_says(tmp_path, nodes, encoder, at_once):
    # By graphs and by pairs, so that portions are cut by both.
    with using(Limits(portion_graphs=at_once, portion_pairs=1000)):
        compare_with_one_made_at_once(tmp_path, nodes, encoder)


def compare_with_one_made_at_once(tmp_path, nodes, encoder):
    store, found = Store(tmp_path), []
    for parts in (1, 3, 8, 50):  # 50 is more than there are graphs
        step = certificate_step(nodes, encoder=encoder, parts=parts)
        store.artifact_path(step.key).unlink(missing_ok=True)
        found.append(made_in_parts(step, store))
    data, victim = (store.load(step.inputs[role].key) for role in ("dataset", "victim"))
    dataset = dataset_of(data)
    test = dataset.part(dataset.test)
    assert len(test.portions()) > 3
    whole = certify(victim_of(victim), test, step.settings["threat"], limit=step.settings["pairs"])
    expected = {
        "graphs": dataset.test.tolist(),
        "certified": whole.certified.tolist(),
        "settled": whole.exhausted.tolist(),
        "lower_margin": rounded(whole.lower_margin.tolist()),
        "witnesses": [
            [w.added.T.tolist(), w.removed.T.tolist()] if w is not None else None
            for w in whole.witnesses
        ],
    }
    pieces = [store.load(part.key).info["certificates"][0] for part in parts_of(step)]
    whole_step = dataclasses.replace(
        step, inputs={role: step.inputs[role] for role in ("dataset", "victim")}
    )
    at_once_made = compute_certificate(
        whole_step, Inputs({"dataset": data, "victim": victim}, {}), Context(store)
    )
    for artifact in (*found, at_once_made):
        assert {name: artifact.info[name] for name in expected} == expected
        assert artifact.digest == found[0].digest
    assert any(expected["witnesses"])
    assert sum(not piece["graphs"] for piece in pieces) >= 20  # empty parts


def test_its_seconds_are_those_of_its_parts(tmp_path):
    step, store = certificate_step(parts=3), Store(tmp_path)
    about = made_in_parts(step, store).about
    seconds = [store.load(part.key).about["answer_seconds"][0] for part in parts_of(step)]
    assert about["seconds"] == sum(seconds) > 0
    assert about["title"] == step.title


@pytest.mark.parametrize(
    ("budget", "parts"), [(1, 0), (2, 8), (3, 8), (0.05, 8), (1.0, 8)]
)  # of a share of a graph's edges nobody knows beforehand how many they are
def test_a_search_of_several_edits_is_cut(budget, parts):
    found = parts_of(certificate_step(budget=budget))
    assert len(found) == parts == len({part.key for part in found})


def test_how_it_is_cut_is_no_part_of_its_address():
    three, eight = certificate_step(parts=3), certificate_step()
    assert three.key == eight.key
    assert not {part.key for part in parts_of(three)} & {part.key for part in parts_of(eight)}
    assert certificate_step(pairs=7).key != eight.key
    assert len(parts_of(three)) + 3 == len(list(with_inputs([three])))


def test_budgets_share_their_parts(tmp_path):
    """A part has a certificate of each budget of several edits; one edit needs no parts."""
    one, two, three = certificate_steps(budget=[1, 2, 3], parts=2)
    assert parts_of(one) == []
    assert [part.key for part in parts_of(two)] == [part.key for part in parts_of(three)]
    store = Store(tmp_path)
    made = [made_in_parts(step, store) for step in (two, three)]
    assert [each.info["threat"]["budget"] for each in made] == [2, 3]
    alone = Store(tmp_path / "alone")
    for together in made:
        budget = together.info["threat"]["budget"]
        only = made_in_parts(certificate_step(budget=budget, parts=2), alone)
        assert only.digest == together.digest
    seconds = [store.load(part.key).about["answer_seconds"] for part in parts_of(two)]
    sums = [sum(each) for each in zip(*seconds, strict=True)]
    assert [each.about["seconds"] for each in made] == pytest.approx(sums)


def test_parts_that_lack_a_budget_are_not_merged(tmp_path):
    (two, three), store = certificate_steps(budget=[2, 3], parts=2), Store(tmp_path)
    made_in_parts(two, store)
    key = parts_of(two)[0].key
    part = store.load(key)
    store.save(key, dataclasses.replace(part, info={"certificates": part.info["certificates"][:1]}))
    with pytest.raises(ArtifactDamaged, match="part 1 of 2 of the certificate says nothing of its"):
        compute(three, Context(store))


@pytest.mark.parametrize("change", ["victim", "dataset"])
def test_parts_of_something_else_are_not_merged(tmp_path, change):
    step, store = certificate_step(parts=2), Store(tmp_path)
    made_in_parts(step, store)
    key = parts_of(step)[0].key
    part = store.load(key)
    changed = [{**each, change: "another"} for each in part.info["certificates"]]
    store.save(key, dataclasses.replace(part, info={"certificates": changed}))
    with pytest.raises(
        ArtifactDamaged, match="part 1 of 2 of the certificate is of another data set or victim"
    ):
        compute(step, Context(store))


def test_parts_that_lack_a_graph_are_not_merged(tmp_path):
    step, store = certificate_step(parts=2), Store(tmp_path)
    made_in_parts(step, store)
    first, second = (part.key for part in parts_of(step))
    store.save(first, store.load(second))
    with pytest.raises(ArtifactDamaged, match="not of the test graphs, each once"):
        compute(step, Context(store))


@pytest.mark.parametrize("parts", [0, -1, 1001])
def test_bad_numbers_of_parts_are_named(parts):
    with pytest.raises(InputError, match=rf"`parts` to be .*, got {parts}"):
        certificate_step(parts=parts)
