"""Lesson 04: structural similarity (SSIM), as a map to look at and as a loss to train with.

Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
similarity" (IEEE Transactions on Image Processing, 2004): an 11x11 Gaussian window of standard
deviation 1.5 slides over both images, and in each window

    luminance = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1)              equation 6
    contrast  = (2 sigma_x sigma_y + C2) / (sigma_x^2 + sigma_y^2 + C2)  equation 9
    structure = (sigma_xy + C3) / (sigma_x sigma_y + C3), C3 = C2 / 2    equation 10
    SSIM      = luminance * contrast * structure                         equation 12

Contrast and structure share a factor, since C3 = C2 / 2, and multiply to

    (2 sigma_xy + C2) / (sigma_x^2 + sigma_y^2 + C2)                     in equation 13

Always in float32: in half precision the variances drown in rounding.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_ae.support.local_mean import local_mean

BORDER = 5  # pixels at each side that have no full window of their own
DATA_RANGE = 1.0  # our pixels lie in [0, 1]
GRAY = DATA_RANGE / 2
K1, K2 = 0.01, 0.03  # C1 = (K1 L)^2 and C2 = (K2 L)^2 for pixels of range L


def centred(images: Tensor) -> Tensor:
    """(B, 1, H, W) to (B, H, W) float32 around 0: variances do not mind, and rounding is finer."""
    return images.float().squeeze(1) - GRAY


def ssim_components(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Luminance, contrast and structure around each pixel.

    Args:
        x: images in [0, 1], shape (B, 1, H, W).
        y: images to compare with, same shape.

    Returns:
        Three float32 tensors (B, H, W); luminance and contrast in [0, 1], structure in [-1, 1].
    """
    x, y = centred(x), centred(y)
    means = local_mean(torch.cat([x, y, x * x, y * y, x * y]))  # (5B, H, W)
    mu_x, mu_y, mean_xx, mean_yy, mean_xy = means.chunk(5)
    var_x = (mean_xx - mu_x**2).clamp(min=0)  # rounding can leave a tiny negative number
    var_y = (mean_yy - mu_y**2).clamp(min=0)
    cov_xy = mean_xy - mu_x * mu_y
    mu_x, mu_y = mu_x + GRAY, mu_y + GRAY
    c1, c2 = K1**2, K2**2
    c3 = c2 / 2
    std_xy = (var_x * var_y).sqrt()
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    contrast = (2 * std_xy + c2) / (var_x + var_y + c2)
    structure = (cov_xy + c3) / (std_xy + c3)
    return luminance, contrast, structure


def ssim_map(x: Tensor, y: Tensor, data_range: float = DATA_RANGE) -> Tensor:
    """SSIM around each pixel: (B, 1, H, W) twice to (B, H, W) float32, 1 where both are equal.

    Only the sum of both variances is needed here, and the sum of squares has just one mean.
    """
    x, y = centred(x), centred(y)
    mu_x = local_mean(x)
    mu_y, mean_squares, mean_xy = local_mean(torch.cat([y, x * x + y * y, x * y])).chunk(3)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    covariance, variances = mean_xy - mu_x * mu_y, mean_squares - mu_x**2 - mu_y**2
    mu_x, mu_y = mu_x + GRAY, mu_y + GRAY
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    return luminance * (2 * covariance + c2) / (variances + c2)


def ssim_loss(x_hat: Tensor, x: Tensor, data_range: float = DATA_RANGE) -> Tensor:
    """1 - mean SSIM of all full windows of images (B, 1, H, W); 0 for equal ones, at most 2.

    `data_range` must be the pixels' true range. With 255, which libraries assume, C1 and C2 are so
    large on [0, 1] images that every pair looks equal, and nothing is learnt.
    """
    inside = slice(BORDER, -BORDER)
    return 1 - ssim_map(x, x_hat, data_range)[:, inside, inside].mean()


def l2_loss(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared difference of the pixels, (B, 1, H, W) twice."""
    return F.mse_loss(x_hat.float(), x.float())


def ssim_l1_loss(x_hat: Tensor, x: Tensor) -> Tensor:
    """SSIM and, twice as heavy, the mean absolute difference; arguments as `ssim_loss`."""
    return ssim_loss(x_hat, x) + 2 * F.l1_loss(x_hat.float(), x.float())


LOSSES = {"ssim": ssim_loss, "l2": l2_loss, "ssim_l1": ssim_l1_loss}
