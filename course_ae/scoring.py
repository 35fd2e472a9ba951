"""Lesson 05: from an image and its reconstruction to a difference map and a difference score."""

import torch
from torch import Tensor

from course_ae.ssim import ssim_map


def l2_difference(x: Tensor, x_hat: Tensor) -> Tensor:
    """Squared difference of each pixel: (B, 1, H, W) twice to (B, H, W)."""
    return ((x - x_hat) ** 2).squeeze(1)


def ssim_difference(x: Tensor, x_hat: Tensor) -> Tensor:
    """1 - SSIM around each pixel, 0 (equal) to 2: (B, 1, H, W) twice to (B, H, W)."""
    return 1 - ssim_map(x, x_hat)


DIFFERENCES = {"l2": l2_difference, "ssim": ssim_difference}


def difference_maps(x: Tensor, x_hat: Tensor, kind: str, batch_size: int = 32) -> Tensor:
    """Difference maps (N, H, W) of any number of images, `kind` being 'l2' or 'ssim'."""
    parts = zip(x.split(batch_size), x_hat.split(batch_size), strict=True)
    return torch.cat([DIFFERENCES[kind](a, b) for a, b in parts])


def difference_scores(maps: Tensor) -> Tensor:
    """The slides' difference score: the mean of each map, (N, H, W) to (N,)."""
    return maps.mean(dim=(1, 2))
