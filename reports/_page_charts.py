"""The figure of the page: accuracy under each attack, drawn as lanes that stretch with the page."""

from __future__ import annotations

from typing import Any

from robust_augcl.reports._forest import Lane, make_lanes
from robust_augcl.reports._rest import names_of_lanes
from robust_augcl.reports._sections import Section
from robust_augcl.reports._view import View
from robust_augcl.reports.tables import percent
from robust_augcl.results.names import CLEAN, CLEAN_NAME, joined, layers_text

_MOST_LANES = 40
"""With more, only the attacks that tell most are drawn."""


def charts(view: View) -> list[dict[str, Any]]:
    """A chart for each section and number of layers, those of the smallest budgets first."""
    lanes = {lane.label: lane for lane in make_lanes(names_of_lanes(view.sections))}
    first = [family[0] for family in view.families]
    others = [section for section in view.sections if section not in first]
    return [
        _chart(view, section, layers, lanes)
        for section in (*first, *others)
        for layers in section.layers
    ]


def _chart(view: View, section: Section, layers: int, lanes: dict[str, Lane]) -> dict[str, Any]:
    methods = [method for count, method in section.columns if count == layers]
    attacks = section.attacks
    cut = len(attacks) * len(methods) > _MOST_LANES
    if cut:
        telling = (CLEAN, section.strongest, section.exact)
        attacks = [attack for attack in attacks if attack in telling]
    rows = [
        {
            "name": section.attack_name(attack),
            "heavy": attack == section.exact,
            "lanes": [_lane(view, section, attack, layers, lanes[method]) for method in methods],
        }
        for attack in attacks
    ]
    return {
        "heading": joined("What stays right", section.title, layers_text(layers)),
        "rows": rows,
        "reference": _place(section.commonest),
        "caption": _caption(section, cut),
    }


def _lane(view: View, section: Section, attack: str, layers: int, lane: Lane) -> dict[str, Any]:
    fact = view.fact(section, attack, layers, lane.label)
    name = lane.name
    if fact is None:
        empty = dict.fromkeys(("mean", "low", "high", "floor"))
        return {
            "name": name,
            "label": name,
            "colour": lane.colour,
            "value": "-",
            "mark": "",
        } | empty
    share = fact.share
    exact = fact.worst is not None and fact.worst.exact and attack != CLEAN
    floor = fact.worst.high.mean if fact.worst and exact else None
    return {
        "name": name,
        "label": f"{name}: {percent(share.mean)} %, {percent(share.low)} to {percent(share.high)}",
        "colour": lane.colour,
        "mean": _place(share.mean),
        "low": _place(share.low),
        "high": _place(share.high),
        "floor": None if floor is None else _place(floor),
        "value": percent(share.mean),
        "mark": fact.mark,
    }


def _caption(section: Section, cut: bool) -> str:
    exact = (
        "A bar shows the exact worst case of the same method. Under an attack, the space between "
        f"the end of the bar and the dot is what the attack missed. {bars_text(section)}"
        if section.exact
        else ""
    )
    left = " Only the most telling attacks are drawn; the table has all." if cut else ""
    return (
        f"{CLEAN_NAME}: the share of {section.targets} that is right before any edit. Other rows: "
        f"the share that is right before and after the attack's edits. Dots with lines are "
        f"{section.intervals}. {exact}The dashed line is a model that always answers the commonest "
        f"class. Allowed edits: {section.threat.sentences} Protocol: {section.protocol_text}. "
        f"There are {section.graphs}.{left}"
    )


def bars_text(section: Section) -> str:
    """What bars of the worst case are beside lines; a space follows, or nothing."""
    if section.exact is None:
        return ""
    if section.one_model_each:
        here, others = f"on these {section.targets}", section.targets
    else:
        here, others = "on these seeds", "seeds"
    return (
        f"Bar: the worst case measured {here}. The line is uncertainty over other {others}, so it "
        "may cross the bar. "
    )


def _place(share: float) -> str:
    """A share as a number of percent for a drawing."""
    return f"{100 * share:.2f}"
