"""The oracle for single edits of modules made of known layers (`models.layered`).

It computes only the states that an edit can change. Each edit and node that it changes is a row. A
layer is called with the rows as its target nodes, and with all that they receive from as its source
nodes: new states where the edit has changed them, old ones elsewhere. A pooled sum is the clean one
plus the differences of the rows.

Letters: G graphs, N nodes, M edits, R rows, K messages to rows, H width of a state, C classes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag
from torch_geometric.nn import GATConv, GATv2Conv, GCNConv, PNAConv
from torch_geometric.utils import scatter

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.models.known_parts import POOLS
from robust_augcl.models.layered import Layered, Step
from robust_augcl.oracle.edits import Edits
from robust_augcl.oracle.linear_layers import (
    Degrees,
    Edges,
    LinearLayer,
    column_sums,
    linear_layer,
    loop_of,
)
from robust_augcl.oracle.neighbourhoods import Neighbourhoods, Reached, parts_of


class _Received(NamedTuple):
    """What rows receive: K messages.

    Args:
        row: which row receives each, ascending (K,).
        node, edit: the neighbour that sends it, after which edit (K,), (K,).
        place: where the neighbour stands in the part's tables (K,).
    """

    row: Tensor
    node: Tensor
    edit: Tensor
    place: Tensor


class LayeredOracle:
    """Clean graphs, prepared for questions about single edits.

    Args:
        layered: the steps of a module in evaluation mode.
        graphs: the clean graphs, without target nodes and edge attributes.
    """

    def __init__(self, layered: Layered, graphs: PackedGraphs) -> None:
        self.layered, self.graphs = layered, graphs
        self.linear = self._pooled_at_once()
        """The layers whose states are not needed, since they are linear and pooled at once."""
        self.around = Neighbourhoods(graphs, self_loops=False, reach=self._furthest())
        self.clean: Mapping[int, Any] = layered.run(graphs)
        """The value of each step, of the clean graphs."""
        self._columns: dict[int, Tensor] = {}

    def _pooled_at_once(self) -> dict[int, LinearLayer]:
        steps, found = self.layered.steps, {}
        for number, step in enumerate(steps):
            users = [each for each in steps if number in each.inputs]
            linear = None
            if step.kind == "layer" and users and all(self.kind(user) != "max" for user in users):
                linear = linear_layer(self.layered.module.get_submodule(step.target))
            if linear is not None:
                found[number] = linear
        return found

    def kind(self, step: Step) -> str:
        """How a step pools; "max" also if it does not, as then states are needed."""
        if step.kind != "pool":
            return "max"
        part = self.layered.part(step)
        return POOLS[type(part) if isinstance(part, nn.Module) else part]

    def needed_reach(self, number: int) -> int:
        """How far from the ends of an edit the states matter that a linear layer is given."""
        states = self.layered.steps[number].inputs[0]
        return max(self.layered.steps[states].reach, self.linear[number].reach)

    def _furthest(self) -> int:
        steps = enumerate(self.layered.steps)
        rows = [step.reach for number, step in steps if number not in self.linear]
        return max([0, *rows, *map(self.needed_reach, self.linear)])

    def clean_columns(self, number: int, dtype: torch.dtype) -> Tensor:
        """`column_sums` of a linear layer in the clean graphs (N,)."""
        if number not in self._columns:
            nodes, around = (
                torch.arange(self.graphs.num_nodes, device=self.graphs.device),
                self.around,
            )
            row = torch.repeat_interleave(nodes, around.count)
            edges = Edges(row, around.all_neighbours, None)
            degrees = Degrees(self.graphs.degree, None)
            self._columns[number] = column_sums(
                self.linear[number], degrees, edges, nodes, None, dtype
            )
        return self._columns[number]

    def clean_logits(self) -> Tensor:
        """Logits of the clean graphs (G, C)."""
        return self._logits(self.clean)

    def logits(self, edits: Edits) -> Tensor:
        """Logits after each edit alone (M, C)."""
        pieces = [
            self._logits(_Part(self, part).run())
            for part in parts_of(edits, self.graphs, self.around, limits().layered_entries)
        ]
        return torch.cat(pieces) if pieces else self.clean_logits()[:0]

    def _logits(self, values: Mapping[int, Any]) -> Tensor:
        layered = self.layered
        return layered.logits(values[layered.answer], self.graphs.x.dtype)


class _Part:
    """Some edits, one at least, whose changed states are held at once."""

    def __init__(self, oracle: LayeredOracle, edits: Edits) -> None:
        self._oracle, self._edits = oracle, edits
        self._layered, self._graphs, self._clean = oracle.layered, oracle.graphs, oracle.clean
        graphs = self._graphs
        self._low = int(graphs.ptr[edits.graph[0]])
        self._high = int(graphs.ptr[edits.graph[-1] + 1])
        size, first = graphs.sizes[edits.graph], graphs.ptr[edits.graph]
        # In each table, node v after edit m stands at shift[m] + v. Its entry is a clean node of
        # these graphs, or a row, counted after them.
        self._size, self._shift = size, size.cumsum(0) - size - first
        self._unchanged = ranges(first - self._low, size)
        self._rows: dict[int, Reached] = {}
        self._tables: dict[int, Tensor] = {-1: self._unchanged}
        self._changed: dict[int, Any] = {}
        self._degrees = Degrees(graphs.degree, edits)

    def run(self) -> Mapping[int, Any]:
        """The values of all steps that the edits change: of rows, or of graphs after each edit."""
        for number, step in enumerate(self._layered.steps):
            if number in self._oracle.linear:
                continue
            if step.kind == "layer":
                self._changed[number] = self._layer(step)
            elif step.kind == "pool":
                self._changed[number] = self._pool(number, step)
            elif step.kind == "rows" and (step.level == "graphs" or step.reach >= 0):
                values = {each: self._at(each, step.reach) for each in step.inputs}
                self._changed[number] = self._layered.call(number, values)
        return self._changed

    # --- rows -------------------------------------------------------------------------------------

    def _reached(self, reach: int) -> Reached:
        """The rows of nodes up to so many hops from the ends of the edits."""
        if reach not in self._rows:
            self._rows[reach] = self._oracle.around.reached(self._edits, reach)
        return self._rows[reach]

    def _table(self, reach: int) -> Tensor:
        """Where the states of this reach stand: see `_states`."""
        if reach not in self._tables:
            node, edit, _ = self._reached(reach)
            rows = torch.arange(node.numel(), device=node.device) + (self._high - self._low)
            place = node + take(self._shift, edit)
            self._tables[reach] = self._unchanged.scatter(0, place, rows)
        return self._tables[reach]

    def _states(self, number: int) -> Any:
        """The values of a step of nodes: of the clean nodes of these graphs, then of its rows."""
        clean = self._clean[number][self._low : self._high]
        if self._layered.steps[number].reach < 0:
            return clean
        return torch.cat([clean, self._changed[number]])

    def _at(self, number: int, reach: int) -> Any:
        """The value of an earlier step where a step of this reach needs it."""
        earlier = self._layered.steps[number]
        if earlier.level == "constant":
            return self._clean[number]
        if earlier.level == "graphs":
            return self._changed[number]
        if earlier.reach == reach:
            return self._changed[number]
        node, edit, _ = self._reached(reach)
        if earlier.reach < 0:
            return take(self._clean[number], node)
        place = node + take(self._shift, edit)
        return take(self._states(number), take(self._table(earlier.reach), place))

    # --- pools ------------------------------------------------------------------------------------

    def _pool(self, number: int, step: Step) -> Tensor:
        """The states of the graphs after each edit (M, H)."""
        states, graph = step.inputs[0], self._edits.graph
        reach = self._layered.steps[states].reach
        if reach < 0:
            return take(self._clean[number], graph)
        kind = self._oracle.kind(step)
        if states in self._oracle.linear:
            change = self._change_of_sums(states)
            if kind == "mean":
                change = change / self._size.unsqueeze(1)
            return take(self._clean[number], graph) + change
        if kind == "max":
            everything = take(self._states(states), self._table(reach))
            edit = torch.repeat_interleave(
                torch.arange(len(self._edits), device=graph.device), self._size
            )
            return scatter(everything, edit, dim=0, dim_size=len(self._edits), reduce="max")
        node, edit, _ = self._reached(reach)
        difference = self._changed[states] - take(self._clean[states], node)
        if kind == "mean":
            difference = difference / take(self._size, edit).unsqueeze(1)
        return take(self._clean[number], graph).index_add(0, edit, difference)

    def _change_of_sums(self, number: int) -> Tensor:
        """What edits add to the sums over the nodes of a linear layer's states (M, H)."""
        linear, states = self._oracle.linear[number], self._layered.steps[number].inputs[0]
        reach = self._oracle.needed_reach(number)
        node, edit, _ = self._reached(reach)
        new, old = self._at(states, reach), take(self._clean[states], node)
        received = self._received(reach)
        after = column_sums(linear, self._degrees, Edges(*received[:3]), node, edit, old.dtype)
        before = take(self._oracle.clean_columns(number, old.dtype), node)
        total = old.new_zeros(len(self._edits), old.size(1))
        change = new * after.unsqueeze(1) - old * before.unsqueeze(1)
        out = linear.of_neighbours(total.index_add(0, edit, change))
        if linear.of_self is not None:
            out = out + linear.of_self(total.index_add(0, edit, new - old))
        return out

    # --- layers -----------------------------------------------------------------------------------

    def _layer(self, step: Step) -> Tensor:
        """The states of the rows after a layer (R, H)."""
        layer = self._layered.part(step)
        states = step.inputs[0]
        node, edit, _ = self._reached(step.reach)
        received = self._received(step.reach)
        table = self._table(self._layered.steps[states].reach)
        sources = self._states(states)
        own = take(table, node + take(self._shift, edit))
        sent = take(table, received.place)
        row = received.row
        if isinstance(layer, GCNConv):
            return self._gcn(layer, sources, own, sent, received, step.reach)
        if isinstance(layer, GATConv | GATv2Conv) and layer.add_self_loops:
            layer = copy.copy(layer)
            layer.add_self_loops = False
            rows = torch.arange(node.numel(), device=node.device)
            sent, row = torch.cat([sent, own]), torch.cat([row, rows])
        given, edges = (sources, take(sources, own)), torch.stack([sent, row])
        out: Tensor = (
            _pna(layer, *given, edges) if isinstance(layer, PNAConv) else layer(given, edges)
        )
        return out

    def _received(self, reach: int) -> _Received:
        """What the rows of a reach receive in their edited graphs."""
        edits, around = self._edits, self._oracle.around
        node, edit, _ = self._reached(reach)
        adds, across = torch.cat([edits.adds, edits.adds]), torch.cat([edits.j, edits.i])
        more = torch.zeros_like(node)
        more[: adds.numel()] = adds.long()
        count, neighbour = around.neighbours(node, more)
        first = (count.cumsum(0) - count)[: adds.numel()]
        neighbour[first[adds] + count[: adds.numel()][adds] - 1] = across[adds]
        row = torch.repeat_interleave(
            torch.arange(node.numel(), device=node.device), count, output_size=neighbour.numel()
        )
        if not bool(adds.all()):
            gone = first[~adds] + around.place_among(node[: adds.numel()][~adds], across[~adds])
            kept = torch.ones_like(row, dtype=torch.bool).index_fill_(0, gone, value=False)
            row, neighbour = row[kept], neighbour[kept]
        after = take(edit, row)
        return _Received(row, neighbour, after, neighbour + take(self._shift, after))

    def _gcn(
        self,
        layer: GCNConv,
        sources: Tensor,
        own: Tensor,
        sent: Tensor,
        received: _Received,
        reach: int,
    ) -> Tensor:
        """A `GCNConv`, which cannot tell source nodes from target nodes by itself."""
        node, edit, _ = self._reached(reach)
        states = layer.lin(sources)
        weight = None
        loops: float | Tensor = 0.0
        if layer.normalize:
            norms, loop = self._degrees, loop_of(layer)
            of_rows = norms.norm(node, edit, loop, sources.dtype)
            weight = norms.norm(received.node, received.edit, loop, sources.dtype)
            weight = weight * take(of_rows, received.row)
            loops = take(states, own) * (loop * of_rows.square()).unsqueeze(1)
        count = torch.bincount(received.row, minlength=node.numel())
        out = embedding_bag(
            sent, states, count.cumsum(0) - count, mode="sum", per_sample_weights=weight
        )
        out = out + loops
        return out if layer.bias is None else out + layer.bias


def _pna(layer: PNAConv, sources: Tensor, targets: Tensor, edges: Tensor) -> Tensor:
    """The `forward` of a `PNAConv`, which takes one kind of nodes alone (R, H)."""
    towers = (-1, layer.towers, layer.F_in)
    sent, own = (
        states.view(towers)
        if layer.divide_input
        else states.unsqueeze(1).expand(-1, layer.towers, -1)
        for states in (sources, targets)
    )
    received = layer.propagate(edges, x=(sent, own), edge_attr=None)
    both = torch.cat([own, received], dim=-1)
    each = [post(both[:, tower]) for tower, post in enumerate(layer.post_nns)]
    out: Tensor = layer.lin(torch.cat(each, dim=1))
    return out
