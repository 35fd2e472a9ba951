"""Exercises in which a student writes a function: what is right, and what usual mistakes give.

Students, read no further! `exercises.check` calls a student's function and ours with the same
arguments. What it says of each mistake, and the hints, stand in exercises.toml.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_ae.ssim import K1, K2, ssim_loss, window_matrix
from course_ae.thresholds import confusion, count_errors


def returned(result: Any, arguments: tuple) -> Any:
    """What is compared of most functions: what they return."""
    return result


@dataclass(frozen=True)
class FunctionAnswer:
    """A function that a student shall write."""

    right: Callable
    wrong: tuple[Callable, ...]  # usual mistakes, in the order of their sentences
    cases: Callable[[], list[tuple]]  # the arguments of each call, new ones each time
    observe: Callable[[Any, tuple], Any] = returned  # from what it returns and what it was given


FUNCTIONS: dict[str, FunctionAnswer] = {}


# Lesson 05.


def cheapest_threshold(
    scores: np.ndarray, labels: np.ndarray, false_alarm: float, missed: float
) -> float:
    """The lowest of the thresholds on scores (N,) with labels (N,) that cost least in total."""
    candidates, fp, fn = count_errors(scores, labels)
    return float(candidates[np.argmin(false_alarm * fp + missed * fn)])


def highest_of_cheapest(
    scores: np.ndarray, labels: np.ndarray, false_alarm: float, missed: float
) -> float:
    """The same, arrays (N,) as there, but of equally cheap thresholds the highest."""
    candidates, fp, fn = count_errors(scores, labels)
    costs = false_alarm * fp + missed * fn
    return float(candidates[np.flatnonzero(costs == costs.min())[-1]])


def cheapest_in_between(
    scores: np.ndarray, labels: np.ndarray, false_alarm: float, missed: float
) -> float:
    """The same, arrays (N,) as there, but all are never called defective, and never all good."""
    candidates, fp, fn = count_errors(scores, labels)
    return float(candidates[1 + np.argmin((false_alarm * fp + missed * fn)[1:-1])])


def scores_with_prices() -> list[tuple]:
    """Scores, labels, and the prices of a false alarm and of a missed defect."""
    rng = np.random.default_rng(5)
    labels = np.arange(40) % 2
    mixed = rng.normal(labels, 1.0)
    few = np.array([2.0, 7, 4, 1, 9, 6, 3, 8]), np.array([0, 1, 1, 0, 1, 0, 0, 1])
    hidden = np.array([3.0, 1, 2, 4]), np.array([0, 1, 0, 1])  # the lowest score is a defect
    return [(mixed, labels, 1, 5), (mixed, labels, 5, 1), (*few, 1, 1), (*hidden, 1, 100),
            (*hidden, 1, 1)]  # fmt: skip


def verdicts_of(threshold: Any, arguments: tuple) -> Any:
    """A threshold is as good as any other that gives the same verdicts."""
    try:
        return confusion(*arguments[:2], float(threshold))
    except (TypeError, ValueError):  # no number, and so no threshold
        return threshold


FUNCTIONS["5.2"] = FunctionAnswer(
    cheapest_threshold,
    wrong=(
        lambda scores, labels, false_alarm, missed: cheapest_threshold(scores, labels, 1, 1),
        lambda scores, labels, false_alarm, missed: cheapest_threshold(
            scores, labels, missed, false_alarm
        ),
        highest_of_cheapest,
        cheapest_in_between,
    ),
    cases=scores_with_prices,
    observe=verdicts_of,
)
# Lesson 03: max pooling, and a transposed convolution in one dimension.


def _windows(image: Tensor, size: int, stride: int) -> Tensor:
    """All windows of an image (H, W) that lie inside it, (h, w, size, size)."""
    return image.unfold(0, size, stride).unfold(1, size, stride)


def _max_pool(image: Tensor, size: int, stride: int) -> Tensor:
    return _windows(image, size, stride).amax(dim=(2, 3))


def _mean_pool(image: Tensor, size: int, stride: int) -> Tensor:
    return _windows(image, size, stride).mean(dim=(2, 3))


def _side_by_side(image: Tensor, size: int, stride: int) -> Tensor:
    return _max_pool(image, size, size)


def _too_many_places(image: Tensor, size: int, stride: int) -> Tensor:
    """Cuts windows off at the border instead of leaving them out."""
    rows, columns = (range(0, side, stride) for side in image.shape)
    return torch.tensor([[image[i : i + size, j : j + size].max() for j in columns] for i in rows])


def _images_to_pool() -> list[tuple]:
    dice = torch.Generator().manual_seed(0)
    shapes = (((7, 9), 3, 2), ((6, 8), 3, 2), ((8, 8), 2, 2), ((9, 7), 4, 3))
    # Below 0, so that a result that begins at 0 is found out.
    return [(torch.rand(*shape, generator=dice) - 2, *rest) for shape, *rest in shapes]


FUNCTIONS["3.1"] = FunctionAnswer(
    _max_pool, (_mean_pool, _side_by_side, _too_many_places), _images_to_pool
)


def _grow(numbers: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return F.conv_transpose1d(numbers[None, None], kernel[None, None], stride=stride)[0, 0]


def _overwrite(numbers: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Where prints overlap, the last one alone is left."""
    line = torch.zeros((len(numbers) - 1) * stride + len(kernel))
    for i, number in enumerate(numbers):
        line[i * stride : i * stride + len(kernel)] = number * kernel
    return line


def _unweighted(numbers: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return _grow(torch.ones_like(numbers), kernel, stride)


def _without_stride(numbers: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return _grow(numbers, kernel, 1)


def _lines_to_grow() -> list[tuple]:
    kernels = (([1.0, 2.0, 1.0], 2), ([1.0, -1.0, 0.5, 3.0], 3), ([2.0, 1.0, 4.0], 1))
    numbers = ([1.0, 0.0, 2.0, 3.0], [2.0, -1.0], [0.5, 1.0, 3.0])
    pairs = zip(numbers, kernels, strict=True)
    return [(torch.tensor(line), torch.tensor(kernel), s) for line, (kernel, s) in pairs]


FUNCTIONS["3.2"] = FunctionAnswer(_grow, (_overwrite, _unweighted, _without_stride), _lines_to_grow)
# 4.2: SSIM of two whole images.


def ssim_of_images(x: Tensor, y: Tensor) -> Tensor:
    """The mean over all full windows of images (1, 1, H, W)."""
    return 1 - ssim_loss(y, x)


def ssim_by_parts(
    x: Tensor, y: Tensor, box: bool = False, squares: bool = False, means_first: bool = False
) -> Tensor:
    """SSIM of images (1, 1, H, W) with a usual mistake.

    Args:
        x: an image.
        y: the other one.
        box: True weighs all pixels of a window equally.
        squares: True takes the means of the squares for variances.
        means_first: True multiplies the means of the parts.
    """
    row = window_matrix(99, 1.5, torch.device("cpu"))[49, 44:55]  # (11,)
    weights = torch.full((11, 11), 1 / 121) if box else row[:, None] * row
    mu_x, mu_y, xx, yy, xy = (
        F.conv2d(image, weights[None, None]) for image in (x, y, x * x, y * y, x * y)
    )
    if not squares:
        xx, yy, xy = xx - mu_x**2, yy - mu_y**2, xy - mu_x * mu_y
    c1, c2 = K1**2, K2**2
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    patterns = (2 * xy + c2) / (xx + yy + c2)
    return luminance.mean() * patterns.mean() if means_first else (luminance * patterns).mean()


def pairs_of_images() -> list[tuple]:
    """An image (1, 1, 20, 24), dark at its left and full of waves at its right, and two copies.

    One is noisy and much lighter at the left alone, the other lighter and paler everywhere.
    """
    generator = torch.Generator().manual_seed(0)
    columns = torch.arange(24.0).expand(1, 1, 20, 24)
    x = 0.05 + columns / 60 * (1 + torch.sin(columns + torch.arange(20.0)[:, None] / 3))
    noise = 0.3 + 0.1 * torch.randn(x.shape, generator=generator)
    return [(x, x + noise * (columns < 10)), (x, 0.15 + 0.6 * x)]


# 4.3: when training stops.


def stopping(
    losses: Sequence[float],
    patience: int,
    first: int = 1,
    late: int = 0,
    against_best: bool = True,
) -> tuple[int, int]:
    """The epoch after which training stops, and the one whose weights are kept.

    Args:
        losses: of validation, one an epoch.
        patience: epochs in a row without a new lowest loss before it stops.
        first: the number of the first epoch.
        late: epochs that it waits longer.
        against_best: False asks whether a loss is below the one before it.
    """
    best, waited = 0, 0
    for epoch, loss in enumerate(losses):
        better = loss < losses[best if against_best else max(0, epoch - 1)]
        if loss < losses[best]:
            best = epoch
        waited = 0 if better or epoch == 0 else waited + 1
        if waited == patience + late:
            break
    return epoch + first, best + first


def curves() -> list[tuple]:
    """Losses and a patience: with a false hope, with a long wait, and always falling."""
    hope = [0.50, 0.40, 0.35, 0.36, 0.34, 0.37, 0.36, 0.38, 0.33, 0.32]
    wait = [0.9, 0.7, 0.8, 0.75, 0.74, 0.73, 0.72, 0.71, 0.6, 0.65, 0.5]
    return [(hope, 3), (wait, 2), (hope, 1), (wait, 9), ([0.3, 0.2, 0.1], 1)]


FUNCTIONS: dict[str, FunctionAnswer] = {
    "4.2": FunctionAnswer(
        ssim_of_images,
        (
            lambda x, y: ssim_by_parts(x, y, box=True),
            lambda x, y: ssim_by_parts(x, y, squares=True),
            lambda x, y: ssim_by_parts(x, y, means_first=True),
            lambda x, y: 1 - ssim_of_images(x, y),
        ),
        pairs_of_images,
    ),
    "4.3": FunctionAnswer(
        stopping,
        (
            lambda losses, patience: stopping(losses, patience, late=1),
            lambda losses, patience: stopping(losses, patience, against_best=False),
            lambda losses, patience: stopping(losses, patience, first=0),
            lambda losses, patience: stopping(losses, len(losses)),
        ),
        curves,
    ),
}
