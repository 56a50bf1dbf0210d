"""The columns that rows of results have at least."""

from __future__ import annotations

COLUMNS = [
    *("suite", "dataset", "method", "encoder", "layers"),
    *("seed", "attack", "protocol", "budget", "n_graphs"),
    *("clean_accuracy", "attacked_accuracy", "robust_accuracy", "robust_accuracy_by_class"),
    *("pretrain_seconds", "seconds"),
]
