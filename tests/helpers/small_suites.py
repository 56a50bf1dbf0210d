"""Suites of very small cells, as the text of their files."""

from __future__ import annotations

_COMPONENTS = """
[dataset]
source = "components"
nodes = [15, 20]
graphs_per_class = 30
[split]
test = 0.2
validation = 0.2
"""
_ENCODER = """
[encoder]
name = "structure2vec"
width = 8
layers = [2]
"""
_BRIEFLY = f"""
{_ENCODER}
[pretraining]
warm_up_epochs = 1
continued_epochs = 1
batch_size = 32
[training]
epochs = 3
[threat]
within_component = true
"""
_MEASURED = """
[certificates]
[representations]
folds = 3
c = [1.0]
"""
_WELL = """
[training]
epochs = 20
learning_rate = 0.01
"""

TINY = f"""
name = "tiny"
title = "Very small cells"
{_COMPONENTS}
[encoder]
name = "structure2vec"
width = 16
layers = [2]
[pretraining]
warm_up_epochs = 2
continued_epochs = 2
batch_size = 32
positive_in_denominator = false
[training]
epochs = 5
[threat]
within_component = true
[[methods]]
name = "none"
[[methods]]
name = "graphcl"
[[methods]]
name = "augcl"
passes = 2
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "grad_argmax"
[[attacks]]
name = "rl_s2v"
steps = 20
burn_in = 2
width = 8
[[attacks]]
name = "exhaustive"
"""
"""Three methods and four attacks: 12 results and 22 steps a seed."""

PAIR = TINY.replace('[[methods]]\nname = "augcl"\npasses = 2\n', "")
"""Two of the three methods, so a pair of victims: 8 results."""

MEASURED = f"""
name = "measured"
{_COMPONENTS}
{_BRIEFLY}
budget = [1, 2]
{_MEASURED}
[[methods]]
name = "none"
[[methods]]
name = "graphcl"
[[attacks]]
name = "rand_sampling"
"""
"""Everything that is measured beside the attacks, of two methods."""

EVERYTHING = f"""
name = "everything"
{_COMPONENTS.replace("graphs_per_class = 30", "graphs_per_class = 20")}
{_BRIEFLY}
{_MEASURED}
[[methods]]
name = "graphcl"
[[methods]]
name = "augcl"
passes = 2
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "grad_argmax"
[[attacks]]
name = "rl_s2v"
steps = 8
burn_in = 2
width = 8
"""
"""One of each kind of step, of two methods: 6 records, 2 certificates, 2 representations."""

PROVED = f"""
name = "proved"
{_COMPONENTS}
{_ENCODER}
[pretraining]
{_WELL}
[threat]
within_component = true
budget = [1, 2, 3]
[certificates]
[[methods]]
name = "none"
[[attacks]]
name = "rand_sampling"
"""
"""One victim, certified against one, two and three edits."""

IN_PARTS = f"""
name = "in-parts"
{_COMPONENTS}
[encoder]
name = "structure2vec"
width = 8
[training]
epochs = 3
[threat]
within_component = true
budget = [1, 2]
[certificates]
parts = 3
[[methods]]
name = "none"
[[attacks]]
name = "rand_sampling"
"""
"""One victim, whose certificate against two edits is computed in three parts."""

ONE_ATTACK = """
name = "one-attack"
[dataset]
source = "components"
nodes = [15, 20]
graphs_per_class = 10
[split]
test = 0.3
validation = 0.3
[encoder]
name = "structure2vec"
width = 8
[training]
epochs = 2
[threat]
within_component = true
[[methods]]
name = "none"
[[attacks]]
name = "{attack}"
"""
"""One attack on one victim; to be formatted with the attack's name or address."""

COMBINING = """
name = "combining"
[dataset]
source = "components"
[encoder]
name = "structure2vec"
[threat]
within_component = true
[[methods]]
name = "none"
[[attacks]]
name = "worst_case"
{of}
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "grad_argmax"
label = "ga"
[[attacks]]
name = "exhaustive"
"""
"""An attack that combines others; to be formatted with a line that names them, or with none."""

SEARCHED = f"""
name = "searched"
{_COMPONENTS}
{_ENCODER}
{_WELL}
[threat]
within_component = true
budget = [1, 2]
{{certificates}}
[[methods]]
name = "none"
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "exhaustive"
{{more}}
"""
"""One victim, searched exhaustively for one edit and for two; to be formatted with a line for
certificates and with more attacks.
"""

FORGED = f"""
name = "forged"
{_COMPONENTS}
[encoder]
name = "structure2vec"
width = 4
layers = [2]
[pretraining]
warm_up_epochs = 1
continued_epochs = 1
batch_size = 16
positive_in_denominator = false
[training]
epochs = 2
[threat]
within_component = true
{_MEASURED}
[[methods]]
name = "augcl"
passes = 1
[[attacks]]
name = "rl_s2v"
steps = 12
burn_in = 2
width = 4
[[attacks]]
name = "exhaustive"
"""
"""One victim, and every kind of file: an attacker, certificates, measurements."""

MOLECULES = """
[split]
test = 0.3
validation = 0.2
[encoder]
name = "gin"
width = 4
layers = [2]
[pretraining]
warm_up_epochs = 1
continued_epochs = 1
"""
"""Tables for a few graphs with features; [pretraining] is still open."""

ONE_CELL = {
    "name": "one-cell",
    "dataset": {"source": "components", "nodes": [15, 20], "graphs_per_class": 10},
    "split": {"test": 0.3, "validation": 0.3},
    "encoder": {"name": "structure2vec", "width": 8},
    "training": {"epochs": 2},
    "threat": {"within_component": True},
    "methods": [{"name": "none"}],
    "attacks": [{"name": "rand_sampling"}],
}
"""One record, as the table of a suite."""
