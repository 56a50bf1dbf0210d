"""Synthetic records that behave like real ones: one victim a method, layer count and seed, attacked
in several ways.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hand_made import (
    ENVIRONMENT,
    key_of,
    make_record,
    method_called,
    ref_of,
    threat_of_budget,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robust_augcl.results.records import Cell, Outcome, Record
from robust_augcl.results.traits import Traits

# The chance that an attack breaks a graph that can be broken at all.
STRENGTH = {"rand_sampling": 0.3, "rl_s2v": 0.6, "grad_argmax": 0.8, "exhaustive": 1.0}
# How likely a graph of class 0, 1, 2 can be broken; then shifted by method.
WEAKNESS = (0.05, 0.2, 0.8)
TYPES = {"none": "NoPretraining", "graphcl": "GraphCL", "augcl": "AUGCL"}
METHODS = {
    "NoPretraining": {"plug_in": "none", "pretrains": False},
    "GraphCL": {"plug_in": "graphcl", "plain": True},
    "AUGCL": {"plug_in": "augcl", "rivals": ["progcl", "progcl_mix"]},
    "ProGCL": {"plug_in": "progcl"},
}
"""What methods declare, by their type."""
NAMES = {
    "none": "No pretraining",
    "graphcl": "GraphCL",
    "augcl": "AUGCL",
    "prototypes": "Prototypes",
    "rand_sampling": "RandSampling",
    "rl_s2v": "RL-S2V",
    "grad_argmax": "GradArgmax",
    "exhaustive": "Exhaustive search",
}
"""What plug-ins call themselves; a label of the suite's own is its own name."""
SHIFT = {"none": 0.1, "graphcl": 0.0, "augcl": -0.1}


def settings_of(method: str, given: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of a method: its type, and what is given."""
    return {"type": TYPES.get(method, "Other"), **given.get(method, {})}


def traits_of(attack: str) -> Traits:
    """What an attack of this label declares."""
    exact = attack == "exhaustive"
    return Traits(
        access="none" if attack == "rand_sampling" else "query",
        learns=attack == "rl_s2v",
        combines=False,
        of=[],
        claims_exact=exact,
        effort=None,
        name=NAMES.get(attack, attack),
    )


def make_campaign(
    methods: Sequence[str] = ("none", "graphcl", "augcl"),
    layers: Sequence[int] = (2, 3),
    attacks: Sequence[str] = ("rand_sampling", "rl_s2v", "grad_argmax", "exhaustive"),
    seeds: Sequence[int] = (0,),
    n: int = 90,
    dataset: str = "components 40-50",
    protocol: str = "strict",
    notes: Sequence[str] = (),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Record]:
    """One record a cell, drawn from one random state for each victim; `settings` are those of
    methods, beside their usual ones.
    """
    given = settings or {}
    records = []
    for method in methods:
        for layer in layers:
            for seed in seeds:
                chance = random.Random(f"{method} {layer} {seed} {dataset} {protocol}")
                labels = [graph % 3 for graph in range(n)]
                clean = [label if chance.random() < 0.92 else (label + 1) % 3 for label in labels]
                weak = [
                    chance.random() < WEAKNESS[label] + SHIFT.get(method, 0.0) for label in labels
                ]
                luck = [chance.random() for _ in labels]
                for attack in attacks:
                    strength = STRENGTH.get(attack, 0.5)
                    broken = [w and u < strength for w, u in zip(weak, luck, strict=True)]
                    outcomes = [
                        Outcome(
                            graph,
                            y,
                            c,
                            (c + 2) % 3 if b else c,
                            1.0,
                            -1.0 if b else 1.0,
                            [[0, graph + 1]],
                            [],
                            exact=attack == "exhaustive",
                        )
                        for graph, (y, c, b) in enumerate(zip(labels, clean, broken, strict=True))
                    ]
                    records.append(
                        make_record(
                            outcomes,
                            cell=Cell(
                                "paper",
                                dataset,
                                method,
                                "structure2vec",
                                layer,
                                seed,
                                attack,
                                protocol,
                                1,
                            ),
                            method_settings=settings_of(method, given),
                            traits=traits_of(attack),
                            method_traits=method_called(
                                NAMES.get(method, method),
                                **METHODS.get(settings_of(method, given)["type"], {}),
                            ),
                            threat={**threat_of_budget(1), "within_component": True},
                            label_rule="components",
                            dataset=ref_of("dataset", dataset, seed),
                            victim=ref_of("victim", method, layer, seed, protocol),
                            key=key_of("attack", 0),
                            pretrain_seconds=0.0 if method == "none" else 12.5,
                            train_seconds=30.0,
                            fit_seconds=1.0,
                            attack_seconds=2.0,
                            queries=100 * n,
                            environment={
                                **ENVIRONMENT,
                                "versions": {"robust_augcl": "0.1.0", "torch": "2.8.0"},
                                "machine": "a",
                            },
                            notes=list(notes),
                        )
                    )
    return records


@pytest.fixture(scope="session")
def campaign() -> Callable[..., list[Record]]:
    return make_campaign


def find_overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that overlap, and texts that leave the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    legends = [text for legend in figure.legends for text in legend.get_texts()]
    texts = [*figure.texts, *legends]
    for axes in figure.axes:
        texts += [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())  # no tick beyond is drawn
            texts += [
                label
                for label, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=False)
                if low <= at <= high
            ]
    boxes = [
        (text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()
    ]
    apart = [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(boxes, 2)
        if one.padded(-1).overlaps(other.padded(-1))
    ]
    outside = [
        (text, "the figure's edge")
        for text, box in boxes
        if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.x1 or box.y1 > figure.bbox.y1
    ]
    return apart + outside


@pytest.fixture(scope="session")
def overlaps() -> Callable[[Figure], list[tuple[str, str]]]:
    return find_overlaps
