"""Evaluate models that a user brings, in one call: from modules and graphs to a run's folder.

Steps are computed in processes that are forked from this one. Where that cannot be done, which is
not on Linux and beside a GPU, they are computed here, one after another. So a script needs no guard
`if __name__ == "__main__"`.

Example: a module that counts edges, and every edit of two graphs.

>>> import torch
>>> from torch_geometric.data import Data
>>> class Edges(nn.Module):
...     def forward(self, x, edge_index, batch):
...         size = int(batch.max()) + 1
...         edges = torch.bincount(batch[edge_index[0]], minlength=size).float()
...         return torch.stack([3.0 - edges, edges - 3.0], dim=1)
>>> edge, path = torch.tensor([[0, 1], [1, 0]]), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
>>> graphs = [
...     Data(x=torch.ones(3, 1), edge_index=edges, y=torch.tensor([label]))
...     for label, edges in enumerate([edge, path])
... ]
>>> threat = ThreatModel(budget=1, operations=("add", "delete"))
>>> result = evaluate(Edges(), graphs, threat=threat, attacks=["exhaustive"], workers=1)
>>> result.records[0].clean_accuracy, result.records[0].robust_accuracy
(1.0, 0.0)
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from torch import nn

from robust_augcl import foreign
from robust_augcl.adversary.attack_base import Attack
from robust_augcl.arithmetic import arithmetic_in_force
from robust_augcl.campaign.campaign import Campaign, Machines
from robust_augcl.campaign.carried import Attributes, modules_of
from robust_augcl.campaign.evaluate_arguments import check_arguments
from robust_augcl.campaign.given_graphs import DataTables, Graphs, data_tables
from robust_augcl.campaign.own_words import ARGUMENTS, suite_of
from robust_augcl.campaign.resolving import Handed, resolved
from robust_augcl.campaign.result import Result
from robust_augcl.errors import InputError, shown, unknown
from robust_augcl.graphs.edge_attributes import AddedEdge
from robust_augcl.models.adapter import Adapter
from robust_augcl.plan.step import plain
from robust_augcl.plan.suite_settings import Certificates, Suite
from robust_augcl.threat.model import ThreatModel
from robust_augcl.workers.devices import resolve_device
from robust_augcl.workers.watcher import Watcher

ATTACKS = ("rand_sampling", "grad_argmax", "prbcd", "beam", "exhaustive")
"""The attacks of `evaluate` where none are named."""
_PAIRS, _SETS = 100_000, 20_000
_SOURCE = "evaluate"
_GRAPHS = "given graphs"

Models = nn.Module | Sequence[nn.Module] | Mapping[str, nn.Module | Sequence[nn.Module]]
Attacks = Sequence[str | Attack] | Mapping[str, str | Attack]


class Options(TypedDict, total=False):
    """What else `evaluate` can be told.

    Keys:
        budgets: several budgets instead of the threat's one.
        certificates: whether to prove what no attack can break, or how. By default up to 100,000
            pairs of edits of a graph are tried, and 20,000 larger sets.
        adapter: how a module is called where its signature guesses wrong; or name -> adapter.
        name: of the run, "evaluation" by default; a folder holds runs of one name.
        data_name: what tables call the graphs.
        edge_attributes: whether models are given the attributes that edges carry. None (the
            default): where the graphs carry some and one of the models takes them.
        added_edge: what an edge carries that an edit adds: "most_common" (the default), "mean",
            "zeros", or the numbers themselves.
        workers: processes; None for one a core, as memory allows.
        device: of models: "cpu", "cuda", or "auto" (the default) for a GPU where there is one.
        archives: a folder with TUDataset/NAME.zip, instead of downloads.
        watcher: is told what happens.
    """

    budgets: Sequence[int | float]
    certificates: bool | Certificates
    adapter: Adapter | Mapping[str, Adapter] | None
    name: str
    data_name: str
    edge_attributes: bool | None
    added_edge: AddedEdge
    workers: int | None
    device: str
    archives: Path | str | None
    watcher: Watcher | None


def evaluate(
    models: Models,
    graphs: Graphs,
    *,
    threat: ThreatModel,
    attacks: Attacks = ATTACKS,
    out: Path | str | None = None,
    fit: Graphs | float | None = None,
    seeds: Sequence[int] | None = None,
    **options: Unpack[Options],
) -> Result:
    """Attack models, certify them, audit the attacks, and write the report into a folder.

    What `out` holds is not computed again, as long as weights, the source of the models' classes,
    graphs, settings and arithmetic (`robust_augcl.use_arithmetic`) are the same. An example stands
    at the top of this module.

    Args:
        models: one module; or name -> module, which are compared on the same graphs; or, in the
            place of a module, a list of trained copies of it, one a seed. They stay as they are.
        graphs: what is attacked, with labels `y` from 0: any sequence of `Data` of PyTorch
            Geometric, a data set, packed graphs; or the name of a TU data set, of which all graphs
            are attacked.
        threat: which edits are allowed, and how many.
        attacks: names of attacks (`robust-augcl list`), or attacks with settings of their own; a
            mapping gives them labels.
        out: the run's folder. None: a temporary one, which is removed with the result.
        fit: graphs that attacks may learn on, in a form like `graphs`; of a TU data set the share
            of its graphs, which then are not attacked. None: attacks that learn are left out.
        seeds: of the attacks' draws; by default one for each trained copy, or 0.
        options: see `Options`.

    Returns:
        The tables, the records and the figure of what is in the folder then.

    Raises:
        InputError: a module that cannot be evaluated, dirty graphs that cannot be mended, settings
            that contradict one another, a folder that holds something else.
    """
    for option in options:
        if option not in Options.__annotations__:
            raise unknown("argument of evaluate", option, Options.__annotations__)
    stated = {"models": models, "graphs": graphs, "attacks": attacks, "out": out, "fit": fit}
    check_arguments({**stated, "seeds": seeds, **options})
    handed = _handed(models, options.get("adapter"))
    archives = options.get("archives")
    carry = Attributes(
        options.get("edge_attributes"), options.get("added_edge"), modules_of(handed.values())
    )
    data = data_tables(graphs, fit, options.get("data_name", _GRAPHS), carry)
    table = _table(handed, data, options)
    table["threat"] = _threat(threat, options.get("budgets", ()))
    table["attacks"] = [_attack_entry(label, attack) for label, attack in _labelled(attacks)]
    table["seeds"] = list(_seeds(handed, seeds))
    table["arithmetic"] = arithmetic_in_force(resolve_device(options.get("device", "auto")))
    folder = None if archives is None else Path(archives)
    if isinstance(graphs, str):
        table = carry.in_table(table, _SOURCE, ARGUMENTS, folder)
    suite = _resolved(table, folder, handed)
    return _run(suite, out, options)


def _table(handed: Mapping[str, Handed], data: DataTables, options: Options) -> dict[str, Any]:
    """What the table of the suite says of models, graphs and certificates."""
    table = {
        "name": options.get("name", "evaluation"),
        "title": f"{', '.join(handed)} on {data.label}",
        **data.table,
        "victims": [
            {"label": label, "adapter": _settings(each.adapter)} for label, each in handed.items()
        ],
    }
    if wanted := options.get("certificates", True):
        quick = Certificates(pairs=_PAIRS, sets=_SETS)
        stated = wanted if isinstance(wanted, Certificates) else quick
        table["certificates"] = _certificates(stated)
    return table


def _run(suite: Suite, out: Path | str | None, options: Options) -> Result:
    """Compute what is missing in the folder, or in a temporary one."""
    kept = None if out is not None else tempfile.TemporaryDirectory(prefix="robust_augcl-")
    folder = Path(kept.name) / "run" if kept is not None else Path(str(out))
    archives = options.get("archives")
    machines = Machines(
        options.get("workers"),
        options.get("device", "auto"),
        None if archives is None else Path(archives),
    )
    Campaign(suite, folder, machines, lambda text: None).run(options.get("watcher"))
    return Result(folder, kept).read()


# --- models ---------------------------------------------------------------------------------------


def _handed(models: Models, adapter: Adapter | Mapping[str, Adapter] | None) -> dict[str, Handed]:
    """The models by their labels, with their adapters."""
    if not isinstance(models, Mapping):
        first = models if isinstance(models, nn.Module) else next(iter(models), None)
        models = {type(first).__name__: models}
    found = {}
    for label, each in models.items():
        copies = [each] if isinstance(each, nn.Module) else list(each)
        wrong = [copy for copy in copies if not isinstance(copy, nn.Module)]
        if not isinstance(label, str) or not copies or wrong:
            got = type(wrong[0]).__name__ if wrong else "nothing"
            raise InputError(
                f"Expected `models` to be a torch.nn.Module, or names and modules, or lists of "
                f"trained copies, got {got} for {shown(label)}"
            )
        own = adapter.get(label) if isinstance(adapter, Mapping) else adapter
        found[label] = Handed(copies, own or Adapter())
    if isinstance(adapter, Mapping) and (others := set(adapter) - set(found)):
        raise InputError(
            f"Expected `adapter` to name models ({', '.join(found)}), got {shown(sorted(others))}"
        )
    if not found:
        raise InputError("Expected `models` to hold at least one module, got none")
    return found


def _seeds(handed: Mapping[str, Handed], seeds: Sequence[int] | None) -> Sequence[int]:
    """The seeds: those that are stated, or one for each trained copy."""
    if seeds is not None:
        return seeds
    return range(max(len(each.copies) for each in handed.values()))


def _settings(adapter: Adapter) -> dict[str, Any]:
    """What is stated of an adapter."""
    default = Adapter().settings
    return {name: value for name, value in adapter.settings.items() if value != default.get(name)}


def _resolved(table: dict[str, Any], archives: Path | None, handed: dict[str, Handed]) -> Suite:
    """The suite of a table, with what is found of its models.

    Graphs may be of fewer classes than the models know.
    """
    suite = resolved(suite_of(table, _SOURCE, ARGUMENTS), archives, handed)
    if suite.source.content is None:
        return suite
    known = [copy.found["num_classes"] for each in suite.victims for copy in each.known.copies]
    dataset = {**suite.table["dataset"], "classes": max(known)}
    changed = {**suite.table, "dataset": dataset, "seeds": list(suite.seeds)}
    return suite_of(changed, _SOURCE, ARGUMENTS)


# --- settings -------------------------------------------------------------------------------------


def _threat(threat: ThreatModel, budgets: Sequence[int | float]) -> dict[str, Any]:
    if not isinstance(threat, ThreatModel):
        raise InputError(f"Expected `threat` to be a ThreatModel, got {type(threat).__name__}")
    if threat.allow_existing:
        raise InputError(
            "Expected `allow_existing` of `threat` to be False: naming an edge that is there "
            "changes nothing, got True"
        )
    if threat.poisons:
        raise InputError(
            "Expected `setting` of `threat` to be 'evasion', got 'poisoning': a given model cannot "
            "be trained again here"
        )
    rules = {name: value for name, value in threat.rules.items() if name != "allow_existing"}
    return {"budget": list(budgets) or threat.budget, **plain(rules)}


def _certificates(stated: Certificates) -> dict[str, Any]:
    names = "pairs", "evaluations", "sets", "parts"
    found: dict[str, Any] = {name: getattr(stated, name) for name in names}
    return {**found, "budgets": list(stated.budgets)} if stated.budgets else found


def _labelled(attacks: Attacks) -> list[tuple[str, str | Attack]]:
    """The attacks with their labels; empty for the one that they have by themselves."""
    if isinstance(attacks, Mapping):
        return list(attacks.items())
    if isinstance(attacks, str | Attack):
        return [("", attacks)]
    return [("", attack) for attack in attacks]


def _attack_entry(label: str, attack: str | Attack) -> dict[str, Any]:
    """An entry of `[[attacks]]` that makes this attack again."""
    own = {"label": label} if label else {}
    if isinstance(attack, str):
        return {"name": attack, **own}
    made = _checked(attack)
    stated = {
        field.name: _plain(getattr(made, field.name))
        for field in dataclasses.fields(made)
        if field.init and getattr(made, field.name) != field.default
    }
    return {"name": _name_of(type(made)), **own, **stated}


def _checked(attack: Any) -> Any:
    """An attack with its settings, as a frozen dataclass holds them."""
    if not isinstance(attack, Attack) or not hasattr(attack, "__dataclass_fields__"):
        raise InputError(
            f"Expected `attacks` to be names or attacks, got {type(attack).__name__} "
            f"{shown(attack)}"
        )
    return attack


def _plain(value: Any) -> Any:
    """Tuples as the lists of a table."""
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _name_of(made: type[Attack]) -> str:
    """The name by which a suite asks for the class of an attack that the user has in hand."""
    module = made.__module__
    if module.startswith("robust_augcl.attacks."):
        return module.rpartition(".")[2]
    return foreign.hand_over(made)
