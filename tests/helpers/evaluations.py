"""`evaluate` as the tests of its promises call it."""

from __future__ import annotations

from given_models import graphs

import robust_augcl as ra

ONE = ra.ThreatModel(budget=1, operations=("add", "delete"))


def evaluated(module, data=None, attacks=("exhaustive",), **others):
    return ra.evaluate(
        module,
        graphs() if data is None else data,
        threat=ONE,
        attacks=attacks,
        workers=1,
        device="cpu",
        **others,
    )
