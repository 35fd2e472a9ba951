"""The functions that students write in lesson 04."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course_ae.classroom.function_answers.base import FunctionAnswer
from course_ae.ssim import K1, K2, ssim_loss
from course_ae.support.local_mean import window_matrix

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
