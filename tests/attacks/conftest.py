"""The victim of all attacks that ask for none of their own."""

from __future__ import annotations

import pytest

from robust_augcl.adversary.victim import Victim
from robust_augcl.models.classifier import GraphClassifier


@pytest.fixture
def victim(reference_model: GraphClassifier) -> Victim:
    """With the trained weights of the reference values."""
    return Victim(reference_model)
