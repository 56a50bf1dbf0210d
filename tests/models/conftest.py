"""Graphs that classifiers are trained on."""

from __future__ import annotations

import pytest


@pytest.fixture
def parts(random_graphs):
    """Graphs for training and for choosing, with classes that cannot be learnt, so that the loss
    goes up again.
    """
    return random_graphs(0, [6] * 24), random_graphs(1, [6] * 15)
