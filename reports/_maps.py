"""The vulnerability map of a graph: its edges, and the edits that attacks found to hurt it most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from robust_augcl.reports._data import of_data
from robust_augcl.reports._layout import Point, laid_out
from robust_augcl.reports._rest import drawn_name
from robust_augcl.reports._sections import Section
from robust_augcl.reports._view import View
from robust_augcl.reports._words import with_minus
from robust_augcl.results.names import CLEAN, joined, layers_text
from robust_augcl.results.records import Outcome

_MOST_MODELS, _MOST_EDITS = 6, 5
_WIDTH, _HEIGHT = 340.0, 250.0

Pairs = tuple[tuple[int, int], ...]


class Hurt(NamedTuple):
    """What some edits of a graph do to a model.

    Args:
        added, removed: the edges.
        margin: of the true class after them.
        breaks: whether the prediction is wrong after them.
        by: the labels of the attacks that chose them.
    """

    added: Pairs
    removed: Pairs
    margin: float
    breaks: bool
    by: list[str]


class Drawable(NamedTuple):
    """A graph that a data set's description holds: its number, its nodes and its edges."""

    graph: int
    nodes: int
    edges: Pairs


def maps_of(view: View) -> dict[str, Any] | None:
    """A map of one graph for each model of the first section; None where none can be drawn."""
    section = view.families[0][0]
    seed = section.seeds[0]
    columns = section.columns[:_MOST_MODELS]
    hurt = {column: _hurts(section, seed, *column) for column in columns}
    chosen = _chosen(_drawables(view, section, seed), hurt)
    if chosen is None:
        return None
    places = laid_out(chosen.nodes, chosen.edges, _WIDTH, _HEIGHT)
    drawn = [
        _map(section, column, chosen, places, hurt[column][chosen.graph])
        for column in columns
        if chosen.graph in hurt[column]
    ]
    return {"graphs": drawn, "caption": _caption(section, chosen, seed)}


def _drawables(view: View, section: Section, seed: int) -> list[Drawable]:
    """The graphs of a seed that can be drawn, those that its data set's description holds."""
    known = of_data(view.report, section.dataset)
    shown = [each for m in known if m.cell.seed == seed for each in m.values.get("shown", ())]
    return [
        Drawable(each["graph"], each["nodes"], tuple((i, j) for i, j in each["edges"]))
        for each in shown
    ]


def _hurts(section: Section, seed: int, layers: int, method: str) -> dict[int, list[Hurt]]:
    """Graph -> what attacks found to hurt it, the worst first; of graphs that were right before."""
    found: dict[int, dict[tuple[Pairs, Pairs], Hurt]] = {}
    for attack in section.attacks:
        if attack == CLEAN:
            continue
        for record in section.group(attack, layers, method):
            if record.cell.seed != seed:
                continue
            for outcome in record.outcomes:
                if outcome.node is None and outcome.clean_right:
                    _add(found.setdefault(outcome.graph, {}), outcome, attack)
    return {
        graph: sorted(edits.values(), key=lambda hurt: (hurt.margin, hurt.added, hurt.removed))
        for graph, edits in found.items()
    }


def _add(known: dict[tuple[Pairs, Pairs], Hurt], outcome: Outcome, attack: str) -> None:
    added, removed = (_pairs(edges) for edges in (outcome.added, outcome.removed))
    if not added and not removed:
        return
    new = Hurt(added, removed, outcome.attacked_margin, outcome.broken, [])
    known.setdefault((added, removed), new).by.append(attack)


def _pairs(edges: Sequence[Sequence[int]]) -> Pairs:
    return tuple(sorted((min(i, j), max(i, j)) for i, j in edges))


def _chosen(
    drawable: Sequence[Drawable], hurt: Mapping[Any, Mapping[int, Sequence[Hurt]]]
) -> Drawable | None:
    """The graph that tells most: broken on the most models, by the most different edits."""

    def tells(each: Drawable) -> tuple[int, int, int]:
        own = [edits.get(each.graph, ()) for edits in hurt.values()]
        broken = sum(any(edit.breaks for edit in edits) for edits in own)
        return broken, sum(map(len, own)), -each.graph

    best = max(drawable, key=tells, default=None)
    return best if best is not None and tells(best)[1] else None


def _map(
    section: Section,
    column: tuple[int, str],
    graph: Drawable,
    places: Sequence[Point],
    hurts: Sequence[Hurt],
) -> dict[str, Any]:
    layers, method = column
    several = layers_text(layers) if len(section.layers) > 1 else ""
    hit = {node for hurt in hurts[:_MOST_EDITS] for pair in _edges_of(hurt) for node in pair}
    title = joined(drawn_name(section, layers, method), several)
    return {
        "title": title,
        "label": f"Graph {graph.graph} and the edits that hurt {title} most",
        "width": f"{_WIDTH:g}",
        "height": f"{_HEIGHT:g}",
        "edges": [_line(places, pair) for pair in graph.edges],
        "nodes": [(_number(x), _number(y), node in hit) for node, (x, y) in enumerate(places)],
        "edits": [_edit(section, hurt, places) for hurt in hurts[:_MOST_EDITS]],
    }


def _edit(section: Section, hurt: Hurt, places: Sequence[Point]) -> dict[str, Any]:
    lines = [(*_line(places, pair), pair in hurt.removed) for pair in _edges_of(hurt)]
    (x, y), (u, v) = (places[node] for node in _edges_of(hurt)[0])
    what = "; ".join(
        f"{verb} {', '.join(f'{i}–{j}' for i, j in pairs)}"  # noqa: RUF001
        for verb, pairs in (("add", hurt.added), ("remove", hurt.removed))
        if pairs
    )
    end = "the model errs" if hurt.breaks else "still right"
    by = ", ".join(section.attack_name(attack) for attack in hurt.by)
    return {
        "lines": lines,
        "at": (_number((x + u) / 2), _number((y + v) / 2)),
        "breaks": hurt.breaks,
        "text": f"{what}: margin {with_minus(f'{hurt.margin:+.2f}')}, {end} (chosen by {by})",
    }


def _edges_of(hurt: Hurt) -> Pairs:
    return (*hurt.added, *hurt.removed)


def _line(places: Sequence[Point], pair: tuple[int, int]) -> tuple[str, ...]:
    return tuple(_number(value) for node in pair for value in places[node])


def _number(value: float) -> str:
    return f"{value:.1f}"


def _caption(section: Section, chosen: Drawable, seed: int) -> str:
    labels = {
        o.label
        for r in section.records
        if r.cell.seed == seed
        for o in r.outcomes
        if o.graph == chosen.graph
    }
    name = ", ".join(section.class_name(label) for label in sorted(labels))
    return (
        f"Test graph {chosen.graph} of seed {seed} ({name}; {chosen.nodes} nodes, "
        f"{len(chosen.edges)} edges) under the edits that the attacks above chose for each model, "
        "the most damaging first. The numbers in the drawing are those of the list below it. There "
        "two numbers of nodes, joined by a dash, are an edge. Thick red: the model errs after the "
        "edit. Thin: it is still right. Dashed: an edge that is removed. The margin says how far "
        "the true class leads after the edit: below 0 the model errs. Allowed is "
        f"{section.threat.sentences} Few graphs are kept for drawing. Of these it is the one that "
        "edits break for most models."
    )
