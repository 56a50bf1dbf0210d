"""Outcomes: what an attack did to one target, as records hold it."""

from __future__ import annotations

from dataclasses import dataclass

from robust_augcl.results import strict

Target = tuple[int, int | None]
"""What is attacked: a graph's number in the data set, and the node in it; None: the whole graph."""


@dataclass(frozen=True)
class Outcome:
    """One attacked target: a graph, or a node in a graph.

    Args:
        graph: the graph's number in the data set.
        label: its true class.
        clean, attacked: the victim's predictions before and after the edits.
        clean_margin, attacked_margin: the true class's logit less the best other one.
        added, removed: the edits, pairs of nodes.
        node: the target's number in its graph; None where the target is the graph as a whole.
        exact: proved to be the worst case: these edits break the target, or it is wrong when
            clean, or no allowed edits break it. Only proved where the attack claims to be exact.

    Example:
        >>> outcome = Outcome(7, 1, 1, 0, 0.8, -0.2, added=[[2, 5]], removed=[])
        >>> outcome.broken, outcome.robust, outcome.target
        (True, False, (7, None))
    """

    __pydantic_config__ = strict.STRICT

    graph: strict.Index
    label: strict.Index
    clean: strict.Index
    attacked: strict.Index
    clean_margin: strict.Margin
    attacked_margin: strict.Margin
    added: list[strict.Pair]
    removed: list[strict.Pair]
    node: strict.Index | None = None
    exact: bool = False

    @property
    def target(self) -> Target:
        """What was attacked: the graph, and the node in it where the target is a node."""
        return self.graph, self.node

    @property
    def clean_right(self) -> bool:
        return self.clean == self.label

    @property
    def attacked_right(self) -> bool:
        return self.attacked == self.label

    @property
    def robust(self) -> bool:
        """Right when clean and right when attacked."""
        return self.clean_right and self.attacked_right

    @property
    def broken(self) -> bool:
        """Right when clean and wrong when attacked."""
        return self.clean_right and not self.attacked_right


@dataclass(frozen=True)
class SharedEdits:
    """The edits of one graph by which all of its targets are attacked: pairs of nodes."""

    __pydantic_config__ = strict.STRICT

    added: list[strict.Pair]
    removed: list[strict.Pair]
