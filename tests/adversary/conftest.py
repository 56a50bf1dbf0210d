"""Victims of three encoders, and graphs of three features, in double precision."""

from __future__ import annotations

import pytest
from victims import double, new_model

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using


@pytest.fixture(params=[Structure2Vec, GIN, GCN])
def victim(request):
    return Victim(new_model(request.param))


@pytest.fixture
def graphs(random_graphs):
    return double(random_graphs(3, [5, 2, 8, 6]))


@pytest.fixture(params=[Limits(), Limits(nodes=9, distances=50, edits=7, entries=60)])
def _chunk(request):
    """Everything in one piece, or a few graphs at a time."""
    with using(request.param):
        yield
