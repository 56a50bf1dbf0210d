"""What attacks that learn found of what an exact attack breaks, in a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robust_augcl.reports._rest import heading
from robust_augcl.reports._sections import Section
from robust_augcl.reports.tables import escape, markdown_table, noted, percent
from robust_augcl.results.learned import ENOUGH, Found, found_of_exact
from robust_augcl.results.names import EXACT_NAME, joined, layers_text


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
    seeds = ", ".join(map(str, section.seeds))
    caption = (
        "Of the graphs that the exact worst case breaks, the percentage that an attack which "
        f"learned breaks too: one number for each seed, in the order {seeds}."
    )
    header = ["Attack", *(heading(section, *column) for column in section.columns)]
    table = noted(f"{caption}\n\n{markdown_table(header, body)}")
    return f"{' '.join(sentences(section))}\n\n{table}"


def sentences(section: Section) -> Iterator[str]:
    """For each attack that learns, on how many victims it is at strength, and on which it is not.

    Nothing is said where no exact attack stands beside it.
    """
    found = found_of_exact(section.records)
    for attack in section.attacks:
        own = [each for each in found if each.cell.attack == attack]
        if own:
            yield _sentence(section, attack, own)


def _sentence(section: Section, attack: str, found: Sequence[Found]) -> str:
    order = {column: place for place, column in enumerate(section.columns)}
    weak = [each for each in found if not each.is_enough]
    weak.sort(key=lambda each: (order[each.cell.layers, each.cell.method], each.cell.seed))
    name, least = escape(section.attack_name(attack)), f"{percent(ENOUGH)} % or more"
    whole = f"of what the {EXACT_NAME.lower()} breaks"
    if not weak:
        return f"{name}, which learns, finds {least} {whole} on each of {len(found)} victims."
    named = "; ".join(_named(section, each) for each in weak)
    return (
        f"{name}, which learns, finds {least} {whole} on {len(found) - len(weak)} of {len(found)} "
        f"victims. It learned too little, or cannot find more, on: {named}."
    )


def _named(section: Section, found: Found) -> str:
    cell = found.cell
    about = joined(
        escape(section.method_name(cell.method)), layers_text(cell.layers), f"seed {cell.seed}"
    )
    return f"{about} ({percent(found.share)} %, {found.found} of {found.broken})"


def _of(section: Section, found: Sequence[Found], attack: str, layers: int, method: str) -> str:
    """The shares of one attack on the victims of one method, marked like the gaps to the worst."""
    column = (attack, layers, method)
    own = [f for f in found if (f.cell.attack, f.cell.layers, f.cell.method) == column]
    mark = section.marked(attack, layers, method)
    if section.exact:
        mark = mark or section.marked(section.exact, layers, method)
    return ", ".join(percent(each.share) for each in own) + mark if own else "-"
