"""Methods side by side: accuracies, representations without labels, cost, where weights lie."""

from __future__ import annotations

from collections.abc import Sequence

from robust_augcl.reports._assumed import assumed
from robust_augcl.reports._marks import noted
from robust_augcl.reports._rest import marked_name
from robust_augcl.reports._sections import Section
from robust_augcl.reports.tables import escape, markdown_table, percent
from robust_augcl.results.intervals import t_interval
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.names import CLEAN, CLEAN_NAME, joined, layers_text

_NOTHING = "-"
UNSUPERVISED = "unsupervised"
"""Stands for the protocol of encoders that are pretrained and scored without labels."""


def of_model(
    measurements: Sequence[Measurement],
    kind: str,
    section: Section,
    layers: int,
    method: str,
    protocol: str,
) -> list[Measurement]:
    """The measurements of one kind about a model, one a seed."""
    wanted = (section.suite, section.dataset, section.encoder, method, layers, protocol)
    return [
        measurement
        for measurement in measurements
        if measurement.kind == kind
        and (c := measurement.cell)
        and (c.suite, c.dataset, c.encoder, c.method, c.layers, c.protocol) == wanted
    ]


def methods_table(section: Section, measurements: Sequence[Measurement]) -> str:
    """A row a model: accuracies, seconds of pretraining, share of weight on false negatives."""
    if section.is_given:
        return _given_table(section)
    scored = any(m.kind == "representation" for m in measurements)
    linear = any(m.kind == "linear_victim" for m in measurements)
    body = []
    for layers, method in section.columns:
        cells = []
        for attack in section.attacks:
            found = section.robust(attack, layers, method)
            cells.append(
                percent(found.mean) + section.marked(attack, layers, method) if found else _NOTHING
            )
        if scored:
            cells.append(
                _svm(
                    of_model(measurements, "representation", section, layers, method, UNSUPERVISED)
                )
            )
        if linear:
            probed = of_model(
                measurements, "linear_victim", section, layers, method, section.protocol
            )
            cells.append(over_seeds([m.values["accuracy"]["test"] for m in probed]))
        pretrained = of_model(measurements, "pretraining", section, layers, method, "")
        seconds = [record.pretrain_seconds for record in section.group(CLEAN, layers, method)]
        cells.append(f"{sum(seconds) / len(seconds):,.1f}" if seconds else _NOTHING)
        shares = [_shares(measurement) for measurement in pretrained]
        cells += [_mean_share([share[k] for share in shares]) for k in range(3)]
        name = marked_name(section, layers, method)
        body.append([name, str(layers), *cells])
    header = [
        "Method",
        "Layers",
        *(escape(section.attack_name(attack)) for attack in section.attacks),
        *(["SVM, no labels"] if scored else []),
        *(["Clean, all test targets"] if linear else []),
        "Pretraining, s",
        "False negatives: of pairs",
        "of weight",
        "of push",
    ]
    caption = joined(_caption(section, measurements, scored, linear), assumed(section), by=" ")
    return noted(f"{caption}\n\n{markdown_table(header, body, left=1)}")


def _caption(
    section: Section, measurements: Sequence[Measurement], scored: bool, linear: bool
) -> str:
    """What the table's columns say, where it has those of an SVM or of linear victims too."""
    brackets = (
        "; in brackets a 95 % t interval over the seeds, where there are several"
        if len(section.seeds) > 1
        else ""
    )
    caption = (
        f"Robust accuracy in percent under each attack, {CLEAN_NAME} before any. Seconds "
        "of pretraining, a shared warm-up included. "
        "False negatives are negatives of the anchor's own class, known to this table and "
        "never to a method: their share of all negatives, "
        "of the weight that the method gives to negatives, and of how strongly its loss "
        "pushes them away. Where weights avoid false "
        "negatives, their share of the weight is smaller than their share of the pairs."
    )
    if scored:
        folds = {len(m.values["accuracy"]) for m in measurements if m.kind == "representation"}
        caption += (
            f" SVM: mean accuracy in percent over {' or '.join(map(str, sorted(folds)))} "
            "seeded folds, encoders pretrained on all graphs "
            f"without labels (the papers' unsupervised protocol){brackets}."
        )
    if linear:
        caption += (
            " Clean, all test targets: accuracy in percent of the linear head on frozen "
            f"embeddings over all test targets, whether or not they are attacked{brackets}."
        )
    return caption


def _given_table(section: Section) -> str:
    """A row a given model: its accuracies. Nobody has said how it was trained."""
    body = []
    for layers, method in section.columns:
        cells = []
        for attack in section.attacks:
            found = section.robust(attack, layers, method)
            mark = section.marked(attack, layers, method)
            cells.append(percent(found.mean) + mark if found else _NOTHING)
        body.append([marked_name(section, layers, method), *cells])
    header = ["Model", *(escape(section.attack_name(attack)) for attack in section.attacks)]
    about = f"Robust accuracy in percent under each attack, {CLEAN_NAME} before any."
    caption = joined(about, assumed(section), by=" ")
    return noted(f"{caption}\n\n{markdown_table(header, body, left=1)}")


def _svm(found: Sequence[Measurement]) -> str:
    return over_seeds([sum(m.values["accuracy"]) / len(m.values["accuracy"]) for m in found])


def over_seeds(means: Sequence[float]) -> str:
    """The mean of one accuracy a seed, with an interval where there are several."""
    if not means:
        return _NOTHING
    text = percent(sum(means) / len(means))
    if len(means) > 1:
        low, high = t_interval(means)
        text += f" ({percent(max(low, 0.0))} to {percent(min(high, 1.0))})"
    return text


def _shares(measurement: Measurement) -> tuple[float | None, float | None, float | None]:
    found = measurement.values.get("diagnosis", {}).get("false_negatives", {})
    return found.get("share_of_pairs"), found.get("share_of_weight"), found.get("share_of_push")


def _mean_share(shares: Sequence[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return percent(sum(known) / len(known)) if known else _NOTHING


def mechanism_models(
    section: Section, measurements: Sequence[Measurement]
) -> list[tuple[str, list[Measurement]]]:
    """The names of the models whose pretraining was diagnosed, with the diagnosis of each seed."""
    found = []
    for layers, method in section.columns:
        diagnosed = [
            m
            for m in of_model(measurements, "pretraining", section, layers, method, "")
            if m.values.get("diagnosis")
        ]
        if diagnosed:
            name = joined(section.method_name(method), layers_text(layers))
            found.append((name, sorted(diagnosed, key=lambda m: m.cell.seed)))
    return found
