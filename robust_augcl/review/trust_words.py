"""The list of what replay proves, computes again, or takes on trust: a word on every stored field.

A test holds it against the fields of everything that a run stores. So a new field needs a word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

How = Literal["proved", "made again", "computed again", "on trust"]
ORDER: tuple[How, ...] = ("proved", "made again", "computed again", "on trust")
"""As they are listed: what nothing tells of comes last, where it is read."""


@dataclass(frozen=True)
class Word:
    """What is said of some fields of one kind of file.

    Args:
        file: what holds them: a file's name, "record", or the title of a kind of step.
        fields: their names; one that ends in "*" stands for all that begin so.
        how: "proved": follows from other files and the plan, whoever computed it; "made again":
            by replay itself, whatever it takes; "computed again": by running the step again, where
            it took next to no time, and always with `--from-scratch`; "on trust": nothing tells.
        why: in which way, or why not.
        counted: what stands before the number of the files that were computed again.
        of: the files that are counted, where they are not these ones.
        needs_model: whether a given model must be asked, which needs its module.
    """

    file: str
    fields: tuple[str, ...]
    how: How
    why: str
    counted: str = ""
    of: str = ""
    needs_model: bool = False


_ABOUT = "measured once; tables show seconds, and nothing else rests on it"
_SELECTED = "the epoch of the lowest of its losses; those and its accuracy: trained again"
_DECIDES = "measured once; by its word replay decides what is computed again, and what may differ"
OF_PRETRAINING = "held against its pretraining"
SPLIT_AGAIN = (
    "the stored graphs are split again, by their stored classes y; a split that a file states is "
    "read again from it"
)
_EXACT = (
    "a claim is certified again, but for the end of long searches of pairs; that a target has none "
    "is proved where the attack declares that it tries all"
)
OF_MODULE = "held against the module that --model names"
PROBED = "probed again where --model names the module; the words of probes are on trust"
_AUDITED = (
    "audited again; that learned attackers are at rest is on trust where one learned longer than "
    "--again"
)
_POISONED, _EDITED = "poisoning record", "edited data set"
_CHECKSUM = "checksums, compared whenever the file is read"

_OF_ALL_RECORDS = (
    Word(
        "record",
        (
            *("key", "cell", "traits", "method_traits", "made_by", "method_settings"),
            *("attack_settings", "threat", "label_rule", "dataset", "victim", "attacker"),
            *("edited", "retrained"),
        ),
        "proved",
        "planned again (but the version of ours in made_by)",
    ),
    Word(
        "record",
        ("graph", "node", "label", "num_classes", "notes"),
        "proved",
        "held against data set and victim",
    ),
    Word(
        "record",
        ("clean", "clean_margin"),
        "proved",
        "predicted again, margins within a tolerance",
        needs_model=True,
    ),
    Word("record", ("schema", "digest"), "proved", _CHECKSUM),
    Word(
        "record",
        ("fit_seconds", "attack_seconds", "environment"),
        "on trust",
        _DECIDES,
    ),
    Word("record", ("pretrain_seconds", "train_seconds"), "on trust", _ABOUT),
)

WORDS: tuple[Word, ...] = (
    Word("run.json", ("table", "seeds"), "on trust", "the question, against which all is held"),
    Word(
        "run.json",
        ("planned_seeds", "planned_names"),
        "on trust",
        "nobody else knows which were planned; it decides whether there are verdicts, no number",
    ),
    Word(
        "run.json",
        ("planned_comparisons", "planned_before"),
        "on trust",
        "nobody else knows what was stated first; it decides what is primary, and equivalence",
    ),
    Word("run.json", ("fingerprint",), "on trust", "proved where --archives hold the files"),
    Word("run.json", ("suite", "records", "measurements"), "proved", "planned again"),
    Word("run.json", ("revisions", "format"), "proved", "compared with the code"),
    Word("run.json", ("version",), "on trust", "revisions tell what matters"),
    *_OF_ALL_RECORDS,
    *(replace(word, file=_POISONED) for word in _OF_ALL_RECORDS),
    Word(
        "record",
        ("added", "removed", "shared_edits", "attacked", "attacked_margin", "outcomes"),
        "computed again",
        "allowed, and predicted again; that the attack finds no more: the attack proposes again",
        "allowed, and predicted again; that the attack finds no more: computed again ",
    ),
    Word("record", ("exact",), "proved", _EXACT, needs_model=True),
    Word("record", ("queries", "gradient_calls"), "computed again", "the attack proposes again"),
    Word(
        _POISONED,
        ("added", "removed", "shared_edits", "outcomes", "queries", "gradient_calls"),
        "computed again",
        "those of the edited data set: allowed; that the attack made them: it proposes again",
        "those of the edited data set: allowed; that the attack made them: computed again ",
        of=_EDITED,
    ),
    Word(
        _POISONED,
        ("attacked", "attacked_margin"),
        "computed again",
        "the victim is trained again on the edited graph",
        "predicted again; that the victim is the one of the edited graph: trained again ",
    ),
    Word(_POISONED, ("exact",), "proved", "none is: no worst case is known"),
    Word(
        "attack",
        ("dataset", "victim", "answers"),
        "on trust",
        "needed until records hold the answers, which are proved",
    ),
    Word(
        "certificate",
        ("graphs", "nodes", "threat", "dataset", "victim"),
        "proved",
        "held against plan, data set and victim",
    ),
    Word(
        "certificate",
        ("certified", "settled", "lower_margin", "witnesses"),
        "proved",
        "searched again, but for the end of long searches of pairs",
        needs_model=True,
    ),
    Word(
        "data set",
        ("train", "validation", "test", "target.*", "num_classes", "label", "label_rule"),
        "made again",
        SPLIT_AGAIN,
    ),
    Word(
        "data set",
        ("x", "edge_index", "ptr", "y", "edge_attr", "added_edge", "notes"),
        "made again",
        "drawn again, or read again where --archives hold the files",
    ),
    Word(
        _EDITED,
        (
            *("clean", "victim", "num_classes", "label", "label_rule"),
            *("x", "edge_index", "ptr", "y", "edge_attr", "added_edge", "target.*"),
            *("train", "validation", "test", "attacked"),
        ),
        "proved",
        "the clean data set after its edits, which are allowed",
    ),
    Word(
        _EDITED,
        ("edits", "queries", "gradient_calls"),
        "computed again",
        "allowed; that the attack made them: it proposes again",
        "allowed; that the attack made them: computed again ",
    ),
    Word(
        "victim",
        ("encoder", "width", "layers", "in_features", "num_classes", "head_hidden"),
        "proved",
        "held against plan and data set",
    ),
    Word("victim", ("notes",), "proved", OF_PRETRAINING),
    Word("victim", ("model.*", "losses", "train_losses"), "computed again", "trained again"),
    Word("victim", ("selected",), "computed again", _SELECTED),
    Word(
        "linear victim",
        ("encoder", "width", "layers", "in_features", "num_classes"),
        "proved",
        "held against plan and data set",
    ),
    Word("linear victim", ("notes",), "proved", OF_PRETRAINING),
    Word("linear victim", ("chosen", "accuracy"), "proved", "chosen and counted again"),
    Word("linear victim", ("model.*", "tried"), "computed again", "fitted again"),
    Word("given model", ("label", "notes"), "proved", "planned again"),
    Word("given model", ("weights", "model.*"), "proved", "their digest is that of the plan"),
    Word("given model", ("made_by", "structure"), "proved", OF_MODULE),
    Word("given model", ("found",), "proved", PROBED),
    Word("attacker", ("fitted_on",), "proved", "the keys of the graphs of its protocol"),
    Word(
        "attacker",
        ("state.*", "curve", "queries", "gradient_calls"),
        "computed again",
        "the attack learns again",
    ),
    Word("warm-up", ("model.*", "adam.*", "losses"), "computed again", "trained again"),
    Word(
        "pretraining",
        ("encoder.*", "losses", "notes", "diagnosis", "*"),
        "computed again",
        "trained again; what its method measures is the method's to name",
    ),
    Word("representation", ("accuracy", "c"), "computed again", "scored again"),
    Word("artifact", ("title",), "proved", "planned again"),
    Word("artifact", ("format", "digest", "checksum"), "proved", _CHECKSUM),
    Word(
        "artifact",
        (
            *("pretrain_seconds", "warm_up_seconds", "fit_seconds", "attack_seconds"),
            "answer_seconds",
        ),
        "on trust",
        _ABOUT,
    ),
    Word("artifact", ("seconds", "environment"), "on trust", _DECIDES),
    Word(
        "audit.json",
        ("of", "findings", "version", "digest"),
        "made again",
        _AUDITED,
        needs_model=True,
    ),
    Word("audit.json", ("seconds",), "on trust", _ABOUT),
    Word(
        "transfer.json",
        ("of", "entries", "version", "digest"),
        "made again",
        "turned again",
        needs_model=True,
    ),
)
"""Every field that a run stores. "artifact" stands for what all artifacts hold."""


def word_on(file: str, field: str) -> Word | None:
    """The word on one field; None where there is none.

    Example:
        >>> word_on("attacker", "state.q.weight").how
        'computed again'
    """
    for word in WORDS:
        if word.file == file and any(_stands_for(name, field) for name in word.fields):
            return word
    return None


def _stands_for(name: str, field: str) -> bool:
    return field.startswith(name[:-1]) if name.endswith("*") else field == name
