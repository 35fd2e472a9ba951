"""What is right in each exercise, which mistakes are usual, and hints. Students, read no further!

Right answers and wrong ones are computed, so that `exercises.check` knows a mistake by its value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_ae import thresholds
from course_ae.data import OFFICIAL
from course_ae.model import CHANNELS, GRID, ConvAutoencoder, count_parameters
from course_ae.pipeline import Scores
from course_ae.preprocessing import split_validation
from course_ae.scoring import FLOOR
from course_ae.ssim import l2_loss, ssim_components, ssim_loss

NUMBER, WORD, PAIR, WORDS = "a number", "a word in quotes", "a pair of numbers", "a set of words"


@dataclass(frozen=True)
class Exercise:
    """One exercise; its functions take what the lesson hands to `check` after the answer."""

    form: str  # what kind of answer it wants
    right: Callable[..., Any]
    mistakes: tuple[tuple[Callable[..., Any], str], ...]  # usual wrong answers, and what to say
    hints: tuple[str, ...]
    tolerance: float = 0.005  # how far a number may be off, as a share of the right one


def growth(good: np.ndarray, pixels: int) -> float:
    """How many times the mean spread of pixels (N, H, W) grows if each image moves at random."""
    rng = np.random.default_rng(0)
    shifts = rng.integers(-pixels, pixels + 1, size=(len(good), 2))
    moved = np.stack(
        [
            np.roll(image, tuple(shift), axis=(0, 1))
            for image, shift in zip(good, shifts, strict=True)
        ]
    )
    return moved.std(axis=0).mean() / good.std(axis=0).mean()


def twins(count: int, fraction: float, seed: int) -> np.ndarray:
    """Is a twin of each held-out image, a share of all, learnt, (V,), if one flips first?"""
    original = np.tile(np.arange(count), 3)
    learnt, held_out = split_validation(3 * count, fraction, seed)
    return np.isin(original[held_out], original[learnt])


def parameters(bottleneck: int) -> int:
    """Parameters of the slides' network with a code of this length; no memory is filled."""
    with torch.device("meta"):
        return count_parameters(ConvAutoencoder(bottleneck=bottleneck))


def weakest(x: Tensor, y: Tensor, rank: int) -> str:
    """The part of SSIM that a change of x (1, 1, H, W) lowers most (rank 0), second or least."""
    means = [part.mean().item() for part in ssim_components(x, y)]
    return ("luminance", "contrast", "structure")[int(np.argsort(means)[rank])]


def first_pixel(x: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> float:
    """A loss of x (1, 1, H, W) at a shift of one pixel, as a share of that at six."""
    return (loss(x.roll(1, dims=-1), x) / loss(x.roll(6, dims=-1), x)).item()


def cheapest(scores: Scores, false_alarm: float, missed: float) -> float:
    """The lowest of the thresholds with the lowest cost on the validation part, by L2."""
    candidates, fp, fn = thresholds.count_errors(*scores.part("l2", "validation"))
    return float(candidates[np.argmin(false_alarm * fp + missed * fn)])


def errors(scores: Scores, kind: str, part: str) -> int:
    """Errors of one score on the test part, with the threshold found on another part."""
    threshold = thresholds.search_threshold(*scores.part(kind, part))
    return thresholds.confusion(*scores.part(kind, "test"), threshold).errors


def from_good(scores: Scores, quantile: float) -> thresholds.Confusion:
    """What a threshold from good images alone does to the test part, by L2."""
    threshold = thresholds.threshold_from_good(scores.good["l2"], quantile)
    return thresholds.confusion(*scores.part("l2", "test"), threshold)


def hits(maps: Tensor, masks: Sequence[np.ndarray | None]) -> list[bool]:
    """Does the highest value of each map (N, H, W) lie inside its mask, where there is one?"""
    pairs = [(one, mask) for one, mask in zip(maps, masks, strict=True) if mask is not None]
    return [bool(mask.ravel()[int(one.argmax())]) for one, mask in pairs]


def largest_gain(tried: Sequence[dict[str, Any]], measure: str) -> str:
    """The step of the ladder that raised a measure most."""
    gains = {after["step"]: after[measure] - before[measure] for before, after in pairwise(tried)}
    return max(gains, key=lambda step: gains[step])


def _largest(key: Callable[[Any], int]) -> str:
    return max(OFFICIAL, key=lambda name: key(OFFICIAL[name]))


EXAMPLE = thresholds.Confusion(tn=11, fp=3, fn=2, tp=42)  # at the slides' sizes
CONV2 = CHANNELS[0] * 25 * CHANNELS[1]  # weights of the 5x5 convolution

EXERCISES = {
    "1.1": Exercise(
        WORD,
        lambda: _largest(lambda c: len(c.defects)),
        (
            (
                lambda: _largest(lambda c: sum(c.defects.values())),
                "That category has the most defective images; the types are another column.",
            ),
            (
                lambda: _largest(lambda c: c.train),
                "That category has the most training images; look at the last column.",
            ),
        ),
        ("Look at the column 'defect types' of the first table.",),
    ),
    "1.2": Exercise(
        NUMBER,
        lambda good: growth(good, 5),
        (
            (lambda good: growth(good, 113), "That is what 113 pixels do; move by 5 at most."),
            (
                lambda good: 1 / growth(good, 5),
                "Upside down: divide the deviation of the moved images by that of the others.",
            ),
        ),
        (
            "Repeat the cell that moves the images with other bounds in rng.integers.",
            "rng.integers leaves its upper bound out, so that must be 6. The answer is the "
            "quotient of the two mean standard deviations.",
        ),
        tolerance=0.08,  # another seed moves them differently
    ),
    "1.3": Exercise(
        PAIR,
        lambda good: np.unravel_index(good.std(axis=0).argmax(), good.shape[1:]),
        (
            (
                lambda good: np.unravel_index(good.mean(axis=0).argmax(), good.shape[1:]),
                "That is the brightest pixel on average, not the one that varies most.",
            ),
            (
                lambda good: np.unravel_index(good.std(axis=0).argmax(), good.shape[1:])[::-1],
                "Row first, then column: these two are swapped.",
            ),
        ),
        (
            "argmax of an array counts through all its pixels, row by row.",
            "np.unravel_index turns such a count into row and column, given the picture's shape.",
        ),
        tolerance=0,
    ),
    "2.1": Exercise(
        WORD,
        lambda: "green",
        (
            (lambda: "red", "Red is the second: its weight is less than that of green."),
            (lambda: "blue", "Blue counts least: the eye is least sensitive to it."),
        ),
        ("The docstring of to_gray, shown above, has the three weights.",),
    ),
    "2.2": Exercise(
        NUMBER,
        lambda n, seed: twins(n, 0.5, seed).mean(),
        (
            (
                lambda n, seed: twins(n, 0.5, seed).sum(),
                "That is how many there are; divide by the number of held-out images.",
            ),
            (
                lambda n, seed: twins(n, 0.05, seed).mean(),
                "That is the share if only a few are held out; hold out half.",
            ),
        ),
        (
            "Only the first split of the cell above matters, with 0.5 in the place of fraction.",
            "leaked.mean() is the share, since True counts as 1.",
        ),
        tolerance=0.02,
    ),
    "2.3": Exercise(
        WORDS,
        lambda: frozenset({"screw", "pill"}),
        (
            (
                lambda: frozenset({"pill"}),
                "One more: which other product has a left-hand and a right-hand kind?",
            ),
            (
                lambda: frozenset({"screw", "pill", "bottle"}),
                "A bottle seen from above is round and has no left and right: its mirror image is "
                "as good as itself.",
            ),
        ),
        ("Hold each one before a mirror, in your mind: would a factory still sell it?",),
    ),
    "3.1": Exercise(
        NUMBER,
        lambda: (227 - 11) // 4 + 1,
        (
            (lambda: 227 // 4, "A window has a size: the last 10 pixels cannot begin another one."),
            (lambda: (227 - 11) // 4, "That counts the moves; the first place comes before them."),
        ),
        ("Where does the first window begin, and where does the last one that still fits?",),
        tolerance=0,
    ),
    "3.2": Exercise(
        NUMBER,
        lambda: CONV2 + 3 * CHANNELS[1],
        (
            (lambda: CONV2, "The weights are right; a bias and the normalisation come on top."),
            (
                lambda: 25 * CHANNELS[1] + 3 * CHANNELS[1],
                "Each kernel reaches through all 96 channels of its input, not through one.",
            ),
        ),
        (
            "A kernel is a block: height x width x channels of the input. There are 256 of them.",
            "Each of the 256 channels has a bias, and two more numbers in the normalisation.",
        ),
        tolerance=0,
    ),
    "3.3": Exercise(
        NUMBER,
        lambda: parameters(4096) - parameters(2048),
        (
            (
                lambda: parameters(4096),
                "That is all of the larger network; the question is how many more it has.",
            ),
            (
                lambda: 2048 * (CHANNELS[-1] * GRID**2 + 1) + 2 * 2048,
                "That is the encoder's share; the decoder reads the longer code as well.",
            ),
        ),
        ("Build both networks, count_parameters of each, and take the difference.",),
        tolerance=0,
    ),
    "4.1": Exercise(
        WORD,
        lambda x, noisy: weakest(x, noisy, 0),
        (
            (
                lambda x, noisy: weakest(x, noisy, 1),
                "That one falls as well, but another falls further.",
            ),
            (
                lambda x, noisy: weakest(x, noisy, 2),
                "That one hardly notices: noise leaves the mean of a window nearly as it was.",
            ),
        ),
        ("Look for the smallest number in the row 'noisy' of the table of changes.",),
    ),
    "4.2": Exercise(
        NUMBER,
        lambda x: first_pixel(x, ssim_loss),
        (
            (
                lambda x: first_pixel(x, l2_loss),
                "That is the share of L2; take ssim.ssim_loss.",
            ),
            (
                lambda x: 1 / first_pixel(x, ssim_loss),
                "Upside down: divide the loss at one pixel by the loss at six.",
            ),
        ),
        (
            "x.roll(1, dims=-1) moves the image by one pixel.",
            "ssim.ssim_loss(moved, x).item() is a plain number.",
        ),
    ),
    "4.3": Exercise(
        PAIR,
        lambda: (8, 5),
        (
            (
                lambda: (10, 10),
                "Training never gets there: before that, it has waited three epochs in vain.",
            ),
            (lambda: (7, 4), "Epochs are counted from 1 in this course."),
        ),
        (
            "Go through the losses and note the lowest so far; how long ago was it?",
            "Patience 3: the third epoch in a row that does not beat the lowest is the last one.",
        ),
        tolerance=0,
    ),
    "5.1": Exercise(
        NUMBER,
        lambda: thresholds.f_normal(EXAMPLE),
        (
            (
                lambda: thresholds.f1_defect(EXAMPLE),
                "That is F1 of the defects; here the good bottles count, so TN stands above.",
            ),
            (
                lambda: (EXAMPLE.tn + EXAMPLE.tp) / sum(EXAMPLE),
                "That is the share judged rightly, which the many defective ones dominate.",
            ),
        ),
        ("2TN / (2TN + FP + FN)",),
    ),
    "5.2": Exercise(
        NUMBER,
        lambda scores: errors(scores, "ssim", "validation"),
        (
            (
                lambda scores: errors(scores, "l2", "validation"),
                "Those are the errors of L2; take the scores of SSIM.",
            ),
            (
                lambda scores: errors(scores, "ssim", "test"),
                "That threshold was searched on the test part; search on the validation part.",
            ),
        ),
        (
            "scores.part('ssim', 'validation') gives values and labels of the validation part.",
            "search_threshold on the validation part, then confusion on the test part, and its "
            ".errors.",
        ),
        tolerance=0,
    ),
    "5.3": Exercise(
        NUMBER,
        lambda scores: cheapest(scores, 1, 10),
        (
            (
                lambda scores: cheapest(scores, 1, 1),
                "That is the threshold with the fewest errors, as if both cost the same.",
            ),
            (
                lambda scores: cheapest(scores, 10, 1),
                "The other way round: here a false alarm costs 10 times a missed defect.",
            ),
        ),
        (
            "thresholds.count_errors gives the candidates, the false positives and the false "
            "negatives of each.",
            "np.argmin of the costs says which candidate; of equal ones it takes the lowest.",
        ),
        tolerance=3e-4,  # as the explorer prints it
    ),
    "6.1": Exercise(
        NUMBER,
        lambda splits: np.mean(splits["ssim"] >= 0.78),
        (
            (
                lambda splits: np.sum(splits["ssim"] >= 0.78),
                "That is how many splits; the question is for their share, between 0 and 1.",
            ),
            (
                lambda splits: np.mean(splits["ssim"]),
                "That is the mean of F itself; compare each F with 0.78 first.",
            ),
        ),
        ("splits['ssim'] >= 0.78 is True or False for each split, and True counts as 1.",),
    ),
    "6.2": Exercise(
        NUMBER,
        lambda: 5 / 6,
        (
            (lambda: 1 / 6, "Those are the pairs in the wrong order: what is left of 1 is right."),
            (
                lambda: 4 / 5,
                "That is a share of images; AUROC counts pairs, and has no threshold.",
            ),
        ),
        ("There are 3 x 2 pairs of a good and a defective image. How many are in order?",),
        tolerance=0.01,
    ),
    "6.3": Exercise(
        NUMBER,
        lambda scores: from_good(scores, 0.8).fp,
        (
            (
                lambda scores: from_good(scores, 0.95).fp,
                "That is what the quantile of 0.95 gives; ask for 0.8.",
            ),
            (
                lambda scores: from_good(scores, 0.8).fn,
                "Those are the missed defects; the question is for good ones called defective.",
            ),
        ),
        (
            "thresholds.threshold_from_good(scores.good['l2'], 0.8) is the threshold.",
            "Then thresholds.confusion on scores.part('l2', 'test'); its .fp is asked for.",
        ),
        tolerance=0,
    ),
    "7.1": Exercise(
        NUMBER,
        lambda: (0.36 - 0.30) / (0.03 + FLOOR * 0.02),
        (
            (
                lambda: (0.36 - 0.30) / 0.03,
                "Some of the mean deviation of all pixels is added to each: FLOOR times 0.02.",
            ),
            (
                lambda: 0.36 / (0.03 + FLOOR * 0.02),
                "First subtract what is usual at this place.",
            ),
        ),
        ("It is the last line of normalise; the mean deviation of the two pixels is 0.02.",),
        tolerance=0.02,
    ),
    "7.2": Exercise(
        NUMBER,
        lambda scores, masks: np.mean(hits(scores.maps["best"], masks)),
        (
            (
                lambda scores, masks: np.mean(hits(scores.maps["l2"], masks)),
                "That is the share of the slides' L2 map; take scores.maps['best'].",
            ),
            (
                lambda scores, masks: sum(hits(scores.maps["best"], masks)) / len(masks),
                "Divide by the images that have a mask; on good ones there is nothing to hit.",
            ),
        ),
        (
            "Lesson 05 counted the same for L2 and SSIM.",
            "mask.ravel()[one.argmax()] is True if the highest value lies inside.",
        ),
    ),
    "7.3": Exercise(
        WORD,
        lambda tried: largest_gain(tried, "au_pro"),
        (
            (
                lambda tried: largest_gain(tried, "auroc"),
                "That step raised AUROC most; look at AU-PRO.",
            ),
            (
                lambda tried: max(tried, key=lambda row: row["au_pro"])["step"],
                "That step has the highest AU-PRO; the question is for the largest rise.",
            ),
        ),
        ("Compare each row of the table with the one above it.",),
    ),
}
