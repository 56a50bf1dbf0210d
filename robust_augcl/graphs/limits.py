"""How much is computed at once: one object that bounds the memory of every large computation.

Work on many graphs, edits or sets of edits is done in pieces. A limit says how large a piece may
be. Results do not depend on the limits, but for the rounding of sums, and for attacks that draw by
chance: graphs that are attacked together share one generator.

A piece holds one item at the least, so a single large graph may exceed a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """How much is computed at once. The defaults are what a computation may take by itself.

    >>> from robust_augcl.graphs.limits import Limits, limits, using
    >>> with using(Limits(portion_graphs=5)):
    ...     limits().portion_graphs
    5
    >>> limits().portion_graphs
    50

    Args:
        portion_graphs: graphs of a portion, in which attacks and certificates go through a data
            set.
        portion_pairs: pairs of nodes of the graphs of a portion: 50 graphs of 142 nodes. The
            candidates, their logits and their margins take some 300 bytes a pair.
        nodes: nodes of the graphs that a model evaluates at once. About 6 MiB a tensor of states
            of width 64; larger pieces fall out of the processor's cache and are slower.
        distances: pairs of nodes whose distances the oracle for single edits holds.
        kept_distances: pairs of nodes of the graphs that are prepared for many questions about
            single edits: 16,000 graphs of 45 nodes. They take 64 MiB, and lists of who is near up
            to twice as much. Beyond, each question prepares its graphs anew.
        edits: single edits whose summed states are held at once: 77 MB at width 64.
        entries: neighbours that the oracle for single edits looks up at once. About 3 MiB a
            tensor of integers; more falls out of the cache.
        layered_entries: the same of the oracle for known layers of modules. Each takes the states
            of a message: 25 MiB a tensor of width 64.
        pair_states: nodes of graphs, counted once for each edit, that the oracle for pairs may
            hold; 4 bytes each in each round. Beyond, copies of graphs are asked.
        tree_bytes: bytes of states and messages after single edits that the oracle for pairs may
            hold; for a moment they are held twice. Beyond, copies of graphs are asked.
        pair_rows: nodes that both edits of a pair reach, over all pairs asked about at once. Some
            12 MiB a tensor of states of width 64, if no two states were equal.
        pair_places: nodes of graphs, counted once for each pair asked about at once.
        trees: states that the oracle for pairs computes at once: 1 MiB a tensor at width 64.
        extensions: sets of edits that a search asks about at once.
        copied_nodes: nodes of the copies of graphs that a search extends at once.
        searched_states: nodes of graphs, counted once for each edit, whose pairs are searched
            together; 4 bytes each in each round.
        bound_rows: pairs of an edit and a node that a bound looks at at once; some 20 KiB each at
            width 64.
        bound_values: numbers of a tensor of directions that a bound carries back: 4 MB. Larger
            ones are slower.
        bound_costs: costs of candidates in a table in which every graph is as long as the
            longest: 240 MB. Beyond, the bound goes graph by graph.
        row_pairs: pairs of nodes whose similarities a loss of nodes holds at once: 4 MiB
            a matrix, of which there are some ten.
        embedded_graphs: graphs that an encoder embeds at once, to be scored without labels.
        listed_pairs: pairs of nodes of the graphs whose allowed edits are listed at once: 100 MiB.
        climbed_graphs: graphs whose edits an ascent of gradients weighs together.
        copied_numbers: features of the copies of one graph that is held for many targets: 1 GiB.
        ball_numbers: features of the surroundings of target nodes that are evaluated at once, if
            each were the whole graph: 256 MiB.
        asked_places: rows (an edit, and a node near the target) that the oracle for target nodes
            looks at together; some 100 bytes each.
        played_graphs: graphs on which a learned policy acts at once.
        played_nodes: nodes of these graphs.

    Raises:
        ValueError: a limit that is not positive.
    """

    portion_graphs: int = 50
    portion_pairs: int = 500_000
    nodes: int = 24_000
    distances: int = 4_000_000
    kept_distances: int = 2**25
    edits: int = 300_000
    entries: int = 400_000
    layered_entries: int = 100_000
    pair_states: int = 16_000_000
    tree_bytes: int = 2**28
    pair_rows: int = 50_000
    pair_places: int = 1_000_000
    trees: int = 4_096
    extensions: int = 200_000
    copied_nodes: int = 500_000
    searched_states: int = 1_000_000
    bound_rows: int = 20_000
    bound_values: int = 500_000
    bound_costs: int = 30_000_000
    row_pairs: int = 2**20
    embedded_graphs: int = 500
    listed_pairs: int = 2_000_000
    climbed_graphs: int = 300
    copied_numbers: int = 2**28
    ball_numbers: int = 2**26
    asked_places: int = 2_000_000
    played_graphs: int = 200
    played_nodes: int = 50_000

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(
                    f"Expected `{field.name}` to be positive, got {getattr(self, field.name)}"
                )


_limits: ContextVar[Limits] = ContextVar("limits", default=Limits())  # noqa: B039 (it is frozen)


def limits() -> Limits:
    """Return the limits that hold here."""
    return _limits.get()


@contextmanager
def using(others: Limits) -> Iterator[None]:
    """Let other limits hold in the block, in this thread alone."""
    before = _limits.set(others)
    try:
        yield
    finally:
        _limits.reset(before)
