"""The Gaussian mean around each pixel, as SSIM and the smoothed maps need it, computed fast.

It multiplies with a matrix from both sides, which on a processor is some ten times faster than a
convolution with so few channels.
"""

from functools import lru_cache

import torch
from torch import Tensor

STRIP = 57  # rows that are averaged together on a processor: a quarter of our images


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # kept for the training, whoever asks first
def window_matrix(size: int, sigma: float, device: torch.device) -> Tensor:
    """Row i holds the Gaussian weights of the window around pixel i, (size, size).

    Beyond the border the image is mirrored, so near it some pixels count twice.

    Args:
        size: height or width of the images in pixels.
        sigma: standard deviation in pixels; the window reaches 3.5 of them to each side, and no
            further than the image is wide.
        device: where the matrix lives.
    """
    reach = min(int(3.5 * sigma + 0.5), size - 1)
    offsets = torch.arange(-reach, reach + 1)
    window = torch.exp(-(offsets**2) / (2 * sigma**2))
    window = (window / window.sum()).expand(size, -1)  # (size, window)
    pixels = torch.arange(size)[:, None] + offsets  # (size, window)
    mirrored = size - 1 - (size - 1 - pixels.abs()).abs()
    return torch.zeros(size, size).scatter_add_(1, mirrored, window).to(device)


def local_mean(images: Tensor, sigma: float = 1.5) -> Tensor:
    """Gaussian mean around each pixel, (..., H, W) to the same shape; SSIM's window has 1.5."""
    for _ in range(2):
        images = MeanOfRows.apply(images, sigma).transpose(-1, -2)
    return images


class MeanOfRows(torch.autograd.Function):
    """Gaussian mean along dimension -2, and its gradient: the same with the matrix transposed."""

    @staticmethod
    def forward(ctx, images: Tensor, sigma: float) -> Tensor:
        """Images (..., H, W) to means along columns, same shape; `sigma` is in pixels."""
        ctx.sigma = sigma
        return _weighted(window_matrix(images.shape[-2], sigma, images.device), images, sigma)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient of the means to that of the images, same shape."""
        weights = window_matrix(gradient.shape[-2], ctx.sigma, gradient.device)
        return _weighted(weights.T, gradient, ctx.sigma), None


def _weighted(weights: Tensor, images: Tensor, sigma: float) -> Tensor:
    """Weights (H, H) times images (..., H, W), in strips: windows reach only the rows nearby."""
    size, reach = images.shape[-2], int(3.5 * sigma + 0.5)
    strip = STRIP if images.device.type == "cpu" else size
    sums = []
    for top in range(0, size, strip):
        near = slice(max(0, top - reach), top + strip + reach)
        sums.append(weights[top : top + strip, near] @ images[..., near, :])
    return torch.cat(sums, dim=-2)
