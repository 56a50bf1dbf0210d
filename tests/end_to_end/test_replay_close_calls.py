"""Where single and double precision predict different classes, a record says what the latter does.

Replay believes no other class, not even of one target.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from close_calls import of_double_precision
from command_line import finish
from forging import Weights, forge_record, forge_victim, problems, records_of, words
from small_suites import ONE_ATTACK
from torch import Tensor

from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.margins import margins
from robust_augcl.results.records import Outcome
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.run_folder import RunFolder

WEIGHT, BIAS = "head.2.weight", "head.2.bias"


@pytest.fixture(scope="module")
def one_attack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one attack on one victim. Not to be changed."""
    path = tmp_path_factory.mktemp("one") / "suite.toml"
    path.write_text(ONE_ATTACK.format(attack="rand_sampling"))
    return finish(path, path.parent / "run", "--workers", "1")


@pytest.fixture
def spoilt(one_attack: Path, tmp_path: Path) -> Path:
    """A copy of that run, to spoil."""
    return Path(shutil.copytree(one_attack, tmp_path / "spoilt"))


class Torn(NamedTuple):
    """Weights of a victim of which the two precisions disagree at a test target."""

    weights: Mapping[str, Tensor]
    place: int
    single: Tensor
    double: Tensor


def torn(model: GraphClassifier, graphs: PackedGraphs) -> Torn:
    """Move a bias by next to nothing until the precisions disagree somewhere.

    Hidden units are raised, and that is taken off again: so single precision rounds as it does on
    large graphs.
    """
    with torch.no_grad():
        model.head[0].bias += 100
        model.head[2].bias -= model.head[2].weight.sum(1) * 100
        bias = model.head[2].bias.clone()
        for place, logits in enumerate(of_double_precision(model, graphs)):
            best, other = logits.topk(2).indices.tolist()
            for step in range(-6, 7):
                model.head[2].bias.copy_(bias)
                model.head[2].bias[other] += float(logits[best] - logits[other]) + step * 1e-6
                single, double = model(graphs), of_double_precision(model, graphs)
                if single[place].argmax() != double[place].argmax():
                    return Torn(model.state_dict(), place, single, double)
    raise AssertionError("the precisions agree everywhere")


def forged(folder: Path) -> Torn:
    """The run with such a victim; what the record says of targets before edits stays to be said."""
    (record,) = records_of(folder)
    store = RunFolder(folder).store
    victim, data = (
        victim_of(store.load(record.victim.key)),
        dataset_of(store.load(record.dataset.key)),
    )
    found = torn(victim.model, data.part(data.test))

    def change(weights: Weights) -> None:
        for name, value in found.weights.items():
            weights[f"model.{name}"].copy_(value)

    forge_victim(folder, record.victim.key, change)
    return found


def unedited(outcome: Outcome, clean: int, margin: float) -> Outcome:
    """Nothing is edited, and this is predicted."""
    margin = round(margin, 6)
    return replace(
        outcome,
        added=[],
        removed=[],
        clean=clean,
        attacked=clean,
        clean_margin=margin,
        attacked_margin=margin,
    )


@pytest.mark.parametrize("precision", ["single", "double"])
def test_a_class_that_only_single_precision_predicts_is_not_believed(spoilt, precision):
    found = forged(spoilt)
    (record,) = records_of(spoilt)
    y = torch.tensor([outcome.label for outcome in record.outcomes])
    said = {o.graph: place for place, o in enumerate(record.outcomes)}
    logits = found.double.clone()
    logits[found.place] = getattr(found, precision)[found.place].double()
    predicted, margin = logits.argmax(1).tolist(), margins(logits, y).tolist()
    forge_record(
        spoilt, record, lambda o: unedited(o, predicted[said[o.graph]], margin[said[o.graph]])
    )
    (told,) = problems(spoilt).values()
    graph = record.outcomes[found.place].graph
    expected = [
        f"the {when} prediction does not hold for graph {graph}" for when in ("clean", "attacked")
    ]
    assert told == (expected if precision == "single" else [])


def test_a_verdict_says_where_there_is_no_double_precision(one_attack, monkeypatch):
    (proved,) = words(one_attack).values()
    assert "precision" not in proved

    def first_states(encoder: Structure2Vec, x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            raise RuntimeError("expected Float, got Double")
        return honest(encoder, x)

    honest = Structure2Vec.first_states
    monkeypatch.setattr(Structure2Vec, "first_states", first_states)
    (proved,) = words(one_attack).values()
    assert "decided in the victim's own precision, for want of double precision" in proved
