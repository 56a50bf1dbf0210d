"""No tolerance of replay is set by whoever wrote the weights: a forged robustness does not hold,
whatever is done to them, and an honest result does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import finish
from forging import Weights, all_certified, forge_victim, perfect, problems, records_of
from small_suites import SEARCHED
from tu_archives import some_graphs, star, tables_of, write_archive

from robust_augcl.models.margins import margins
from robust_augcl.review.edited import perturbation_of
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.perturbations import apply_all

WEIGHT, BIAS = "model.head.2.weight", "model.head.2.bias"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one victim, with certificates. Not to be changed."""
    path = tmp_path_factory.mktemp("searched") / "suite.toml"
    path.write_text(SEARCHED.format(certificates="[certificates]", more=""))
    return finish(path, path.parent / "run", "--workers", "1")


@pytest.fixture
def spoilt(searched: Path, tmp_path: Path) -> Path:
    """A copy of that run, to spoil."""
    return Path(shutil.copytree(searched, tmp_path / "spoilt"))


def add(*numbers: float) -> Callable[[Weights], None]:
    """Add numbers to the biases of the three classes."""
    return lambda weights: weights[BIAS].add_(torch.tensor(numbers))


def scale(factor: float, *names: str) -> Callable[[Weights], None]:
    """Multiply weights."""

    def change(weights: Weights) -> None:
        for name in names:
            weights[name].mul_(factor)

    return change


def put(name: str, value: float) -> Callable[[Weights], None]:
    """Put a number in the place of one weight."""
    return lambda weights: weights[name].view(-1)[:1].fill_(value)


def two_close_one_far(weights: Weights) -> None:
    """Two classes differ by next to nothing, and the third lies far below."""
    scale(1e-6, WEIGHT, BIAS)(weights)
    weights[BIAS][2] -= 10


def noisy(weights: Weights) -> None:
    """A hidden unit that is huge for every graph enters all logits alike."""
    weights["model.head.0.bias"][0] = 1e7
    weights[WEIGHT][:, 0] = 1.0


def one_class(factor: float) -> Callable[[Weights], None]:
    """Multiply the weights of the first class."""
    return lambda weights: weights[WEIGHT][0].mul_(factor)


FORGED = {
    "a number added to all": add(1e6, 1e6, 1e6),
    "a number taken from all": add(-1e6, -1e6, -1e6),
    "a smaller number": add(3e4, 3e4, 3e4),
    "two classes far from the third": add(1e6, 1e6, -1e6),
    "two classes close, one far": two_close_one_far,
    "a huge unit in all logits": noisy,
    "weights next to nothing": scale(1e-30, WEIGHT, BIAS),
    "weights below what single precision holds": scale(1e-43, WEIGHT, BIAS),
    "huge weights": scale(1e30, WEIGHT, BIAS),
    "logits that overflow": scale(1e30, "model.head.0.weight", "model.head.0.bias", WEIGHT),
    "no number": put(BIAS, float("nan")),
    "no number inside": put("model.encoder.conv.weight", float("nan")),
    "infinity": put(WEIGHT, float("inf")),
    "huge weights in one class": one_class(1e6),
    "a huge bias in one class": add(0.0, 1e6, 0.0),
}


@pytest.fixture
def spoilt_few(tmp_path: Path) -> Path:
    """A run on fewer graphs with one edit alone, to spoil.

    Where weights are next to nothing, each target is decided by double precision, which takes long.
    """
    (tmp_path / "suite.toml").write_text(
        SEARCHED.format(certificates="[certificates]", more="")
        .replace("graphs_per_class = 30", "graphs_per_class = 10")
        .replace("budget = [1, 2]", "budget = 1")
    )
    return finish(tmp_path / "suite.toml", tmp_path / "few", "--workers", "1")


def test_weights_next_to_nothing_make_no_robustness_of_a_few_graphs(spoilt_few):
    key = records_of(spoilt_few)[0].victim.key
    forge_victim(spoilt_few, key, FORGED["weights next to nothing"], perfect, all_certified)
    after = problems(spoilt_few)
    assert len(after) == 3
    assert all(after.values()), after


def test_what_a_victim_with_weights_next_to_nothing_predicts_of_a_few_graphs_holds(spoilt_few):
    key = records_of(spoilt_few)[0].victim.key
    forge_victim(spoilt_few, key, HONEST["weights next to nothing"])
    say_what_is_predicted(spoilt_few)
    found = problems(spoilt_few)
    assert not any(wrong for name, wrong in found.items() if name.startswith("attack-")), found


@pytest.mark.thorough(only=["weights next to nothing"])
@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_forged_robustness_does_not_hold_whatever_the_weights(spoilt, change):
    key = records_of(spoilt)[0].victim.key
    before = problems(spoilt)
    assert not any(before.values()), before
    assert len(before) == 6
    forge_victim(spoilt, key, change, perfect, all_certified)
    after = problems(spoilt)
    assert all(after.values()), after


HONEST = {
    "a number added to all": add(30.0, 30.0, 30.0),
    "weights next to nothing": scale(1e-30, WEIGHT, BIAS),
    "weights a thousand times as large": scale(1e3, WEIGHT, BIAS),
}


def say_what_is_predicted(folder: Path) -> None:
    """Write into records what their victim says after the edits that they hold."""
    first = records_of(folder)[0]
    store = RunFolder(folder).store
    victim, data = (
        victim_of(store.load(first.victim.key)),
        dataset_of(store.load(first.dataset.key)),
    )
    graphs = data.part(data.test)
    clean = victim.logits(graphs)
    for record in records_of(folder):
        edits = [perturbation_of(o.added, o.removed) for o in record.outcomes]
        attacked = victim.logits(apply_all(graphs, edits))
        columns = zip(
            record.outcomes,
            clean.argmax(1).tolist(),
            attacked.argmax(1).tolist(),
            margins(clean, graphs.y).tolist(),
            margins(attacked, graphs.y).tolist(),
            strict=True,
        )
        outcomes = [
            replace(
                outcome,
                clean=before,
                attacked=after,
                clean_margin=round(before_margin, 6),
                attacked_margin=round(after_margin, 6),
            )
            for outcome, before, after, before_margin, after_margin in columns
        ]
        path = store.record_path(record.key)
        path.write_text(replace(record, outcomes=outcomes).dumps())


@pytest.mark.thorough(only=["weights next to nothing"])
@pytest.mark.parametrize("change", HONEST.values(), ids=HONEST)
def test_what_such_a_victim_really_predicts_holds(spoilt, change):
    forge_victim(spoilt, records_of(spoilt)[0].victim.key, change)
    say_what_is_predicted(spoilt)
    found = problems(spoilt)
    assert not any(wrong for name, wrong in found.items() if name.startswith("attack-")), found


# --- graphs that add up far more than the others --------------------------------------------------

WITH_HUBS = """
name = "hubs"
[dataset]
source = "tu"
name = "HUBS"
[split]
test = 0.4
validation = 0.1
[encoder]
name = "{encoder}"
width = 8
layers = [2]
[training]
epochs = 10
[threat]
budget = 1
operations = ["add", "delete"]
[[methods]]
name = "none"
[[attacks]]
name = "rand_sampling"
"""


@pytest.fixture(scope="module", params=["gin", "structure2vec"])
def with_hubs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on stars of up to 680 nodes among small graphs. Not to be changed."""
    at = tmp_path_factory.mktemp("hubs")
    stars = [star(300 + 42 * k) for k in range(10)]
    graphs = [*some_graphs(110), *stars]
    write_archive(at, "HUBS", tables_of(graphs, [k % 2 for k in range(120)], node_labels=False))
    (at / "suite.toml").write_text(WITH_HUBS.format(encoder=request.param))
    return finish(at / "suite.toml", at / "run", "--workers", "1", "--archives", str(at))


@pytest.fixture
def spoilt_hubs(with_hubs: Path, tmp_path: Path) -> Path:
    """A copy of that run, to spoil."""
    return Path(shutil.copytree(with_hubs, tmp_path / "hubs"))


def test_an_honest_run_on_graphs_with_hubs_holds(with_hubs):
    assert not any(problems(with_hubs).values())


FORGED_HUBS = {
    "nothing": lambda weights: None,
    "a number added to all": add(1e6, 1e6),
    "a smaller number": add(3e4, 3e4),
    "a huge unit in all logits": noisy,
    "huge weights": scale(1e30, WEIGHT, BIAS),
    "huge weights in one class": one_class(1e6),
    "a huge bias in one class": add(1e6, 0.0),
}


@pytest.mark.parametrize("change", FORGED_HUBS.values(), ids=FORGED_HUBS)
def test_no_hub_sets_the_tolerance_of_the_others(spoilt_hubs, change):
    forge_victim(spoilt_hubs, records_of(spoilt_hubs)[0].victim.key, change, perfect)
    assert all(problems(spoilt_hubs).values())


def test_the_tolerance_of_hubs_is_not_that_of_small_graphs(spoilt_hubs):
    (record,) = records_of(spoilt_hubs)
    small = min(range(len(record.outcomes)), key=lambda k: record.outcomes[k].graph)
    outcomes = list(record.outcomes)
    outcomes[small] = replace(
        outcomes[small], attacked_margin=round(outcomes[small].attacked_margin + 0.01, 6)
    )
    path = RunFolder(spoilt_hubs).store.record_path(record.key)
    path.write_text(replace(record, outcomes=outcomes).dumps())
    assert any(problems(spoilt_hubs).values())
