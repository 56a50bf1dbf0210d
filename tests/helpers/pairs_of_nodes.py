"""Pairs of nodes and sets of edges, written by hand."""

from __future__ import annotations

import torch

OPERATIONS = [("add",), ("delete",), ("add", "delete"), ("delete", "add")]


def pairs_of(*edges):
    return torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T


def edge_set(graph):
    return {frozenset(edge) for edge in graph.edges}
