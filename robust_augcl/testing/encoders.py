"""The contract of encoders."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.encoder_base import Encoder, LocalEncoder
from robust_augcl.testing import bench
from robust_augcl.testing.embedded import (
    LAYERS,
    graphs_to_embed,
    layer_by_layer,
    new,
    require_close,
    states,
    trained,
)
from robust_augcl.testing.rules import Contract, broken, require
from robust_augcl.testing.settings import check_revision, same_by_chance_passed_in, seeded

CONTRACT = Contract()


def check_encoder(encoder: type[Encoder], *, skip: Iterable[str] = ()) -> None:
    """Check that an encoder's class keeps its contract. The rules are `ENCODER_RULES`.

    Args:
        encoder: the class.
        skip: the names of rules that are not checked.

    Raises:
        ContractBroken: the first rule that is broken, with what was seen and what to do.

    >>> from robust_augcl import registry
    >>> check_encoder(registry.load("encoder", "gin"))
    """
    CONTRACT.hold(encoder, skip)


# --- the rules ------------------------------------------------------------------------------------


@CONTRACT.rule(
    "base",
    "An encoder is a class derived from Encoder or LocalEncoder that defines what they ask for.",
    "See robust_augcl.models.encoder_base.",
)
def _base(made: Any) -> None:
    require(isinstance(made, type) and issubclass(made, Encoder), "it is no class of encoders")
    require(not inspect.isabstract(made), f"it does not define {_missing(made)}")


def _missing(made: type[Any]) -> str:
    return ", ".join(sorted(getattr(made, "__abstractmethods__", ())))


@CONTRACT.rule(
    "revision",
    "`revision` is a whole number of at least 1, that is raised when the code computes something "
    "else.",
    "Set `revision: ClassVar[int] = 1`.",
)
def _revision(made: type[Encoder]) -> None:
    check_revision(made)


@CONTRACT.rule(
    "shapes",
    "An encoder returns node states (N, D) and graph states (B, D), where D is `embedding_size`, "
    "for any width and number of layers.",
    "See Encoder.forward.",
)
def _shapes(made: type[Encoder]) -> None:
    graphs = graphs_to_embed()
    for layers in (1, LAYERS):
        encoder = new(made, layers=layers).double().eval()
        nodes, whole = states(encoder, graphs)
        size = encoder.embedding_size
        require(nodes.shape == (graphs.num_nodes, size), f"node states are {tuple(nodes.shape)}")
        require(whole.shape == (graphs.num_graphs, size), f"graph states are {tuple(whole.shape)}")
        require(float(whole.detach().std()) > 0, "graphs of all kinds have equal states")


@CONTRACT.rule(
    "chance",
    "Initial weights are finite and come from the generator that is passed in, and from nothing "
    "else.",
    "Build layers with robust_augcl.models.layers, or draw each weight with `generator`.",
)
def _chance(made: type[Encoder]) -> None:
    def weights(generator: torch.Generator) -> dict[str, Tensor]:
        return made(
            in_features=bench.FEATURES, width=8, layers=LAYERS, generator=generator
        ).state_dict()

    def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
        return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)

    same_by_chance_passed_in(weights, equal, "weights")
    first, other = weights(seeded(5)), weights(seeded(6))
    require(all(bool(v.isfinite().all()) for v in first.values()), "weights are not finite")
    require(not first or not equal(first, other), "another generator gives the same weights")


@CONTRACT.rule(
    "kept",
    "Its weights are all that an encoder knows: they can be stored and loaded, and it can be "
    "copied and pickled.",
    "Register tensors as parameters or buffers.",
)
def _kept(made: type[Encoder]) -> None:
    graphs, encoder, other = graphs_to_embed(), trained(made), new(made, seed=9).double().eval()
    other.load_state_dict(encoder.state_dict())
    expected = states(encoder, graphs)
    require_close(states(other, graphs), expected, "states after loading the weights")
    for again in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        require_close(states(again, graphs), expected, "states of a copy")


@CONTRACT.rule(
    "order",
    "Numbering nodes and edges in another order changes nothing.",
    "Sum, or average, over neighbours and nodes.",
)
def _order(made: type[Encoder]) -> None:
    encoder, graphs, chance = trained(made), graphs_to_embed(), seeded(1)
    blocks = zip(graphs.ptr[:-1].tolist(), graphs.sizes.tolist(), strict=True)
    order = torch.cat([first + torch.randperm(size, generator=chance) for first, size in blocks])
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    shuffled = torch.randperm(graphs.edge_index.size(1), generator=chance)
    edges = place[graphs.edge_index[:, shuffled]]
    moved = states(encoder, PackedGraphs(graphs.x[order], edges, graphs.ptr, graphs.y))
    nodes, whole = states(encoder, graphs)
    require_close(moved, (nodes[order], whole), "states in another order")


@CONTRACT.rule(
    "one by one",
    "In evaluation mode a batch equals its graphs one by one.",
    "Let no statistics of a batch enter in evaluation mode.",
)
def _one_by_one(made: type[Encoder]) -> None:
    encoder, graphs = trained(made), graphs_to_embed()
    alone = [
        states(encoder, graphs.select(torch.tensor([number])))
        for number in range(graphs.num_graphs)
    ]
    single = torch.cat([pair[0] for pair in alone]), torch.cat([pair[1] for pair in alone])
    require_close(states(encoder, graphs), single, "states in a batch and alone")


@CONTRACT.rule(
    "weight 1",
    "An edge of weight 1 equals one without a weight.",
    "Multiply each message by the weight of its edge.",
)
def _weight_1(made: type[Encoder]) -> None:
    encoder, graphs = trained(made), graphs_to_embed()
    ones = torch.ones(graphs.edge_index.size(1), dtype=torch.float64)
    require_close(states(encoder, graphs, ones), states(encoder, graphs), "states with weights 1")


@CONTRACT.rule(
    "weight 0",
    "An edge of weight 0 equals none, and edges matter.",
    "Multiply each message by the weight of its edge, and take degrees from the weights.",
)
def _weight_0(made: type[Encoder]) -> None:
    encoder, graphs = trained(made), graphs_to_embed()
    gone = torch.rand(graphs.edge_index.size(1), generator=seeded(2)) < 0.4
    without = PackedGraphs(graphs.x, graphs.edge_index[:, ~gone], graphs.ptr, graphs.y)
    weighted = states(encoder, graphs, (~gone).double())
    require_close(weighted, states(encoder, without), "states with weights 0, and without edges,")
    require(not torch.allclose(states(encoder, graphs)[1], weighted[1]), "edges change nothing")


@CONTRACT.rule(
    "gradients",
    "Every edge weight has a finite gradient, and most are not 0.",
    "Let weights enter by operations that PyTorch differentiates.",
)
def _gradients(made: type[Encoder]) -> None:
    encoder, graphs = trained(made), graphs_to_embed()
    weight = torch.ones(graphs.edge_index.size(1), dtype=torch.float64, requires_grad=True)
    total = states(encoder, graphs, weight)[1].square().sum()
    (gradient,) = torch.autograd.grad(total, weight, allow_unused=True)
    require(gradient is not None, "edge weights have no gradient")
    require(bool(gradient.isfinite().all()), "gradients of edge weights are not finite")
    share = float((gradient != 0).double().mean())
    require(share > 0.5, f"only {share:.0%} of the edge weights have a gradient that is not 0")


@CONTRACT.rule(
    "rounds",
    "`first_states`, `round` and `pool`, called one by one, give what `forward` gives.",
    "Leave `forward` as it is, or let it call these.",
)
def _rounds(made: type[Encoder]) -> None:
    encoder, graphs = trained(made), graphs_to_embed()
    after = layer_by_layer(encoder, graphs)[1:]
    pooled = encoder.pool(after, graphs.batch, graphs.num_graphs)
    require_close(pooled, states(encoder, graphs), "states round by round")


@CONTRACT.rule(
    "sorted edges",
    "Edges that are known to be sorted and undirected give the same states and gradients.",
    "Take `edge_index` as a tensor, or as PyTorch Geometric's EdgeIndex.",
)
def _sorted_edges(made: type[Encoder]) -> None:
    encoder, graphs = trained(made), graphs_to_embed()

    def outcome(edges: Tensor) -> list[Tensor]:
        x = graphs.x.double().requires_grad_()
        made_of = encoder(x, edges, graphs.batch, graphs.num_graphs)
        found = torch.cat([part.flatten() for part in made_of])
        scale = torch.linspace(-1, 1, len(found), dtype=found.dtype)  # so that states differ
        wanted = [x, *encoder.parameters()]
        gradients = torch.autograd.grad((found * scale).sum(), wanted, allow_unused=True)
        return [found, *(g for g in gradients if g is not None)]

    require_close(outcome(graphs.edges), outcome(graphs.edge_index), "states and gradients")


@CONTRACT.rule(
    "embed",
    "`embed` gives the graph states; `embed_unfolded` gives them too, or None.",
    "Leave `embed` as it is.",
)
def _embed(made: type[Encoder]) -> None:
    encoder, graphs = new(made).eval(), graphs_to_embed()
    whole = encoder(graphs.x, graphs.edge_index, graphs.batch, graphs.num_graphs)[1]
    if not torch.allclose(encoder.embed(graphs), whole, rtol=1e-5, atol=1e-6):
        broken("`embed` and `forward` differ")


@CONTRACT.rule(
    "bare graphs",
    "Graphs without edges, of a single node, and batches of one have finite states, in training "
    "mode too.",
    "Divide by nothing that may be 0; use robust_augcl.models.layers.BatchNorm.",
)
def _bare_graphs(made: type[Encoder]) -> None:
    bare, alone = bench.graph(3, []), bench.graph(1, [])
    for given in ([bare], [alone], [bare, alone, bench.graph(2, [(0, 1)])]):
        graphs = PackedGraphs.from_data_list(given)
        for encoder in (trained(made), new(made).double().train()):
            for found in states(encoder, graphs):
                require(bool(found.isfinite().all()), "graphs without edges have no finite states")


@CONTRACT.rule(
    "reach",
    "In round l an edited edge changes the states of nodes up to l - 1 hops from its ends, and "
    "`hops_before_first_round` more.",
    "Set `hops_before_first_round` to 1 where messages depend on degrees.",
)
def _reach(made: type[Encoder]) -> None:
    encoder, size = trained(made), 24
    path = [(node, node + 1) for node in range(size - 1)]
    for pair in ((9, 13), (11, 12)):  # one is added, the other taken away
        clean = PackedGraphs.from_data_list([bench.graph(size, path, seed=3)])
        edited = clean.flip(torch.tensor([0]), torch.tensor(pair).unsqueeze(1))
        ends = torch.tensor(pair)
        # From the nearer end, along the path, before the edit and after it.
        distance = (torch.arange(size).unsqueeze(1) - ends).abs().min(1).values
        both = zip(layer_by_layer(encoder, clean), layer_by_layer(encoder, edited), strict=True)
        for number, (before, after) in enumerate(both):
            changed = (before - after).abs().amax(1) > 1e-12
            most = number - 1 + encoder.hops_before_first_round if number else -1
            far = changed & (distance > most)
            if bool(far.any()):
                node = int(far.nonzero()[0])
                broken(
                    f"the edit of {pair} changes node {node} in round {number}, "
                    f"{int(distance[node])} hops away"
                )


@CONTRACT.rule(
    "local",
    "A LocalEncoder is the sum of its messages: `message`, `update` and `readout` agree with "
    "`forward`.",
    "See LocalEncoder, or derive from Encoder: then graphs are evaluated in full.",
)
def _local(made: type[Encoder]) -> None:
    if not issubclass(made, LocalEncoder):
        return
    encoder, graphs = trained(made), graphs_to_embed()
    if not isinstance(encoder, LocalEncoder):
        return
    x, (source, target) = graphs.x.double(), graphs.edge_index
    degree = torch.bincount(target, minlength=graphs.num_nodes).double()
    found = [encoder.first_states(x)]
    for index, expected in enumerate(layer_by_layer(encoder, graphs)[1:]):
        sent = encoder.message(index, found[-1], degree)
        rows = [
            sent[source[target == node]].sum(0) + int(encoder.self_loops) * sent[node]
            for node in range(graphs.num_nodes)
        ]
        found.append(encoder.update(index, torch.stack(rows), x, degree))
        require_close([found[-1]], [expected], f"states of round {index + 1} from messages")
    summed = torch.cat([found[number] for number in encoder.summed_rounds], dim=1)
    sums = [summed[graphs.batch == number].sum(0) for number in range(graphs.num_graphs)]
    read = encoder.readout(torch.stack(sums))
    require_close([read], [states(encoder, graphs)[1]], "graph states from messages")


ENCODER_RULES = tuple(CONTRACT.rules)
"""The rules of encoders; each is called with a class."""
