"""Random numbers, fields and directions for a batch of images, and images sampled by them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


class Chance:
    """Random numbers for a batch of images; all of them come from one generator on the processor.

    Args:
        x: the images to paint, (B, 1, H, W) in [0, 1].
        generator: the source of all randomness.
    """

    def __init__(self, x: Tensor, generator: torch.Generator):
        self.count, _, self.height, self.width = x.shape
        self.device, self.generator = x.device, generator

    def uniform(self, low: float, high: float) -> Tensor:
        """One number an image, (B, 1, 1)."""
        drawn = torch.rand(self.count, 1, 1, generator=self.generator)
        return (low + (high - low) * drawn).to(self.device)

    def whole(self, low: int, high: int) -> int:
        """One whole number for all images, both ends included."""
        return int(torch.randint(low, high + 1, (1,), generator=self.generator))

    def field(self, cells: int) -> Tensor:
        """Smooth noise of mean 0 and deviation about 1 on cells x cells points, (B, H, W)."""
        coarse = torch.randn(self.count, 1, cells, cells, generator=self.generator)
        size = (self.height, self.width)
        return F.interpolate(coarse.to(self.device), size, mode="bilinear").squeeze(1)

    def turned(self, low: float, high: float) -> tuple[Tensor, Tensor]:
        """Distances along and across a random direction, (B, H, W); height and width count as 1.

        They start from a random centre, whose row and column lie between `low` and `high`.
        """
        rows = torch.linspace(0, 1, self.height, device=self.device)[:, None]  # (H, 1)
        columns = torch.linspace(0, 1, self.width, device=self.device)  # (W,)
        y, x = rows - self.uniform(low, high), columns - self.uniform(low, high)
        turn = self.uniform(0, math.pi)
        return x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()

    def places(self) -> tuple[Tensor, Tensor]:
        """Column and row of each pixel, (1, 1, W) and (1, H, 1), from -1 to 1."""
        columns = torch.linspace(-1, 1, self.width, device=self.device)
        rows = torch.linspace(-1, 1, self.height, device=self.device)
        return columns[None, None], rows[None, :, None]

    def sampled(self, x: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
        """Images (B, H, W) as seen at columns and rows (B, H, W), mirrored beyond their borders."""
        size = (self.count, self.height, self.width)
        where = torch.stack([columns.expand(size), rows.expand(size)], dim=-1)
        options = {"padding_mode": "reflection", "align_corners": True}
        return F.grid_sample(x.unsqueeze(1), where, **options).squeeze(1)
