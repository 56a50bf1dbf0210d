"""What the tests of RL-S2V hold it against: victims whose weak spot is known, loops over picks."""

import torch
from generators import seeded

from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks._edit_process import EditSpace, best_allowed
from robust_augcl.attacks._q_learning import Learner
from robust_augcl.attacks._two_step_q import TwoStepQ
from robust_augcl.attacks.rl_s2v import RLS2V
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.threat.model import ThreatModel

THREATS = {
    "add one": ThreatModel(within_component=True),
    "add two": ThreatModel(budget=2, within_component=True),
    "add or delete two": ThreatModel(budget=2, operations=("add", "delete")),
    "delete two": ThreatModel(budget=2, operations=("delete",)),
    "a fraction": ThreatModel(budget=0.2, operations=("add", "delete"), within_component=True),
    "two, existing too": ThreatModel(budget=2, within_component=True, allow_existing=True),
}


def hub_graphs(to_data, seed, count=60, length=9):
    """Paths with one more leaf at an inner node: one hub of degree 3, all others of degree 2 or
    less.
    """
    generator = seeded(seed)
    graphs = []
    for _ in range(count):
        hub = int(torch.randint(1, length - 1, (), generator=generator))
        names = torch.randperm(length + 1, generator=generator).tolist()
        edges = [*((k, k + 1) for k in range(length - 1)), (hub, length)]
        graph = to_data(length + 1, [(names[i], names[j]) for i, j in edges])
        graph.x = torch.ones(length + 1, 1)
        graphs.append(graph)
    return PackedGraphs.from_data_list(graphs)


def degree_victim(needed=1.0):
    """Says 1 when the sum over nodes of relu(degree - 3) is `needed` or more, else 0: right on
    `hub_graphs` until the hub is hit.
    """
    encoder = Structure2Vec(in_features=1, width=1, layers=1, generator=seeded(0))
    model = GraphClassifier(encoder, num_classes=2, hidden=1, generator=seeded(0))
    with torch.no_grad():
        for layer, (weight, bias) in {
            encoder.node_to_latent: (1.0, 0.0),  # states are 1 at first
            encoder.conv: (1.0, -4.0),  # then relu(degree - 4 + 1)
            model.head[0]: (1.0, 0.0),
        }.items():
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
        model.head[2].weight.copy_(torch.tensor([[0.0], [1.0]]))
        model.head[2].bias.copy_(torch.tensor([needed - 0.5, 0.0]))
    return Victim(model)


def small_victim():
    """Of random weights, for graphs of three features."""
    encoder = Structure2Vec(in_features=3, width=8, layers=2, generator=seeded(5))
    return Victim(GraphClassifier(encoder, num_classes=3, hidden=8, generator=seeded(6)))


def allowed_by_loop(graph, threat, made, picked):
    """The nodes that may be picked next in one graph."""
    pairs = {frozenset(pair) for pair in threat.candidates(graph).T.tolist()} - {
        frozenset(pair) for pair in made
    }
    if picked < 0:
        return {node for pair in pairs for node in pair}
    return {node for pair in pairs if picked in pair for node in pair} - {picked}


def walk(space, steps, generator):
    """A state after `steps` uniform picks in all graphs that have edits enough, with the edits left
    and the half.
    """
    state = space.start((space.budgets == space.max_edits).nonzero().squeeze(1))
    for step in range(steps):
        left, half = space.max_edits - step // 2, step % 2
        graphs = space.realise(state)
        keys = torch.rand(graphs.num_nodes, generator=generator)
        node = best_allowed(keys, space.allowed(state, graphs, half), graphs)[1]
        state = state.pick(node) if half == 0 else state.edit(node, left)
    return state, space.max_edits - steps // 2, steps % 2


def a_learner(graphs, victim, threat, **changes):
    attack = RLS2V(**{"width": 8, "rounds": 2, "batch_size": 6, **changes})
    space = EditSpace.of(graphs, threat)
    network = TwoStepQ(width=8, rounds=2, max_edits=space.max_edits, generator=seeded(1))
    learner = Learner(attack, network, victim.restricted(Access.QUERY), space, seeded(2))
    learner.target.load_state_dict(
        TwoStepQ(width=8, rounds=2, max_edits=space.max_edits, generator=seeded(3)).state_dict()
    )
    return learner
