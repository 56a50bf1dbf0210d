"""What the published protocol is worth, in points, beside the strict one, from results of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from robust_augcl.reports._comparison_words import points
from robust_augcl.reports._marks import noted
from robust_augcl.reports._rest import mark_of_attack, marked_name, rest_mark
from robust_augcl.reports._sections import Section
from robust_augcl.reports._view import View
from robust_augcl.reports._words import seeds_text
from robust_augcl.reports.tables import escape, markdown_table, percent
from robust_augcl.results.names import CLEAN, difference_name, layers_text
from robust_augcl.results.statistics import Measure

TITLE = "What the protocol is worth"
_STRICT, _PAPER = "strict", "paper"
_NOTHING = "-"
_OF_THE_WORST = (
    " The exact worst case is the fixed mark, since no attack does more. Above the worst case: how "
    "many points more stay right under an attack than in the exact worst case of the same model. "
    "The row of the exact worst case counts graphs that are right before and after, under both "
    "protocols alike: what differs there is the model alone, chosen on other graphs."
)


class Both(NamedTuple):
    """The sections of one table under both protocols, and the seeds that both have."""

    strict: Section
    paper: Section
    seeds: Sequence[int]

    @property
    def columns(self) -> list[tuple[int, str]]:
        """Layers and method of the models that both have."""
        there = set(self.paper.columns)
        return [column for column in self.strict.columns if column in there]

    def share(
        self, section: Section, attack: str, column: tuple[int, str], measure: Measure
    ) -> float | None:
        """A share of one side, over the seeds that both have; None where it has not all of them."""
        own = [r for r in section.group(attack, *column) if r.cell.seed in self.seeds]
        found = section.accuracy(own, measure) if len(own) == len(self.seeds) else None
        return found.mean if found else None

    def strictly(self, attack: str, column: tuple[int, str]) -> float | None:
        """What stays right under the strict protocol."""
        return self.share(self.strict, attack, column, "clean" if attack == CLEAN else "robust")

    def as_published(self, attack: str, column: tuple[int, str]) -> float | None:
        """What is right under the paper protocol, as papers count it: wrong before or not."""
        return self.share(self.paper, attack, column, "clean" if attack == CLEAN else "attacked")

    def worst(self, column: tuple[int, str]) -> tuple[float | None, float | None]:
        """The exact worst case under both protocols: the fixed marks."""
        found = [
            self.share(each, each.exact, column, "robust") if each.exact else None
            for each in (self.strict, self.paper)
        ]
        return found[0], found[1]

    @property
    def has_worst(self) -> bool:
        """Whether the exact worst case of any model is there, under either protocol."""
        return any(share is not None for each in self.columns for share in self.worst(each))

    def worth(self, attack: str, column: tuple[int, str]) -> float | None:
        """The published number less the strict one; of the exact worst case both are robust."""
        if attack == self.strict.exact == self.paper.exact:
            strict, paper = self.worst(column)
            return _less(paper, strict)
        return _less(self.as_published(attack, column), self.strictly(attack, column))


def both_protocols(view: View) -> list[Both]:
    """The tables that there are under both protocols, with some seed in common."""
    by_table: dict[tuple[str, str, float], dict[str, Section]] = {}
    for section in view.sections:
        about = section.dataset, section.encoder, section.budget
        by_table.setdefault(about, {})[section.protocol] = section
    return [
        Both(own[_STRICT], own[_PAPER], seeds)
        for own in by_table.values()
        if own.keys() >= {_STRICT, _PAPER}
        and (seeds := sorted({*own[_STRICT].seeds} & {*own[_PAPER].seeds}))
    ]


def worth_in_words(view: View) -> Iterator[str]:
    """One sentence a table: from how many points to how many the protocol moves each attack."""
    for both in both_protocols(view):
        ranges = [
            f"{both.strict.attack_name(attack)} {_range(moved)}"
            for attack in both.strict.attacks
            if (moved := _moved(both, attack))
        ]
        if not ranges:
            continue
        about = f"{both.strict.dataset}, {both.strict.threat.edits}"
        models = len(both.columns)
        over = f", the least and the greatest of {models} models" if models > 1 else ""
        exact = both.strict.exact
        compared = exact is not None and _moved(both, exact)
        alike = " The exact worst case is counted alike under both." if compared else ""
        yield (
            f"What the published protocol is worth ({about}): its numbers, counted as papers "
            f"count, less the strict ones, in points{over}: {'; '.join(ranges)}.{alike}"
            f"{_of_seeds(both)}{_doubts(both)}"
        )


def _doubts(both: Both) -> str:
    """What speaks against the numbers of a sentence that has no room for marks."""
    attacks = [a for a in both.strict.attacks if any(mark_of_attack(each, a) for each in both[:2])]
    sides = [(each, *column) for each in both[:2] for column in both.columns]
    failed = ", ".join(map(both.strict.attack_name, attacks))
    told = f" On some models these failed their audit: {failed}." if attacks else ""
    moving = any(rest_mark(*side) for side in sides)
    return f"{told} Some of the models were not at rest." if moving else told


def _moved(both: Both, attack: str) -> list[float]:
    return [w for column in both.columns if (w := both.worth(attack, column)) is not None]


def _range(moved: Sequence[float]) -> str:
    least, most = points(min(moved)), points(max(moved))
    return least if least == most else f"{least} to {most}"


def _of_seeds(both: Both) -> str:
    if len(both.seeds) > 1:
        return f" Means over the seeds {seeds_text(both.seeds)}."
    return f" One trained model each, of seed {both.seeds[0]}."


def protocols(view: View) -> Iterator[str]:
    """The section about both protocols; nothing where there is one."""
    for both in both_protocols(view):
        yield f"### {TITLE}: {escape(both.strict.dataset)}, {both.strict.threat.edits}"
        yield _caption(both)
        yield noted(_models(both))
        if pairs := _pairs(view, both):
            yield (
                "The same of the comparisons that the suite names: points, left less right. The "
                "column Paper less the column Strict is how much of a published difference is the "
                f"protocol.{' The last column is the fixed mark.' if both.has_worst else ''}"
            )
            yield noted(pairs)


def _caption(both: Both) -> str:
    return (
        "Percent of the test graphs. Strict: right before and after the edits; the model is "
        "chosen on graphs for validation, attacks learn on graphs for training and add edges that "
        "are not there yet. Paper: right after the edits, as papers count, whether right or wrong "
        "before; the model and learned attackers are chosen on the test graphs, and an edit may "
        "do nothing. Points: the second less the first, which is what the protocol is worth."
        f"{_OF_THE_WORST if both.has_worst else ''}{_of_seeds(both)}"
    )


def _models(both: Both) -> str:
    several = len({layers for layers, _ in both.columns}) > 1
    body = []
    for layers, method in both.columns:
        strict_worst, paper_worst = both.worst((layers, method))
        for attack in both.strict.attacks:
            column = layers, method
            strict, paper = both.strictly(attack, column), both.as_published(attack, column)
            above = _less(strict, strict_worst), _less(paper, paper_worst)
            if attack == both.strict.exact:
                strict, paper, above = strict_worst, paper_worst, (None, None)
            if attack == CLEAN:
                above = None, None
            worth = both.worth(attack, column)
            marks = [each.marked(attack, *column) for each in (both.strict, both.paper)]
            body.append(
                [
                    _name(both, layers, method),
                    *([layers_text(layers)] if several else []),
                    escape(both.strict.attack_name(attack)),
                    percent(strict) + marks[0] * (strict is not None),
                    percent(paper) + marks[1] * (paper is not None),
                    _points(worth) + max(marks) * (worth is not None),
                    *([*map(_points, above)] if both.has_worst else []),
                ]
            )
    beyond = "Above the worst case"
    head = ["Method", *(["Layers"] if several else []), "Attack", "Strict", "Paper", "Points"]
    head += [f"{beyond}, strict", f"{beyond}, paper"] if both.has_worst else []
    return markdown_table(head, body, left=2 + several)


def _name(both: Both, layers: int, method: str) -> str:
    """The method, marked where its victims were not at rest under either protocol."""
    moving = both.paper if rest_mark(both.paper, layers, method) else both.strict
    return marked_name(moving, layers, method)


def _pairs(view: View, both: Both) -> str:
    """The differences that the suite names, under both protocols; empty where it names none."""
    body = []
    for left, right in view.report.rules.primary:
        for layers in both.strict.layers:
            sides = (layers, left), (layers, right)
            if not set(sides) <= set(both.columns):
                continue
            exact = _less(*(both.worst(side)[0] for side in sides))
            for attack in both.strict.attacks:
                if attack == both.strict.exact:
                    continue
                strict = _less(*(both.strictly(attack, side) for side in sides))
                paper = _less(*(both.as_published(attack, side) for side in sides))
                if strict is None and paper is None:
                    continue
                names = (both.strict.method_name(side[1]) for side in sides)
                marks = [
                    each.marked(attack, layers, left, right) + rest_mark(each, layers, left, right)
                    for each in (both.strict, both.paper)
                ]
                body.append(
                    [
                        escape(difference_name(*names)),
                        layers_text(layers),
                        escape(both.strict.attack_name(attack)),
                        _points(strict) + marks[0] * (strict is not None),
                        _points(paper) + marks[1] * (paper is not None),
                        *([_points(exact)] if both.has_worst else []),
                    ]
                )
    head = ["Difference", "Layers", "Attack", "Strict", "Paper"]
    head += ["Exact worst case, strict"] if both.has_worst else []
    return markdown_table(head, body, left=3) if body else ""


def _less(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def _points(value: float | None) -> str:
    return _NOTHING if value is None else points(value)
