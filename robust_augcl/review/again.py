"""What is found again of all test targets against one threat, as far as that is quick.

Letters: G test targets.
"""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor

from robust_augcl.oracle.bounds import searched_without_bound
from robust_augcl.oracle.branches.known import MOST_EDITS, known
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.certified import Certificate, joined
from robust_augcl.oracle.certifier import SLACK, MostTried, bounded_margins
from robust_augcl.oracle.edit_sets import is_all, reach_of_search
from robust_augcl.oracle.larger_sets import SMALLEST
from robust_augcl.oracle.worst_edits import SingleEdits, changing_candidates
from robust_augcl.review.edited import EditedTargets, Edits, edits_of
from robust_augcl.review.judge import beyond_rounding
from robust_augcl.threat.model import ThreatModel

MOST_PAIRS = 20_000
"""Where nothing but a search can tell, all pairs of edits of a target are searched, if so few."""
_BEGINNING = 10
"""Of a longer search, so many times fewer pairs are searched: those that are likely to break it.

On component graphs of 40 to 50 nodes that finds 61 of 63 targets that a pair of edits breaks.
"""
MOST_EVALUATIONS = 300_000_000
"""Evaluations of branch and bound in all targets of a victim and a threat: some minutes. A question
to the victim counts as a thousand of them. What is open then is taken on trust.
"""
LEAST_EVALUATIONS = 2_000_000
"""In one target, for each number of edits, where no certificate says how many its search made. A
certificate whose step allows more is searched again by as many as that.
"""
MOST_SETS = 20_000
"""Sets of three edits and more in one target, where branch and bound does not know the classifier.

They take about as long as `MOST_PAIRS`, a second or so of a small molecule.
"""

_ANY_PAIRS = 2**62


class Again:
    """Every single edit is tried again, the bound is computed again, and sets are searched.

    Branch and bound is made again, in the same order, as long as a certificate's search went on, up
    to `MOST_EVALUATIONS` in all targets: that is a proof where it ends. Where it does not know the
    classifier, a proof is left for one edit, where the bound is enough, and where sets are few:
    pairs (`MOST_PAIRS`), and with three edits and more the larger ones too (`MOST_SETS`). Elsewhere
    the search is only begun, with the edits that do most damage: that refutes most of what does not
    stand. What is left has to be taken on trust.

    Args:
        targets: the test targets.
        threat: what is allowed.
        single: the worst single edits.

    Attributes:
        size: the most allowed edits that can change each target at once (G,).
        pairs: how many pairs of edits there are of each target (G,).
        after_one: what the victim says after the worst single edit.
        bound: the margin that the bound proves (G,); minus infinity where nothing is known, and
            where it was not asked for.
        searched: where all sets of edits were searched again (G,).
    """

    def __init__(self, targets: EditedTargets, threat: ThreatModel, single: SingleEdits) -> None:
        graphs = targets.graphs
        self._targets, self._threat, self._finite = targets, threat, single.finite
        is_known, self._changing, self._every, self._slow_bound = _searches(targets, threat)
        budgets = threat.budgets(graphs)
        # Edits that are not listed count as well.
        self.size = torch.where(self._every, torch.minimum(budgets, self._changing), budgets)
        self.pairs = self._changing * (self._changing - 1) // 2
        self._is_known = is_known & (self.size <= MOST_EDITS)
        self._few_pairs = self.pairs <= MOST_PAIRS
        self.after_one, _ = targets.after(list(map(edits_of, single.edits)))
        self._asked = torch.zeros_like(self.size, dtype=torch.bool)
        self._evaluations = torch.zeros_like(self.size)  # of branch and bound, that were allowed
        # What is open claims nothing. It must not use up what proves claims, and what records leave
        # open must not use up what proves that a certificate leaves too much open.
        self._left = {
            "claimed": MOST_EVALUATIONS,
            "open": MOST_EVALUATIONS // 10,
            "at once": MOST_EVALUATIONS // 10,
        }
        self._bounded = torch.zeros_like(self._asked)
        self.bound = torch.full_like(self.size, -torch.inf, dtype=torch.double)
        self.searched = torch.zeros_like(self._asked)
        self._survives = torch.zeros_like(self._asked)
        self._pair_breaks = torch.zeros_like(self._asked)
        self._pair_is_wrong = torch.zeros_like(self._asked)
        self._searched_margin = self.bound.clone()

    def ask(
        self, asked: Tensor, evaluations: int = LEAST_EVALUATIONS, *, claimed: bool = True
    ) -> None:
        """Find out about these targets (G,) bool. What one edit breaks needs no more.

        Args:
            asked: the targets.
            evaluations: of branch and bound in a target, at the most, as long as there are no more
                than `MOST_EVALUATIONS` in all.
            claimed: whether something is claimed of these targets. Others have a tenth of
                `MOST_EVALUATIONS` to themselves.
        """
        new = asked & ~self._asked & ~self.after_one.broken
        self._asked |= asked
        self.ask_bound(new & ~self.without_bound(MOST_PAIRS) & ~self._is_known)
        open_sets = asked & ~self.after_one.broken & (self.size > 1) & ~self._by_bound
        longer = ~self.searched & (self._evaluations < evaluations)
        by_branches = open_sets & self._is_known & longer
        purpose = "claimed" if claimed else "open"
        self._search(by_branches, 1, evaluations, purpose)
        if self._left[purpose] > 0:  # else some of them may be asked about again, if claimed
            self._evaluations[by_branches] = evaluations
        # Branch and bound may know the classifier for a few graphs that have the same features,
        # though it does not for those beside which they were certified.
        others = new & open_sets & ~self._is_known
        self._search(others & self._few_pairs, MOST_PAIRS, 0, purpose)
        self._search(others & ~self._few_pairs, MOST_PAIRS // _BEGINNING, 0, purpose)

    def ask_bound(self, asked: Tensor) -> None:
        """Compute the bound of these targets (G,) bool, and search nothing."""
        new = asked & ~self._bounded
        self._bounded |= asked
        if bool(new.any()):
            targets = self._targets
            found = bounded_margins(targets.victim, targets.graphs, self._threat, new)
            self.bound = torch.where(new, found, self.bound)

    @property
    def proved(self) -> Tensor:
        """Where nothing allowed breaks the target, but for what rounding decides (G,)."""
        by_one = self.size <= 1
        return self._stands & (by_one | self._by_bound | self._survives)

    @property
    def surely(self) -> Tensor:
        """Where that is so on every machine, and needs no search of pairs (G,)."""
        enough = (self.size <= 1) | (self.bound > self.after_one.tie)
        return self._finite & self.after_one.right & enough

    @property
    def surely_searched(self) -> Tensor:
        """Where that is so on every machine, by a search of all sets of edits (G,)."""
        searched = self.searched & self._survives & (self._searched_margin > self._enough)
        return self._finite & self.after_one.right & searched

    def proved_at_once(self, asked: Tensor) -> Tensor:
        """Of the asked targets (G,) bool, those that branch and bound proves at its first bound, on
        every machine. No search leaves them open, however little it may evaluate.

        All calls together take a tenth of `MOST_EVALUATIONS` at the most.
        """
        places = (asked & self._finite & ~self.after_one.broken).nonzero().squeeze(1)
        out = torch.zeros_like(asked)
        if places.numel():
            found = self._certified(places, 1, 1, "at once")
            out[places] = found.certified & (found.lower_margin > SLACK + self._enough[places])
        return out

    def refuted(self, standing: Tensor) -> Tensor:
        """Which targets (G,) that are said to stand a few edits are known to break.

        Rounding alone excuses as few of them as it does elsewhere (see `beyond_rounding`).
        """
        surely = self.after_one.broken | self._pair_breaks
        wrong = surely | self.after_one.wrong | self._pair_is_wrong
        return beyond_rounding(standing & wrong, ~surely)

    @property
    def on_trust(self) -> Tensor:
        """Where sets of edits decide that are not all searched again (G,)."""
        return self._stands & (self.size > 1) & ~self._by_bound & ~self.searched

    @property
    def by_branch_and_bound(self) -> Tensor:
        """Where branch and bound proves again that nothing allowed breaks the target (G,)."""
        return self.proved & self._is_known & self.searched & self._survives & ~self._by_bound

    @property
    def lower(self) -> Tensor:
        """The smallest margin that is proved, where anything is (G,).

        Where the bound is enough, it is the bound: a record may have asked for a search before the
        bound was computed, and the search says more.
        """
        searched = self._searched_margin.masked_fill(self._by_bound, -torch.inf)
        margin = torch.where(self.size <= 1, self.after_one.margin, searched)
        return torch.maximum(self.bound, margin)

    def without_bound(self, pairs: int) -> Tensor:
        """Where a search of so many pairs at the most tries all, and computes no bound (G,)."""
        return self._slow_bound & (self.pairs <= pairs)

    def without_pairs(self, most: MostTried) -> Tensor:
        """Where such a search is by branch and bound, which needs neither bound nor pairs (G,)."""
        return self._is_known & (most.evaluations > 0)

    @property
    def searched_all(self) -> Tensor:
        """Where all pairs were searched again without a bound, so that their margin is known (G,).

        A bound leaves out pairs of which it only says that their margin is above the slack.
        """
        return self.searched & (self.without_bound(MOST_PAIRS) | (self.bound == -torch.inf))

    def all_sets_within(self, most: MostTried) -> Tensor:
        """Where the limits of a search surely let all sets be tried (G,).

        Of what branch and bound knows, that is said of pairs alone. It may meet each pair once for
        each wrong class, and each edit a few times.
        """
        evaluations = self._targets.victim.num_classes * (self.pairs + 4 * self._changing)
        by_branches = (self.size == 2) & (evaluations <= max(most.evaluations, most.pairs))
        is_known = self.without_pairs(most)
        few = [
            _are_few(*each, most.sets)
            for each in zip(self._changing.tolist(), self.size.tolist(), strict=True)
        ]
        by_sets = (self.size > 1) & (self.pairs <= most.pairs) & torch.tensor(few, dtype=torch.bool)
        return self._every & torch.where(is_known, by_branches, by_sets)

    @property
    def _enough(self) -> Tensor:
        """A margin above this is above 0 on every machine (G,)."""
        # Bounds and search leave out what they know to be above the slack.
        slack = self.after_one.tie.clamp(max=SLACK / 2)
        return torch.maximum(slack, self._targets.judge.rounding)

    @property
    def _stands(self) -> Tensor:
        return self._finite & ~self.after_one.broken

    @property
    def _by_bound(self) -> Tensor:
        """Where the bound is enough (G,). Less than half its own slack is left to machines."""
        slack = self.after_one.tie.clamp(max=SLACK / 2).masked_fill(self.size == 2, 0)
        return (self.size > 1) & (self.bound > -slack)

    def _search(self, some: Tensor, limit: int, evaluations: int, purpose: str) -> None:
        """Search the sets of edits of some targets (G,) bool, up to limits for each.

        These are pairs, and evaluations of branch and bound.
        """
        places = some.nonzero().squeeze(1)
        if places.numel() == 0:
            return
        found = self._certified(places, limit, evaluations, purpose)
        self.searched[places], self._survives[places] = found.exhausted, found.certified
        self._searched_margin[places] = found.lower_margin
        edits: list[Edits] = [([], []) for _ in self._targets.names]
        has_pair = torch.zeros_like(some)
        for place, witness in zip(places.tolist(), found.witnesses, strict=True):
            if witness is not None:
                edits[place], has_pair[place] = edits_of(witness), True
        answer, _ = self._targets.after(edits)
        self._pair_breaks |= has_pair & answer.broken
        self._pair_is_wrong |= has_pair & answer.wrong

    def _certified(self, places: Tensor, limit: int, evaluations: int, purpose: str) -> Certificate:
        """What a search up to these limits says of some targets, by their places.

        It takes no more evaluations than are left for this purpose (`_left`).
        """
        found = []
        # Nodes of one portion may all have the same features, and those of another portion others.
        # Among both, branch and bound would not know the classifier.
        for portion in self._targets.graphs.portions():
            mine = places[torch.isin(places, portion)]
            if not mine.numel():
                continue
            one = certify(
                self._targets.victim,
                self._targets.graphs.select(mine),
                self._threat,
                limit=limit,
                evaluations=evaluations,
                sets=MOST_SETS,
                evaluations_in_all=self._left[purpose],
            )
            self._left[purpose] = max(self._left[purpose] - int(one.cost.sum()), 0)
            found.append(one)
        return joined(found)


def _searches(targets: EditedTargets, threat: ThreatModel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """How certificates search targets, portion by portion.

    Returned are, of each target (G,): whether branch and bound knows its classifier, how many
    candidates change it, whether these are all edits that matter, and whether its pairs, if they
    are few, are tried without a bound.
    """
    graphs, model = targets.graphs, targets.victim.model
    is_known, every, slow = (torch.zeros(graphs.num_graphs, dtype=torch.bool) for _ in range(3))
    changing = torch.zeros(graphs.num_graphs, dtype=torch.long)
    most = int(threat.budgets(graphs).max()) if graphs.num_graphs else 1
    for portion in graphs.portions():
        part = graphs.select(portion)
        reach = reach_of_search(targets.victim.reach, part, threat)
        candidates, budgets = threat.enumerate(part, reach), threat.budgets(part)
        is_known[portion] = known(model.local_parts(part), part, most) is not None
        changing[portion] = changing_candidates(candidates)
        every[portion] = is_all(reach, part, threat)
        slow[portion] = searched_without_bound(model, part, candidates, budgets, _ANY_PAIRS)
    return is_known, changing, every, slow


def _are_few(candidates: int, size: int, most: int) -> bool:
    """Whether there are so many sets at the most of three candidates up to this size."""
    total = 0
    for edits in range(SMALLEST, size + 1):
        total += comb(candidates, edits)
        if total > most:
            return False
    return True
