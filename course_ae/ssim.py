"""Lesson 04: structural similarity (SSIM), as a map to look at and as a loss to train with.

Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
similarity" (IEEE Transactions on Image Processing, 2004): an 11x11 Gaussian window of standard
deviation 1.5 slides over both images, and in each window

    luminance = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1)              equation 6
    contrast  = (2 sigma_x sigma_y + C2) / (sigma_x^2 + sigma_y^2 + C2)  equation 9
    structure = (sigma_xy + C3) / (sigma_x sigma_y + C3), C3 = C2 / 2    equation 10
    SSIM      = luminance * contrast * structure                         equation 12

Always in float32: in half precision the variances drown in rounding.
"""

import pytorch_msssim
import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 11  # pixels
SIGMA = 1.5  # pixels
DATA_RANGE = 1.0  # our pixels lie in [0, 1]
C1, C2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2
C3 = C2 / 2


def local_mean(images: Tensor) -> Tensor:
    """Gaussian mean around each pixel, (N, H, W) to the same shape.

    The image is mirrored at its border, so the outer 5 pixels have no full window of their own.
    """
    offsets = torch.arange(WINDOW, dtype=images.dtype, device=images.device) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = window / window.sum()
    padded = F.pad(images.unsqueeze(1), [WINDOW // 2] * 4, mode="reflect")  # (N, 1, H+10, W+10)
    rows = F.conv2d(padded, window.view(1, 1, -1, 1))  # (N, 1, H, W+10)
    return F.conv2d(rows, window.view(1, 1, 1, -1)).squeeze(1)  # (N, H, W)


def ssim_components(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Luminance, contrast and structure around each pixel.

    Args:
        x: images in [0, 1], shape (B, 1, H, W).
        y: images to compare with, same shape.

    Returns:
        Three float32 tensors (B, H, W); luminance and contrast in [0, 1], structure in [-1, 1].
    """
    gray = DATA_RANGE / 2  # variances do not mind a shift, and rounding is finer near zero
    x, y = x.float().squeeze(1) - gray, y.float().squeeze(1) - gray  # (B, H, W)
    means = local_mean(torch.cat([x, y, x * x, y * y, x * y]))  # (5B, H, W)
    mu_x, mu_y, mean_xx, mean_yy, mean_xy = means.chunk(5)
    var_x = (mean_xx - mu_x**2).clamp(min=0)  # rounding can leave a tiny negative number
    var_y = (mean_yy - mu_y**2).clamp(min=0)
    cov_xy = mean_xy - mu_x * mu_y
    std_xy = (var_x * var_y).sqrt()
    mu_x, mu_y = mu_x + gray, mu_y + gray
    luminance = (2 * mu_x * mu_y + C1) / (mu_x**2 + mu_y**2 + C1)
    contrast = (2 * std_xy + C2) / (var_x + var_y + C2)
    structure = (cov_xy + C3) / (std_xy + C3)
    return luminance, contrast, structure


def ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """SSIM around each pixel: (B, 1, H, W) twice to (B, H, W) float32, 1 where both are equal."""
    luminance, contrast, structure = ssim_components(x, y)
    return luminance * contrast * structure


def ssim_loss(x_hat: Tensor, x: Tensor, data_range: float = DATA_RANGE) -> Tensor:
    """1 - mean SSIM, to minimise; 0 for equal images, at most 2.

    `data_range` must be the pixels' true range. The library's own default of 255 makes C1 and C2
    so large on [0, 1] images that every pair looks equal, and nothing is learnt.
    """
    return 1 - pytorch_msssim.ssim(x_hat.float(), x.float(), data_range=data_range)


def l2_loss(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared difference of the pixels."""
    return F.mse_loss(x_hat.float(), x.float())


LOSSES = {"ssim": ssim_loss, "l2": l2_loss}
