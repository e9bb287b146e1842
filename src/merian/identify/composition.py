"""How many of each kind samples hold, from answers of which some are wrong.

Counting answers is biased: a rare kind beside a common one is mostly the common one's errors. So
what is true of the things that nobody has looked at is drawn, again and again, from all that is
known: how often each kind is answered as what (the same for all samples, learnt from the things
that somebody validated and from what the answers say of their own doubt), and what each sample is
made of. The counts that come out of it have an interval that admits both the errors and how few
were validated. Which things are validated may hang on their answer and their sample, so validating
the rare answers first is right; it must not hang on how they look.

What a detector missed is added where somebody has counted by hand: of n that were found, as many
more as its recall makes likely. What it took for a thing and is none is a kind of its own, that of
no name.

Where something else tells how probably a kind is in a sample at all (its DNA list, see
`detectability`), whether it is there is drawn too, and only what is there has a share. A kind may
then be there and none of the things be of it. A list counts once for a sample, and not once for
each of its things.

Reference: data augmentation by Tanner & Wong, JASA 1987; how many more to validate is Neyman's
allocation over the answers (JRSS 1934) with the correction for small populations; shares as gammas
over their sum, which one more gamma parts, as James, Lijoi & Pruenster, Scand. J. Stat. 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merian.errors import InputError

__all__ = [
    "UNNAMED",
    "Composition",
    "Counts",
    "Recall",
    "compose",
    "count_rows",
    "more_to_validate",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNNAMED = "(no name)"
"""What is answered about things of which nothing is said, where these are a kind of their own."""

_SURE = 0.8  # of the answers to a kind of which nothing is known; a guess that weighs as one thing
_DOUBTS = 10.0  # things; what the answers' own probabilities of a kind weigh at most
_BURN, _DRAWS, _CHAINS = 200, 1000, 2
_INTERVAL = (0.025, 0.975)
_NORMAL = 1.96
_AT_ONCE = 2_000_000  # cells of a draw that are in memory
_THERE = 0.5  # what a kind that is there counts before any thing is of it (Jeffreys)


@dataclass(frozen=True, eq=False)
class Counts:
    """Answers about the things of samples, and the truth of some of them.

    Attributes:
        samples: Their names.
        kinds: What things may be.
        answers: What is answered: kinds, and whatever else (a higher taxon, nothing).
        unseen: int64[samples, answers]; things that nobody has validated.
        seen: int64[samples, kinds, answers]; things that somebody has.
        doubts: float64[kinds, answers]; how probable each kind is by the answers' own
            probabilities, summed over things; None where they tell none.
    """

    samples: Sequence[str]
    kinds: Sequence[str]
    answers: Sequence[str]
    unseen: Ints
    seen: Ints
    doubts: Floats | None = None


@dataclass(frozen=True, eq=False)
class Recall:
    """How many things of each kind a detector found and missed, where somebody counted by hand."""

    found: Ints
    missed: Ints

    @property
    def counted(self) -> int:
        """How many things were counted by hand, of all kinds; of none nothing is known."""
        return int(self.found.sum() + self.missed.sum())


@dataclass(frozen=True, eq=False)
class Composition:
    """What samples hold.

    Attributes:
        counts: What it was made of.
        mean: float64[samples, kinds]; how many there are.
        low: float64[samples, kinds]; of the interval of 95 %.
        high: The same.
        truth: float64[samples, kinds, answers]; how probable each kind is of an answer.
        agree: The largest ratio of the spread over all chains to that within them; near 1 where
            enough was drawn (Gelman & Rubin's, for the total of each kind).
        present: float64[samples, kinds]; how probably the kind is there.
        overlooked: float64[samples, kinds]; how probably it is there and none of the things is it.
        richness: float64[samples, 3]; how many kinds there are: mean, low and high.
    """

    counts: Counts
    mean: Floats
    low: Floats
    high: Floats
    truth: Floats
    agree: float
    present: Floats
    overlooked: Floats
    richness: Floats


def compose(
    counts: Counts, recall: Recall | None = None, seed: int = 0, chance: Floats | None = None
) -> Composition:
    """Return how many of each kind samples hold.

    Args:
        counts: The answers.
        recall: What a detector finds, by kind; None where things were not detected but given.
        seed: Of what is drawn.
        chance: float64[samples, kinds]; how probably each kind is there, by something else than
            the things; between 0 and 1 without these.
    """
    if not counts.seen.any() and counts.doubts is None:
        raise InputError(
            "nothing tells how often the answers are wrong: no thing was validated, and the "
            "answers have no probabilities"
        )
    # All draws are made into one table, of which nothing but a sample is ever copied.
    drawn: Floats = np.empty((_CHAINS, _DRAWS, *counts.seen.shape[:2]))
    there: NDArray[np.bool_] = np.empty(drawn.shape, bool)
    truths = [
        _chain(counts, recall, seed + number, chance, drawn[number], there[number])
        for number in range(_CHAINS)
    ]
    truth = np.mean(truths, axis=0)
    agree = _agreement([chain.sum(axis=1) for chain in drawn])
    drawn = drawn.reshape(-1, *drawn.shape[2:])
    there = there.reshape(drawn.shape)
    low: Floats = np.empty(drawn.shape[1:])
    high = low.copy()
    for sample in range(drawn.shape[1]):
        low[sample], high[sample] = np.quantile(drawn[:, sample], _INTERVAL, axis=0)
    # What is no thing is no kind either, and who has no name may be of any.
    named = np.array([kind not in ("", UNNAMED) for kind in counts.kinds])
    many = (there & named).sum(axis=2)
    rich = np.stack([many.mean(axis=0), *np.quantile(many, _INTERVAL, axis=0)], axis=1)
    return Composition(
        counts, drawn.mean(axis=0), low, high, truth, agree,
        there.mean(axis=0), (there & (drawn == 0)).mean(axis=0), rich,
    )  # fmt: skip


def _chain(
    counts: Counts,
    recall: Recall | None,
    seed: int,
    chance: Floats | None,
    drawn: Floats,
    there: NDArray[np.bool_],
) -> Floats:
    """Draw the counts and which kinds are there, and return how probable kinds are by answer.

    Args:
        counts: The answers.
        recall: What a detector finds.
        seed: Of what is drawn.
        chance: How probably each kind is there by something else.
        drawn: float64[draws, samples, kinds]; where the counts are put.
        there: bool[draws, samples, kinds]; where it is put which kinds are there.
    """
    random = np.random.default_rng(seed)
    samples, kinds, answers = counts.seen.shape
    before = _before(counts)
    known = counts.seen.sum(axis=2)
    named = np.array([bool(kind) for kind in counts.kinds])
    sample, answer = np.nonzero(counts.unseen)
    many = counts.unseen[sample, answer]
    confusion = (before + counts.seen.sum(axis=0)) / (before + counts.seen.sum(axis=0)).sum(
        axis=1, keepdims=True
    )
    share = np.full((samples, kinds), 1 / kinds)
    weight = share.copy()  # the gammas that shares are made of, where it is drawn what is there
    steps = range(0, len(sample), max(1, _AT_ONCE // kinds))
    truth = np.zeros((samples, kinds, answers))
    for turn in range(_BURN + _DRAWS):
        held = counts.seen.sum(axis=0).astype(np.float64)
        inside = known.astype(np.float64)
        for start in steps:
            part = slice(start, start + steps.step)
            likely = share[sample[part]] * confusion[:, answer[part]].T
            likely /= likely.sum(axis=1, keepdims=True)
            kept = random.multinomial(many[part], likely)
            np.add.at(inside, sample[part], kept)
            np.add.at(held.T, answer[part], kept)
            if turn >= _BURN:
                truth[sample[part], :, answer[part]] += likely
        confusion = _dirichlet(random, before + held)
        if chance is None:
            share = _dirichlet(random, inside + 1 / kinds)
            here = inside > 0
        else:
            weight, here = _weights(random, inside, weight, chance)
        if turn >= _BURN:
            drawn[turn - _BURN] = inside + _missed(random, inside, recall, named)
            there[turn - _BURN] = here
        if chance is not None:
            weight = _turned(random, weight, counts.unseen, known, confusion, chance)
            share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    return truth / _DRAWS


def _weights(
    random: np.random.Generator, inside: Floats, weight: Floats, chance: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the gammas that shares are made of, and which kinds are there.

    Given one gamma more for each sample, kinds do not hang on each other.
    """
    things = inside.sum(axis=1, keepdims=True)
    rate = 1 + random.standard_gamma(things) / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    odds = chance / (1 - chance) * rate**-_THERE
    here = (inside > 0) | (random.random(inside.shape) < odds / (1 + odds))
    drawn = np.maximum(random.standard_gamma(inside + _THERE), 1e-300) / rate
    return np.where(here, drawn, 0.0), here


def _turned(
    random: np.random.Generator,
    weight: Floats,
    unseen: Ints,
    known: Ints,
    confusion: Floats,
    chance: Floats,
) -> Floats:
    """Return gammas of which, in each sample, one kind may have come or gone.

    Whatever the things were taken for: where answers hardly tell two kinds apart, no draw of things
    would ever leave one of them without any. It is accepted as Metropolis and Hastings accept.
    """

    def fits(gammas: Floats) -> Floats:
        share = gammas / np.maximum(gammas.sum(axis=1, keepdims=True), 1e-300)
        said = unseen * np.log(np.maximum(share @ confusion, 1e-300))
        told: Floats = said.sum(axis=1) + (known * np.log(np.maximum(share, 1e-300))).sum(axis=1)
        return told

    rows = np.arange(len(weight))
    kind = random.integers(weight.shape[1], size=len(weight))
    here = weight[rows, kind] > 0
    other = weight.copy()
    other[rows, kind] = np.where(here, 0.0, random.standard_gamma(_THERE, len(weight)))
    odds = np.log(chance[rows, kind]) - np.log1p(-chance[rows, kind])
    gain = fits(other) - fits(weight) + np.where(here, -odds, odds)
    taken = (np.log(random.random(len(weight))) < gain) & (known[rows, kind] == 0)
    return np.where(taken[:, None], other, weight)


def _before(counts: Counts) -> Floats:
    """Return what is believed of the answers to each kind before anything is validated."""
    own = np.array([[kind == answer for answer in counts.answers] for kind in counts.kinds])
    others = np.where(own, 0.0, 1.0)
    others /= np.maximum(others.sum(axis=1, keepdims=True), 1)
    named = own.any(axis=1, keepdims=True)
    found: Floats = np.where(named, _SURE * own + (1 - _SURE) * others, others)
    if UNNAMED in counts.kinds:  # what has a name is not of no name
        found[[kind == UNNAMED for kind in counts.kinds]] = own[[*counts.kinds].index(UNNAMED)]
    if counts.doubts is not None:
        total = counts.doubts.sum(axis=1, keepdims=True)
        found += counts.doubts * np.minimum(1, _DOUBTS / np.maximum(total, 1e-12))
    return found + 1e-6


def _dirichlet(random: np.random.Generator, weight: Floats) -> Floats:
    """Return shares that sum to 1 in each row."""
    drawn = np.maximum(random.standard_gamma(weight), 1e-300)
    found: Floats = drawn / drawn.sum(axis=1, keepdims=True)
    return found


def _missed(
    random: np.random.Generator, inside: Floats, recall: Recall | None, named: NDArray[np.bool_]
) -> Floats:
    """Return how many more of each kind there are than were found; of what is no thing, none."""
    if recall is None:
        return np.zeros_like(inside)
    # A kind that was hardly counted by hand is found about as often as all are.
    usual = (recall.found.sum() + 0.5) / (recall.found.sum() + recall.missed.sum() + 1)
    share = random.beta(recall.found + usual, recall.missed + (1 - usual) + 1e-9)
    some = np.zeros_like(inside)
    there = inside > 0
    odds = np.broadcast_to(np.clip(share, 1e-3, 1.0), inside.shape)[there]
    some[there] = random.negative_binomial(inside[there], odds)
    some[:, ~named] = 0
    return some


def _agreement(totals: Sequence[Floats]) -> float:
    """Return the largest potential scale reduction of several chains, [draws, kinds] each."""
    each = np.stack(totals)
    draws = each.shape[1]
    within = each.var(axis=1, ddof=1).mean(axis=0)
    between = draws * each.mean(axis=1).var(axis=0, ddof=1)
    some = within > 1e-9
    if not some.any():
        return 1.0
    whole = (draws - 1) / draws * within[some] + between[some] / draws
    return float(np.sqrt(whole / within[some]).max())


def more_to_validate(found: Composition, precision: float) -> Ints:
    """Return how many more things of each sample and answer to validate, [samples, answers].

    With so many every count is known to within a share of itself, and never asked closer than to
    one thing.

    Args:
        found: What is known now.
        precision: Half an interval of 95 %, as a share of the count.
    """
    if not 0 < precision < 1:
        raise InputError(f"a precision of {precision:g}; a share between 0 and 1 is expected")
    left = found.counts.unseen.astype(np.float64)
    wanted = np.zeros(left.shape)
    for kind in range(len(found.counts.kinds)):
        spread = np.sqrt(found.truth[:, kind] * (1 - found.truth[:, kind]))
        half = np.maximum(1.0, precision * found.mean[:, kind])
        weight = left * spread
        variance = (half / _NORMAL) ** 2
        whole = weight.sum(axis=1) ** 2 / (variance + (left * spread**2).sum(axis=1))
        share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
        enough = found.high[:, kind] - found.low[:, kind] <= 2 * half
        wanted = np.maximum(wanted, np.where(enough[:, None], 0, whole[:, None] * share))
    return np.minimum(np.ceil(wanted - 1e-9), left).astype(np.int64)


def count_rows(found: Composition) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return the head and the rows of the counts: those answered, and what is likely true."""
    counts = found.counts
    answered = counts.unseen + counts.seen.sum(axis=1)
    place = {name: n for n, name in enumerate(counts.answers)}
    rows: list[tuple[object, ...]] = []
    for number, sample in enumerate(counts.samples):
        for kind in np.argsort(-found.mean[number], kind="stable").tolist():
            name = counts.kinds[kind]
            here = int(answered[number, place[name]]) if name in place else 0
            if not here and found.high[number, kind] < 0.5:
                continue
            rows.append((
                sample, name or "(no thing)", here, round(float(found.mean[number, kind]), 1),
                round(float(found.low[number, kind])), round(float(found.high[number, kind])),
                int(counts.seen[number, kind].sum()),
            ))  # fmt: skip
    return ("sample", "kind", "answered", "count", "from", "to", "validated"), rows
