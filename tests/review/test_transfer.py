"""Edits found on one victim, turned on another: against predicting again by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hand_made import key_of, make_record, ref_of

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.intervals import exact_interval, share_interval
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.outcome import SharedEdits
from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.results.transfers import Transfer, Transfers, matrix, pairs_to_transfer, turned_on
from robust_augcl.review.side_file_proofs import transfers_differ


def record(
    method: str,
    attack: str = "ga",
    seed: int = 0,
    first_edit: int = 1,
    clean_right: int = 4,
    **changes,
) -> Record:
    """Four graphs of class 0: the first `clean_right` right when clean, the first two of those
    broken.
    """
    outcomes = []
    for i in range(4):
        clean = 0 if i < clean_right else 1
        attacked = 1 if i < 2 else clean
        outcomes.append(
            Outcome(
                10 + i,
                0,
                clean,
                attacked,
                1.0 if clean == 0 else -1.0,
                1.0 if attacked == 0 else -1.0,
                [[0, first_edit]],
                [],
            )
        )
    usual = {
        "outcomes": outcomes,
        "key": f"{attack}-{method}-{seed}",
        "method": method,
        "seed": seed,
        "attack": attack,
        "num_classes": 2,
    }
    refs = {
        "dataset": ArtifactRef("dataset", str(seed)),
        "victim": ArtifactRef(f"victim-{method}-{seed}", "1"),
    }
    return make_record(**{**usual, **refs, **changes})


def shared(method: str, edge: int, **changes) -> Record:
    """A record of targets that share one added edge."""
    made = record(method, threat={"budget": 1, "shared": True}, **changes)
    outcomes = [replace(o, added=[], removed=[]) for o in made.outcomes]
    return replace(made, outcomes=outcomes, shared_edits=SharedEdits([[0, edge]], []))


def test_shared_edits_are_carried_over_where_victims_have_others():
    none, augcl = shared("none", 1), shared("augcl", 2)
    pairs = pairs_to_transfer([none, augcl])
    assert [(a.key, b.key) for a, b in pairs] == [(augcl.key, none.key), (none.key, augcl.key)]
    assert pairs_to_transfer([none, shared("augcl", 1)]) == []
    turned = turned_on(none, augcl, Transfer(none.key, augcl.key, [0] * 4, [1.0] * 4))
    assert turned.shared_edits == none.shared_edits


def test_pairs_are_of_one_attack_on_two_victims_of_the_same_data():
    none, augcl = record("none"), record("augcl", first_edit=2)
    others = [
        record("graphcl", seed=1),
        record("graphcl", dataset=ArtifactRef("dataset", "another")),
        record("graphcl", threat={"budget": 2}),
        record("graphcl", cell=replace(none.cell, method="graphcl", layers=3)),
        record("graphcl", attack="rl", first_edit=5),
        record("graphcl", outcomes=none.outcomes[:3]),
    ]
    for other in others:
        assert pairs_to_transfer([none, augcl, other]) == [(augcl, none), (none, augcl)]
    third = record("graphcl", first_edit=3)
    assert len(pairs_to_transfer([none, augcl, third])) == 6


def test_the_same_edits_for_every_victim_have_nothing_to_transfer():
    assert pairs_to_transfer([record("none"), record("augcl")]) == []


def test_a_transfer_is_a_record_of_the_other_victim_under_edits_that_were_not_made_for_it():
    source, target = record("none"), record("augcl", first_edit=2, clean_right=3)
    transfer = Transfer(source.key, target.key, [1, 0, 0, 1], [-0.5, 0.25, 0.5, -2.0])
    found = turned_on(source, target, transfer)
    assert (found.cell, found.victim) == (target.cell, target.victim)
    assert [o.added for o in found.outcomes] == [[[0, 1]]] * 4
    assert [(o.clean, o.attacked, o.attacked_margin) for o in found.outcomes] == [
        (0, 1, -0.5),
        (0, 0, 0.25),
        (0, 0, 0.5),
        (1, 1, -2.0),
    ]


def test_the_matrix_by_hand_over_two_seeds():
    records, entries = [], []
    for seed in (0, 1):
        none, augcl = (
            record("none", seed=seed),
            record("augcl", seed=seed, first_edit=2, clean_right=3),
        )
        records += [none, augcl]
        entries += [
            Transfer(none.key, augcl.key, [1, 0, 0, 1] if seed == 0 else [0, 0, 0, 1], [1.0] * 4),
            Transfer(augcl.key, none.key, [0, 0, 1, 1], [1.0] * 4),
        ]
    found = {
        (e.group.method, e.attacked): e for e in matrix(Transfers("x", tuple(entries)), records, ())
    }
    assert sorted(found) == [
        ("augcl", "augcl"),
        ("augcl", "none"),
        ("none", "augcl"),
        ("none", "none"),
    ]
    assert found["none", "none"].robust.mean == 2 / 4
    assert found["augcl", "augcl"].robust.mean == 1 / 4
    mixed = found["none", "augcl"]
    assert mixed.robust.mean == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert mixed.robust.n_graphs == 8
    assert mixed.robust.low <= exact_interval(5, 8)[0]
    # Of the two graphs that a seed's edits break on none, and that augcl gets right, one falls
    # there with seed 0, none with seed 1.
    assert mixed.carried_over == 1 / 4
    assert found["augcl", "none"].carried_over == 0
    assert found["none", "none"].carried_over == 1
    assert mixed.row()["made_for"] == "none"
    assert mixed.row()["attacked"] == "augcl"


def test_edits_on_a_fixed_data_set_have_the_intervals_of_resampled_splits():
    records, entries = [], []
    for seed in (0, 1):
        none = record("none", seed=seed, victim=ArtifactRef("victim/x", f"none {seed}"))
        augcl = record("augcl", seed=seed, victim=ArtifactRef("victim/x", f"augcl {seed}"))
        records += [none, augcl]
        attacked = [1, 0, 0, 1] if seed else [0, 0, 0, 1]
        entries.append(Transfer(none.key, augcl.key, attacked, [1.0] * 4))
    transfers = Transfers("x", tuple(entries))
    values = {"draws_graphs": False, "targets": 4, "training": 16}
    about = Measurement("dataset", records[0].cell, values, 0.0)
    (own,) = [e for e in matrix(transfers, records, ()) if e.group.method != e.attacked]
    (shared,) = [e for e in matrix(transfers, records, [about]) if e.group.method != e.attacked]
    assert (shared.robust.low, shared.robust.high) == share_interval([3 / 4, 2 / 4], 4, 4 / 16)
    assert (own.robust.low, own.robust.high) == share_interval([3 / 4, 2 / 4], 8)


def test_transfers_are_kept_and_altered_ones_are_not_believed():
    pair = key_of("attack", 1), key_of("attack", 2)
    entries = (Transfer(*pair, [1, 0], [0.5, -0.25]),)
    transfers = Transfers(ref_of("stamp").digest, entries)
    text = transfers.dumps()
    assert Transfers.loads(text, "transfer.json") == transfers
    forged = json.loads(text)
    forged["entries"][0]["attacked"] = [0, 0]
    for altered in (json.dumps(forged), text[:-9], "{}"):
        with pytest.raises(ArtifactDamaged, match=r"transfer\.json"):
            Transfers.loads(altered, "transfer.json")


def changed(entry: Transfer, predictions: int = 0, margin: float = 0.0) -> Transfer:
    """The first predictions are others, and the first margin is another one."""
    flipped = [1 - old for old in entry.attacked[:predictions]]
    return Transfer(
        entry.source,
        entry.target,
        [*flipped, *entry.attacked[predictions:]],
        [entry.margins[0] + margin, *entry.margins[1:]],
    )


def differ(stored: Transfer, made: Transfer) -> bool:
    return bool(transfers_differ(Transfers("x", (stored,)), Transfers("x", (made,))))


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6, 0.0])
def test_no_scale_of_margins_lets_predictions_pass(scale):
    """Weights that are scaled change no prediction; in `transfer.json` none may change either."""
    made = Transfer("a", "b", [0] * 40, [round(scale * (0.5 + i), 6) for i in range(40)])
    assert not differ(made, made)
    assert differ(changed(made, predictions=2), made)
    assert differ(changed(made, margin=max(1e-2 * scale, 1e-5)), made)
    for wrong in (float("nan"), float("inf")):
        assert differ(changed(made, margin=wrong), made)


def test_rounding_may_decide_one_prediction_in_a_hundred():
    made = Transfer("a", "b", [0] * 40, [0.0, 0.0, *[1.0] * 38])
    assert not differ(changed(made, predictions=1), made)
    assert differ(changed(made, predictions=2), made)
