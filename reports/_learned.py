"""What attacks that learn found of what an exact attack breaks, in a report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from robust_augcl.reports._assumed import assumed
from robust_augcl.reports._marks import noted
from robust_augcl.reports._rest import drawn_name, heading
from robust_augcl.reports._sections import Section
from robust_augcl.reports._words import seeds_text
from robust_augcl.reports.tables import escape, markdown_table, percent
from robust_augcl.results.learned import ENOUGH, Found, found_of_exact
from robust_augcl.results.names import EXACT_NAME, joined, layers_text
from robust_augcl.results.records import Cell

_FEW = 3
"""So many victims are named one by one in short."""


def shares(section: Section) -> str:
    """A table of the shares by victim, with the sentences; empty where there is nothing to tell."""
    found = found_of_exact(section.records)
    if not found:
        return ""
    attacks = [each for each in section.attacks if any(f.cell.attack == each for f in found)]
    body = [
        [
            escape(section.attack_name(attack)),
            *(_of(section, found, attack, *column) for column in section.columns),
        ]
        for attack in attacks
    ]
    seeds = seeds_text(section.seeds)
    each = f"one number for each seed, in the order {seeds}" if len(section.seeds) > 1 else ""
    caption = (
        f"Of the {section.targets} that the exact worst case breaks, the percentage that an attack "
        f"which learned breaks too: {each or f'one number, of seed {seeds}'}."
    )
    header = ["Attack", *(heading(section, *column) for column in section.columns)]
    caption = joined(caption, assumed(section), by=" ")
    table = noted(f"{caption}\n\n{markdown_table(header, body)}")
    return f"{escape(' '.join(sentences(section)))}\n\n{table}"


def sentences(section: Section) -> Iterator[str]:
    """For each attack that learns, on how many victims it is at strength, and on which it is not.

    Nothing is said where no exact attack stands beside it.
    """
    found = found_of_exact(section.records)
    for attack in section.attacks:
        own = [each for each in found if each.cell.attack == attack]
        if own:
            yield _sentence(section, attack, own)
            victims = {r.cell for r in section.records if r.cell.attack == attack}
            yield from _unknown(section, victims - {each.cell for each in own})


def in_short(section: Section) -> Iterator[str]:
    """The same in one point an attack; many victims are told as a range, and not by name."""
    found = found_of_exact(section.records)
    for attack in section.attacks:
        own = [each for each in found if each.cell.attack == attack]
        if not own:
            continue
        weak = [each for each in own if not each.is_enough]
        told = _sentence if len(weak) <= _FEW else _range
        victims = {r.cell for r in section.records if r.cell.attack == attack}
        unknown = victims - {each.cell for each in own}
        if len(unknown) <= _FEW:
            rest = list(_unknown(section, unknown))
        else:
            rest = [f"Of {len(unknown)} more models it is not known how many it could break."]
        yield " ".join([told(section, attack, own), *rest])


def _unknown(section: Section, cells: Collection[Cell]) -> Iterator[str]:
    """On which victims nobody knows whether an attack is at strength."""
    if cells:
        named = "; ".join(_about(section, cell) for cell in _in_order(section, cells))
        yield f"It is not known how many {section.targets} it could have broken on: {named}."


def _sentence(section: Section, attack: str, found: Sequence[Found]) -> str:
    by_cell = {each.cell: each for each in found if not each.is_enough}
    weak = [by_cell[cell] for cell in _in_order(section, by_cell)]
    name, least = section.attack_name(attack), f"{percent(ENOUGH)} % or more"
    whole = f"of the {section.targets} that the {EXACT_NAME.lower()} breaks"
    if not weak:
        return f"{name}, which learns, breaks {least} {whole} on each of {len(found)} models."
    named = "; ".join(_named(section, each) for each in weak)
    others = "these models" if len(weak) == len(found) else "the others"
    if len(weak) == 1 < len(found):
        others = "the other"
    return (
        f"{name}, which learns, breaks {least} {whole} on "
        f"{len(found) - len(weak) or 'none'} of {len(found)} models. On {others} it breaks "
        f"less: {named}. {_why(section, attack)}"
    )


def _range(section: Section, attack: str, found: Sequence[Found]) -> str:
    """How much an attack found on all victims, from the least to the most."""
    ends = [percent(end(each.share for each in found)) for end in (min, max)]
    enough = sum(each.is_enough for each in found)
    return (
        f"{section.attack_name(attack)}, which learns, breaks {ends[0]} to {ends[1]} % of the "
        f"{section.targets} that the {EXACT_NAME.lower()} breaks, and {percent(ENOUGH)} % or more "
        f"on {enough or 'none'} of {len(found)} models. {_why(section, attack)} The appendix lists "
        "each model."
    )


def _why(section: Section, attack: str) -> str:
    """Why an attack that learned breaks less than is possible, as far as the audit tells it.

    That it is at rest says that more learning brings little, and not that it finds all.
    """
    finding = section.report.audit.attackers_at_rest if section.report.audit else None
    own = {record.key for record in section.records if record.cell.attack == attack}
    if finding is None:
        why = "It learned too little, or cannot find more."
    elif own & set(finding.cells):
        why = "The audit let it learn longer on a sample of models, and it broke more."
    else:
        why = (
            "The audit let it learn longer on a sample of models, and it broke hardly more. So "
            "more learning would hardly help."
        )
    return f"{why} Do not take its row as the worst case."


def _in_order(section: Section, cells: Iterable[Cell]) -> list[Cell]:
    """The cells of one attack in the order of the columns, then of the seeds."""
    order = {column: place for place, column in enumerate(section.columns)}
    return sorted(cells, key=lambda cell: (order[cell.layers, cell.method], cell.seed))


def _named(section: Section, found: Found) -> str:
    share = f"{percent(found.share)} %, {found.found} of {found.broken}"
    return f"{_about(section, found.cell)} ({share})"


def _about(section: Section, cell: Cell) -> str:
    """A victim in words."""
    return joined(
        drawn_name(section, cell.layers, cell.method),
        layers_text(cell.layers),
        f"seed {cell.seed}",
    )


def _of(section: Section, found: Sequence[Found], attack: str, layers: int, method: str) -> str:
    """The shares of one attack on the victims of one method, marked like the gaps to the worst."""
    column = (attack, layers, method)
    own = [f for f in found if (f.cell.attack, f.cell.layers, f.cell.method) == column]
    mark = section.marked(attack, layers, method)
    if section.exact:
        mark = mark or section.marked(section.exact, layers, method)
    return ", ".join(percent(each.share) for each in own) + mark if own else "-"
