"""Accuracy without labels beside published values, and how often weights failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from robust_augcl.reports._methods import UNSUPERVISED, over_seeds
from robust_augcl.reports._training_notes import size_of_share
from robust_augcl.reports._view import View
from robust_augcl.reports._words import seeds_text
from robust_augcl.reports.tables import escape, markdown_table
from robust_augcl.results.claim_held import is_one
from robust_augcl.results.claims import Claim
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.names import Names, layers_text
from robust_augcl.results.note_words import in_present_words, taken_apart
from robust_augcl.results.records import Record
from robust_augcl.results.shared_graphs import overlap

_NOTHING = "-"
_SIGNS = (
    ("Underfit", "the uncertainty model is underfit"),
    ("Collapsed", "collapsed to 0"),
    ("Equal weights", "equal weights"),
)
"""Heads of columns, and the words of notes that they count."""
_IN_BRACKETS = " In brackets: 95 % intervals over the seeds."


class _Model(NamedTuple):
    """Encoders that differ in their seed alone."""

    dataset: str
    encoder: str
    layers: int
    method: str


# --- accuracy -------------------------------------------------------------------------------------


def embeddings(view: View) -> Iterator[str]:
    """The section about encoders without labels; nothing where none was scored."""
    found = _scores(view)
    if not found:
        return
    folds = sorted({len(m.values["accuracy"]) for own in found.values() for m in own})
    several = any(len(own) > 1 for own in found.values())
    over = (
        " and over the seeds, with a 95 % t interval over the seeds where there are several"
        if several
        else ""
    )
    yield "### Accuracy without labels, beside published values"
    yield (
        "An SVM tells the classes by embeddings of encoders that saw all graphs and no label: "
        f"mean accuracy in percent over {' or '.join(map(str, folds))} seeded folds{over}."
        f"{_sharing(view, found)} Published: of the whole data set, as printed elsewhere, second "
        "hand where the last column says so; what is printed as a spread is over folds or over "
        "seeds. Whether the same was run here is told under [published claims](#published-claims)."
    )
    head = ["Data set", "Method", "Layers", "Seeds", "Here", "Published", "Published where"]
    yield markdown_table(head, list(_rows(view, found)), left=3)


def _sharing(view: View, found: Iterable[_Model]) -> str:
    """That seeds share their graphs, where they do: then an interval is not over graphs."""
    shared = [overlap(view.report.measurements, model.dataset) for model in found]
    return " All seeds share the graphs." if shared and all(shared) else ""


def embeddings_in_words(view: View) -> Iterator[str]:
    """One sentence a data set: what each method reached, and what was published of it."""
    names = view.report.names
    by_table: dict[tuple[str, str, int], list[str]] = {}
    scores = _scores(view)
    several = any(len(own) > 1 for own in scores.values())
    for model, own in scores.items():
        text = f"{names.method(model.method)} {over_seeds(_means(own))}{_of_seeds(own)}"
        if claims := _published(view, model.dataset, model.method):
            text += f", published {' or '.join(_value(claim) for claim in claims)}"
        by_table.setdefault(model[:3], []).append(text)
    for (dataset, _, layers), told in by_table.items():
        yield (
            f"Accuracy in percent of an SVM on embeddings made without labels ({dataset}, "
            f"{layers_text(layers)}): {'; '.join(told)}.{_IN_BRACKETS if several else ''}"
        )


def _scores(view: View) -> dict[_Model, list[Measurement]]:
    """The scored encoders, in the order of the suite's methods, each with one of each seed."""
    found: dict[_Model, list[Measurement]] = {}
    for each in view.report.measurements:
        if each.kind == "representation":
            cell = each.cell
            model = _Model(cell.dataset, cell.encoder, cell.layers, cell.method)
            found.setdefault(model, []).append(each)
    order = [method for section in view.sections for method in section.methods]
    ranked = sorted(found, key=lambda model: (*model[:3], _rank(order, model.method)))
    return {model: sorted(found[model], key=lambda each: each.cell.seed) for model in ranked}


def _rank(order: Sequence[str], method: str) -> tuple[int, str]:
    return (order.index(method) if method in order else len(order)), method


def _means(found: Sequence[Measurement]) -> list[float]:
    return [sum(m.values["accuracy"]) / len(m.values["accuracy"]) for m in found]


def _of_seeds(found: Sequence[Measurement]) -> str:
    seeds = [each.cell.seed for each in found]
    return f", {'seed' if len(seeds) == 1 else 'seeds'} {seeds_text(seeds)}"


def _rows(view: View, found: Mapping[_Model, Sequence[Measurement]]) -> Iterator[list[str]]:
    """A row a model, and a row a published method of the data set that was not run."""
    names = view.report.names
    for model, own in found.items():
        seeds = seeds_text([each.cell.seed for each in own])
        yield [
            escape(model.dataset),
            escape(names.method(model.method)),
            layers_text(model.layers),
            seeds,
            over_seeds(_means(own)),
            *_printed(_published(view, model.dataset, model.method)),
        ]
    for dataset in dict.fromkeys(model.dataset for model in found):
        run = {model.method for model in found if model.dataset == dataset}
        others = [claim for claim in _published(view, dataset) if claim.left not in run]
        for claim in others:
            name = escape(names.method(claim.left))
            blank = [_NOTHING] * 3
            yield [escape(dataset), name, *blank, *_printed([claim])]


def _published(view: View, dataset: str, method: str | None = None) -> list[Claim]:
    """The published accuracies of an SVM on embeddings, of a data set at its full size."""
    return [
        row.claim
        for row in view.claims
        if row.claim.evaluation == "embeddings"
        and row.claim.how == "accuracy"
        and is_one(dataset, row.claim.datasets)
        and method in (None, row.claim.left)
    ]


def _value(claim: Claim) -> str:
    return f"{100 * (claim.value or 0.0):.2f}"


def _printed(claims: Sequence[Claim]) -> list[str]:
    if not claims:
        return [_NOTHING, _NOTHING]
    where = "; ".join(f"{claim.source}; {claim.where}; {claim.read}" for claim in claims)
    return [" or ".join(map(_value, claims)), escape(where)]


# --- weights --------------------------------------------------------------------------------------


def networks(view: View) -> Iterator[str]:
    """How often weights of negatives failed; nothing where none weighs."""
    rows = list(_weighing(view))
    if not rows:
        return
    yield "### How often weights failed"
    yield (
        "Some methods give each negative a weight. The table counts their pretrainings, and how "
        "many of them noted a fault of the weights. There is one pretraining for each seed, number "
        "of layers and use: for classifiers, without any test graph; or without labels, on all "
        "graphs. Underfit: the network that tells how uncertain a pair is was no better than a "
        "constant answer; a method without such a network has 0. Collapsed: for some anchors all "
        "weights were 0, and 1 was taken instead. Equal weights: for some anchors all negatives "
        "got almost the same weight. In brackets: the share of these anchors, or the least and "
        "the greatest one, where notes tell it."
    )
    body = [[escape(method), *rest] for method, *rest in rows]
    yield markdown_table(["Method", "Use", "Pretrainings", *(head for head, _ in _SIGNS)], body, 2)


def networks_in_words(view: View) -> Iterator[str]:
    """How often the network of a method that weighs was underfit, where it ever was."""
    told = [
        f"{method}, {use}: {underfit} of {trainings}"
        for method, use, trainings, underfit, *_ in _weighing(view)
        if underfit != "0"
    ]
    if told:
        yield (
            "Trainings whose network, which tells how uncertain a pair is, learned no more than a "
            f"constant answer: {'; '.join(told)}."
        )


def _weighing(view: View) -> Iterator[list[str]]:
    """A row a method and use."""
    found: dict[tuple[str, str], dict[Any, set[str]]] = {}
    weigh: dict[str, None] = {}
    for record in view.report.records:
        if _weighs(record):
            weigh[record.cell.method] = None
            # Both protocols train their classifiers on one and the same pretraining.
            training = record.cell.dataset, record.cell.layers, record.cell.seed
            of = found.setdefault((record.cell.method, "classifiers"), {})
            of.setdefault(training, set()).update(record.notes)
    for each in view.report.measurements:
        cell = each.cell
        if each.kind == "pretraining" and cell.protocol == UNSUPERVISED and cell.method in weigh:
            of = found.setdefault((cell.method, "without labels"), {})
            training = cell.dataset, cell.layers, cell.seed
            of.setdefault(training, set()).update(each.values.get("notes", []))
    names: Names = view.report.names
    order = list(weigh)
    for (method, use), trainings in sorted(
        found.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
    ):
        cells = [_noted(trainings.values(), words) for _, words in _SIGNS]
        yield [names.method(method), use, str(len(trainings)), *cells]


def _weighs(record: Record) -> bool:
    return record.method_traits.pretrains and not record.method_traits.plain


def _noted(trainings: Any, words: str) -> str:
    """How many trainings noted something, and of which shares of anchors."""
    count, shares = 0, []
    for notes in trainings:
        own = [note for note in map(in_present_words, notes) if words in note]
        count += bool(own)
        shares += [share for note in own if (share := taken_apart(note).share)]
    if not shares:
        return str(count)
    least, *_, most = sorted([*shares, *shares], key=size_of_share)
    return f"{count} ({least})" if least == most else f"{count} ({least} to {most})"
