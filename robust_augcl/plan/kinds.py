"""The table of step kinds: everything that tells one kind of step from another stands here.

A new kind is one entry of `KINDS`, and the function that computes it. Planning, running, storing,
displaying, cleaning and replaying ask the table and know no kind by its name.

Functions stand here as references, "package.module:function". So this module computes nothing and
imports nothing heavy, though it belongs to a floor below the functions.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from robust_augcl.errors import unknown
from robust_augcl.revisions import Revision


@dataclass(frozen=True)
class StepKind:
    """What is said of one kind of step.

    Args:
        title: what people call it.
        revision: of the core's code for it. It is raised when that code computes something else
            (see revisions.py), and stands in the addresses of results.
        priority: of all steps that can run, those of the lowest number run first.
        compute: a reference to the function that computes it, from the step, the results of its
            inputs and a `steps.context.Context`. It returns an artifact or a record.
        holds: what its result holds, in words.
        stores: whether its result is an artifact (tensors and JSON) or a record (JSON lines).
        wanted: whether it is asked for by itself. A kind that is not comes with what needs it.
        kept: whether `clean --all` keeps its result; if not, the result is needed only until all
            other results are there.
        is_part: whether it is a part of its user's work. However that work is cut, the result is
            the same, so parts are left out of the user's address. Nobody needs the parts of a
            result that is there.
        seconds: the entries of an artifact's `about` that add up to the seconds that are shown.
        read: a reference to the function that reads an artifact's `info` to the type, and says the
            digests of the `dataset` and `victim` that it rests on. None: `info` is taken as it is.
        describe: a reference to the function that says, of an artifact and a threat, what a report
            tells of what all attacks rest on. None: a report tells nothing of it.
        info: a reference to the dataclass that an artifact's `info` must be read as, to the type.
            None: any JSON within limits, or what `read` takes.
        prove: a reference to the function of `review` that proves its result again, from the step
            and a `review.stored_run.StoredRun`. It returns a `review.proofs.Proof`. None: nothing
            proves it.
        again: whether replay computes it again besides, where that took next to nothing. What its
            proof does again itself, or leaves out since it is long, is not.
        file: what replay calls its result; empty for the title.
        brought: whether its result runs code that a user brought. What that code refuses is no
            word on the user's settings, but a failure of the step that asked it.
    """

    title: str
    revision: int
    priority: int
    compute: str
    holds: str
    stores: Literal["artifact", "record"] = "artifact"
    wanted: bool = False
    kept: bool = True
    is_part: bool = False
    seconds: tuple[str, ...] = ("seconds",)
    read: str | None = None
    describe: str | None = None
    info: str | None = None
    prove: str | None = None
    again: bool = True
    file: str = ""
    brought: bool = False


_INPUTS = "robust_augcl.review.input_proofs"
_CERTIFICATE = "robust_augcl.results.measurements:stored_certificate"

# What others wait for comes first. Attacks come before certificates, since their records are looked
# at while the rest is computed. Parts of certificates take the longest.
KINDS: dict[str, StepKind] = {
    "dataset": StepKind(
        title="data set",
        revision=4,
        priority=0,
        compute="robust_augcl.steps.data_sets:compute_dataset",
        holds="all graphs in one set of tensors, their classes, and the split",
        describe="robust_augcl.steps.data_sets:described",
        info="robust_augcl.results.stored_info:DatasetInfo",
        prove="robust_augcl.review.data_proof:prove_dataset",
        again=False,
    ),
    "warm_up": StepKind(
        title="warm-up",
        revision=4,
        priority=1,
        compute="robust_augcl.steps.pretraining:compute_warm_up",
        holds="the weights and the optimizer's state after the epochs that all methods share",
        kept=False,
        info="robust_augcl.results.stored_info:WarmUpInfo",
        prove=f"{_INPUTS}:prove_artifact",
    ),
    "pretraining": StepKind(
        title="pretraining",
        revision=4,
        priority=2,
        compute="robust_augcl.steps.pretraining:compute_pretraining",
        holds="the encoder's weights, the losses, and the diagnosis of the weights of negatives",
        seconds=("seconds", "warm_up_seconds"),
        info="robust_augcl.results.stored_info:PretrainingInfo",
        prove=f"{_INPUTS}:prove_artifact",
    ),
    "victim": StepKind(
        title="victim",
        revision=5,
        priority=3,
        compute="robust_augcl.steps.victims:compute_victim",
        holds="the weights of encoder and head, the losses by epoch, and which epoch was chosen",
        seconds=(),  # records tell them
        info="robust_augcl.results.stored_info:VictimInfo",
        prove=f"{_INPUTS}:prove_victim",
    ),
    "linear_victim": StepKind(
        title="linear victim",
        revision=1,
        priority=3,
        compute="robust_augcl.steps.linear_victims:compute_linear_victim",
        holds="the weights of encoder and linear head, and what each penalty gave",
        seconds=(),  # records tell them
        info="robust_augcl.results.stored_info:LinearVictimInfo",
        prove="robust_augcl.review.linear_victim_proof:prove_linear_victim",
    ),
    "given_model": StepKind(
        title="given model",
        revision=1,
        priority=3,
        compute="robust_augcl.steps.given_models:compute_given_model",
        holds="the weights of a module that a user brought, and what its probes found",
        info="robust_augcl.results.stored_info:GivenModelInfo",
        prove="robust_augcl.review.given_model_proof:prove_given_model",
        again=False,
        brought=True,
    ),
    "attacker": StepKind(
        title="attacker",
        revision=5,
        priority=4,
        compute="robust_augcl.steps.attacking:compute_attacker",
        holds="what an attack has learned, the curve of its learning, the graphs it learned on",
        info="robust_augcl.results.stored_info:AttackerInfo",
        prove=f"{_INPUTS}:prove_attacker",
    ),
    "attack_search": StepKind(
        title="attack",
        revision=5,  # that of attacks: they take its answers
        priority=4,
        compute="robust_augcl.steps.searching:compute_search",
        holds="what one search of an attack answers for several budgets",
        kept=False,
        is_part=True,
        info="robust_augcl.results.stored_search:SearchInfo",
        read="robust_augcl.results.stored_search:stored_search",
        again=False,
    ),
    "edited_data": StepKind(
        title="edited data set",
        revision=1,
        priority=4,
        compute="robust_augcl.steps.poisoning:compute_edited_data",
        holds="a data set after the edits that an attack made for all its targets, and the edits",
        seconds=(),  # records tell them
        info="robust_augcl.results.stored_info:EditedDataInfo",
        prove="robust_augcl.review.poisoning_proof:prove_edited_data",
    ),
    "attack": StepKind(
        title="attack",
        revision=5,
        priority=5,
        compute="robust_augcl.steps.attacking:compute_attack",
        holds="of each target the edits, the predictions and the margins",
        stores="record",
        wanted=True,
        prove="robust_augcl.review.record_proof:prove_record",
        file="record",
    ),
    "poisoning": StepKind(
        title="poisoning",
        revision=1,
        priority=1,  # it takes next to nothing, and a record that is there is not lost
        compute="robust_augcl.steps.poisoning:compute_poisoning",
        holds="of each target predictions and margins, before the edits and after the training on "
        "the edited graph",
        stores="record",
        wanted=True,
        prove="robust_augcl.review.poisoning_proof:prove_poisoning",
        again=False,
        file="poisoning record",
    ),
    "representation": StepKind(
        title="representation",
        revision=4,
        priority=5,
        compute="robust_augcl.steps.representations:compute_representation",
        holds="the accuracy of an SVM on the embeddings, for each fold",
        wanted=True,
        seconds=("pretrain_seconds",),  # those of the SVM say nothing about a method
        info="robust_augcl.results.stored_info:RepresentationInfo",
        prove=f"{_INPUTS}:prove_representation",
    ),
    "certificate_part": StepKind(
        title="certificate",
        revision=10,  # that of certificates: it is one search
        priority=6,
        compute="robust_augcl.steps.certifying:compute_certificate_part",
        holds="what the certificates of several budgets say, of some of their graphs",
        kept=False,
        is_part=True,
        read="robust_augcl.results.stored_certificates:stored_certificates",
        again=False,
    ),
    "certificate": StepKind(
        title="certificate",
        revision=10,
        priority=7,
        compute="robust_augcl.steps.certifying:compute_certificate",
        holds="of each test graph whether no edits break it, or edits that do",
        wanted=True,
        read=_CERTIFICATE,
        prove="robust_augcl.review.certificate_proof:prove_certificate",
        again=False,
    ),
}


def kind_of(key: str) -> StepKind:
    """The kind of the step of that key.

    Raises:
        InputError: the key is that of no step.

    Example:
        >>> kind_of("warm_up-0123456789abcdef0123").title
        'warm-up'
    """
    name, _, _ = key.partition("-")
    if name not in KINDS:
        raise unknown("kind of step", name, KINDS)
    return KINDS[name]


def kind_revision(name: str) -> dict[str, Revision]:
    """The revision of a kind, by the words that name it beside revised plug-ins.

    Example:
        >>> list(kind_revision("warm_up"))
        ['warm-up steps']
    """
    kind = KINDS[name]
    return {f"{kind.title} steps": kind.revision}


def resolve(reference: str) -> Any:
    """The function that a reference of the table names; its module is imported when it is asked.

    Example:
        >>> resolve("robust_augcl.plan.kinds:kind_of") is kind_of
        True
    """
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def modules_that_compute() -> list[str]:
    """The modules that compute steps, so that a worker can import them before it has a task."""
    return sorted({kind.compute.partition(":")[0] for kind in KINDS.values()})
