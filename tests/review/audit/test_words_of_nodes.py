"""What checks find of nodes is told of nodes: no finding calls the targets graphs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from audited import BLACK, EXACT, LONG, RANDOM, WHITE, first, with_traits

from robust_augcl.results.findings import Finding
from robust_augcl.results.records import Outcome, Record
from robust_augcl.review.audit.all_checks import examine
from robust_augcl.review.audit.evidence import (
    DataFacts,
    Evidence,
    IterationFacts,
    LargeBudgetFacts,
    LearningFacts,
    PlantedFacts,
    Use,
    VictimFacts,
)

Make = Callable[..., Record]


def put_right(count: int) -> list[Outcome]:
    """Targets that are wrong before the edits and right after them."""
    return [Outcome(i, 0, 1, 0, -1.0, 1.0, [[0, 1]], []) for i in range(count)]


def all_is_well(record: Make, outcomes) -> list[Evidence]:
    """Evidence of which each check that looks at it says PASS."""
    exact, weak = record("exact", outcomes(first(60, 90))), record("weak", outcomes(first(50, 90)))
    white, union = (
        record("white", outcomes(first(55, 90))),
        record("union", outcomes(first(55, 90))),
    )
    wider = record(
        "weak", outcomes(first(58, 90)), budget=2, threat={**weak.threat, "budget": 2}, key="wider"
    )
    long = record("weak", outcomes(first(51, 90)), attack_settings={"type": "weak", "steps": 20})
    short = record("weak", outcomes(first(50, 90)), attack_settings={"type": "weak", "steps": 10})
    about = (weak.key,), "weak on none", 12
    return [
        with_traits(
            (exact, EXACT),
            (weak, RANDOM),
            (wider, RANDOM),
            (white, WHITE),
            (union, replace(BLACK, combines=True, of=["white"])),
            proved={white.key: {(80, None)}},
            replayed={white.key: []},
            uses={white.key: Use()},
            victims={white.victim.key: VictimFacts(12, 0.0, 0.0)},
            data={white.dataset.key: DataFacts("a graph data set", {(80, None): 30})},
            planted=[PlantedFacts(*about, fragile_broken=12)],
            large=[LargeBudgetFacts(*about, budget=10, broken=9)],
            halved=[IterationFacts(*about, what="steps", half=5, full=10)],
            learned_on=[LearningFacts(*about, what="steps", spent=100)],
        ),
        with_traits((replace(short, key="short"), LONG), (replace(long, key="long"), LONG)),
        with_traits((white, WHITE), uses={white.key: Use(selection=None)}),
    ]


def much_is_wrong(record: Make, outcomes) -> list[Evidence]:
    """Evidence of which each check that looks at it says WARN or FAIL."""
    exact, more = record("exact", outcomes(first(20, 90))), record("more", outcomes(first(60, 90)))
    little = record("little", outcomes(first(9, 90)), budget=2, key="little-2")
    union, member = record("union", outcomes(first(5, 90))), record("more", outcomes(first(60, 90)))
    half_proved = record(
        "claims",
        [replace(o, exact=o.graph < 40) for o in outcomes(first(0, 90))],
        traits=EXACT,
    )
    about = (more.key,), "more on none", 12
    rising = [Outcome(i, 0, 0, 0, 2.0, 3.0 + i / 90, [], []) for i in range(20)]
    facts = {
        "uses": {more.key: Use(3, 4)},
        "proved": {more.key: {(3, None)}},
        "replayed": {more.key: ["another prediction"]},
        "victims": {more.victim.key: VictimFacts(12, 0.1, 0.1, 3, 9)},
        "data": {more.dataset.key: DataFacts("many", {(3, None): 30}, 2, 5)},
        "planted": [PlantedFacts(*about, fragile_broken=4)],
        "large": [LargeBudgetFacts(*about, budget=10, broken=2, only_random=9)],
        "halved": [IterationFacts(*about, what="steps", half=5, full=10, only_full=5)],
        "learned_on": [LearningFacts(*about, "steps", 100, 50, 0, 12)],
    }
    return [
        with_traits((exact, EXACT), (more, WHITE), **facts),
        with_traits((record("random", outcomes(first(60, 90))), RANDOM), (exact, WHITE)),
        with_traits((record("little", outcomes(first(60, 90))), WHITE), (little, WHITE)),
        with_traits((union, replace(BLACK, combines=True, of=["more"])), (member, WHITE)),
        with_traits((record("helps", put_right(20)), BLACK)),
        with_traits((record("idle", rising), WHITE), (record("none", rising), BLACK)),
        Evidence([half_proved]),
    ]


def of_nodes(evidence: Evidence) -> Evidence:
    """The same with each graph as a node of the graph 0; what knows targets knows them so."""

    def target(known: tuple[int, int | None]) -> tuple[int, int]:
        return 0, known[0]

    return replace(
        evidence,
        records=[
            replace(
                r,
                label_rule="none",
                outcomes=[replace(o, graph=0, node=o.graph) for o in r.outcomes],
            )
            for r in evidence.records
        ],
        proved={key: {target(t) for t in proved} for key, proved in evidence.proved.items()},
        data={
            key: replace(facts, edges={target(t): n for t, n in facts.edges.items()})
            for key, facts in evidence.data.items()
        },
    )


def told(found: list[Finding]) -> str:
    """What findings say of targets: without where a node lies, and the name of a data set."""
    text = "\n".join(f"{each.check}: {each.evidence}" for each in found)
    return re.sub(r"of graph 0\b|a graph data set", "", text)


@pytest.mark.parametrize("make", [all_is_well, much_is_wrong])
def test_findings_count_nodes_where_targets_are_nodes(make, record, outcomes):
    of_graphs = [finding for each in make(record, outcomes) for finding in examine(each)]
    found = [finding for each in make(record, outcomes) for finding in examine(of_nodes(each))]
    assert [each.status for each in found] == [
        "n/a" if each.check == "the label is preserved" else each.status for each in of_graphs
    ]
    seen = {each.check for each in of_graphs if "graph" in told([each])}
    assert len(seen) >= 12, seen
    assert "graph" not in told(found)
    assert len(re.findall(r"\bnodes?\b", told(found))) >= len(seen)
    assert "node" not in told(of_graphs)
    contradicted = 2 if make is much_is_wrong else 0
    assert told(of_graphs).count("An attack broke graphs") == contradicted
    assert told(found).count("An attack broke nodes") == contradicted
