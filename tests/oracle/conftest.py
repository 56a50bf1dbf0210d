"""How much the oracle leaves to full evaluation."""

from __future__ import annotations

import pytest

from robust_augcl.oracle import single_logits
from robust_augcl.oracle.single_logits import full_logits


@pytest.fixture
def full(monkeypatch):
    """The numbers of edits that were evaluated in full."""
    seen = []

    def counting(model, questions):
        seen.append(len(questions))
        return full_logits(model, questions)

    monkeypatch.setattr(single_logits, "full_logits", counting)
    return seen
