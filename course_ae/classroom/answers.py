"""What is right in each exercise, and what its usual mistakes come to. Students, read no further!

Right and wrong answers are computed, so that `exercises.check` knows a mistake by its value. What
it says of each mistake, and the hints, stand in exercises.toml.
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from torch import Tensor

from course_ae import thresholds
from course_ae.baselines import LinearAutoencoder
from course_ae.classroom.function_answers import FUNCTIONS, FunctionAnswer
from course_ae.preprocessing import split_train_val
from course_ae.scoring import FLOOR, Scores
from course_ae.ssim import l2_loss, ssim_loss

# What the first pixel of exercise 8.1 is measured by.
USUAL_81 = (0.03 + FLOOR * 0.02) / (1 + FLOOR)


@dataclass(frozen=True)
class Exercise:
    """One exercise: how to compute its answers, and what is said about them."""

    # Right and usual wrong answers, of what the lesson hands to `check`; or a function to write.
    answers: Callable[..., tuple] | FunctionAnswer
    form: str  # what kind of answer it wants
    mistakes: list[str]  # a sentence for each of the wrong ones
    hints: list[str]
    tolerance: float = 0.005  # how far a number may be off, as a share of the right one


def growth(good: np.ndarray, pixels: int) -> float:
    """How many times the mean spread of pixels (N, H, W) grows if each image moves at random."""
    rng = np.random.default_rng(0)
    shifts = rng.integers(-pixels, pixels + 1, size=(len(good), 2))
    pairs = zip(good, shifts, strict=True)
    moved = np.stack([np.roll(image, tuple(shift), axis=(0, 1)) for image, shift in pairs])
    return moved.std(axis=0).mean() / good.std(axis=0).mean()


def twins(count: int, fraction: float, seed: int) -> np.ndarray:
    """Is a twin of each image held out, a share of all, trained on, (V,), if one flips first?"""
    original = np.tile(np.arange(count), 3)
    train, val = split_train_val(3 * count, fraction, seed)
    return np.isin(original[val], original[train])


def enough(
    pca: LinearAutoencoder,
    x: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor] = ssim_loss,
    lowest: bool = True,
) -> tuple[int, ...]:
    """The smallest k with which PCA goes half and two thirds of the way to its best.

    Args:
        pca: the linear autoencoder with all its components.
        x: the images, (N, 1, H, W).
        loss: by what their reconstructions are judged.
        lowest: True takes the way from the mean image's loss to that with all components,
            False to 0.
    """
    first, last = (loss(pca.truncated(k)(x), x).item() for k in (0, pca.size))
    last, k, found = last if lowest else 0, 0, []
    for part in (1 / 2, 2 / 3):
        wanted = first + part * (last - first)
        while k < pca.size and loss(pca.truncated(k)(x), x).item() > wanted:
            k += 1
        found.append(k)
    return tuple(found)


def first_pixel(x: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> float:
    """A loss of x (1, 1, H, W) at a shift of one pixel, as a share of that at six."""
    return (loss(x.roll(1, dims=-1), x) / loss(x.roll(6, dims=-1), x)).item()


def good_only(scores: Scores, quantile: float) -> thresholds.Confusion:
    """What a threshold from good images alone does to the test part, by L2."""
    threshold = thresholds.threshold_from_good(scores.good["l2"], quantile)
    return thresholds.confusion(*scores.part("l2", "test"), threshold)


def hits(maps: Tensor, masks: Sequence[np.ndarray | None]) -> list[bool]:
    """Does the highest value of each map (N, H, W) lie inside its mask, where there is one?"""
    pairs = [(one, mask) for one, mask in zip(maps, masks, strict=True) if mask is not None]
    return [bool(mask.ravel()[int(one.argmax())]) for one, mask in pairs]


def share(found: Sequence[bool]) -> float:
    """The part that is True; 0 of none."""
    return sum(found) / max(1, len(found))


EXAMPLE = thresholds.Confusion(tn=11, fp=3, fn=2, tp=42)  # at the slides' sizes

# The right answer, then the usual mistakes.
ANSWERS: dict[str, Callable[..., tuple]] = {
    "1.2": lambda good: (growth(good, 5), 1.0, 1 / growth(good, 5)),
    "2.2": lambda n, seed: (
        (twins(n, 0.5, seed).mean(), 1 - 0.5**2),
        (twins(n, 0.05, seed).mean(), 1 - 0.05**2),
        (twins(n, 0.5, seed).mean(), 0.5),
    ),
    "2.3": lambda: ({"screw", "pill"}, {"pill"}, {"screw", "pill", "bottle"}),
    "3.3": lambda pca, x: (
        enough(pca, x),
        enough(pca, x, l2_loss),
        enough(pca, x, lowest=False),
    ),
    "4.1": lambda x: (
        (first_pixel(x, ssim_loss), first_pixel(x, l2_loss)),
        (first_pixel(x, l2_loss), first_pixel(x, ssim_loss)),
        (1 / first_pixel(x, ssim_loss), 1 / first_pixel(x, l2_loss)),
    ),
    "5.1": lambda: (
        thresholds.f_normal(EXAMPLE),
        thresholds.f1_defect(EXAMPLE),
        (EXAMPLE.tn + EXAMPLE.tp) / sum(EXAMPLE),
    ),
    "5.3": lambda scores: (
        good_only(scores, 0.8).fp,
        good_only(scores, 0.95).fp,
        good_only(scores, 0.8).fn,
    ),
    "6.3": lambda: (29 / 36, 211 / 300, 4 / 6),
    "8.1": lambda: (
        (0.36 - 0.30) / USUAL_81,
        (0.36 - 0.30) / 0.03,
        0.36 / USUAL_81,
    ),
    "8.2": lambda scores, masks: (
        share(hits(scores.maps["normalised"], masks)),
        share(hits(scores.maps["l2"], masks)),
        sum(hits(scores.maps["normalised"], masks)) / len(masks),
    ),
}


def _exercises() -> dict[str, Exercise]:
    text = files("course_ae.classroom").joinpath("exercises.toml").read_text(encoding="utf-8")
    answers = {**ANSWERS, **FUNCTIONS}
    return {name: Exercise(answers[name], **said) for name, said in tomllib.loads(text).items()}


EXERCISES = _exercises()
