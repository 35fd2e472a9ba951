"""Lesson 07: stains painted onto good images, so that a network can learn to repair.

An autoencoder that is only asked to copy may learn to copy defects as well. So the input is spoiled
and the clean image asked for (Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing
robust features with denoising autoencoders", ICML 2008; with stains for defect detection: Collin
and De Vleeschouwer, "Improved anomaly detection by training an autoencoder with skip connections on
images corrupted with stain-shaped noise", ICPR 2020).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

STAINS = 3  # at most, on one image
SHARE = 0.8  # of the images that are stained; the others teach the network to leave well alone
VISIBLE = 0.02  # a pixel that changes less than this, of a range of 1, does not count as stained


class Brush:
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

    def shape(self) -> Tensor:
        """A rough ellipse, from a speck to a third of the image, (B, H, W) bool."""
        along, across = self.turned(0, 1)
        radius = self.uniform(math.log(0.015), math.log(0.18)).exp()  # small ones are as frequent
        long = self.uniform(0, 0.9).exp()
        distance = torch.hypot(along / (radius * long), across / (radius / long))
        return distance + self.uniform(0.1, 0.9) * self.field(6 * 2 ** self.whole(0, 2)) < 1

    def paint(self, x: Tensor, others: Tensor) -> Tensor:
        """What a stain may show, (B, H, W): one of the four below, the same for the whole batch.

        Args:
            x: the images, (B, H, W).
            others: good images to take texture from, (N, 1, H, W).
        """
        kinds = (self.dirt, self.texture, self.piece, self.light)
        return kinds[self.whole(0, len(kinds) - 1)](x, others).clamp(0, 1)

    def dirt(self, x: Tensor, others: Tensor) -> Tensor:
        """Gray, more or less cloudy; arguments as of `paint`."""
        return self.uniform(0, 1) + self.uniform(0, 0.25) * self.field(4 ** self.whole(1, 3))

    def texture(self, x: Tensor, others: Tensor) -> Tensor:
        """Another image, moved, turned over, and of another brightness; arguments as of `paint`."""
        chosen = torch.randint(len(others), (self.count,), generator=self.generator)
        other = others[chosen.to(others.device), 0].to(self.device)
        other = other.roll((self.whole(0, self.height), self.whole(0, self.width)), (1, 2))
        other = other.flip(1 + self.whole(0, 1)) - other.mean((1, 2), keepdim=True)
        return other * self.uniform(0.5, 1.5) + self.uniform(0.1, 0.9)

    def piece(self, x: Tensor, others: Tensor) -> Tensor:
        """What lies next door in the same image; arguments as of `paint`."""
        return x.roll((self.whole(-60, 60), self.whole(-60, 60)), (1, 2))

    def light(self, x: Tensor, others: Tensor) -> Tensor:
        """The same, but brighter, darker or flatter; arguments as of `paint`."""
        return x * self.uniform(0.4, 1.6) + self.uniform(-0.15, 0.15)


def stain(x: Tensor, others: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Paints up to three stains onto most of the images.

    Args:
        x: good images, (B, 1, H, W) in [0, 1].
        others: good images to take texture from, (N, 1, H, W) in [0, 1].
        generator: the source of all randomness.

    Returns:
        The images with their stains, (B, 1, H, W), and where they differ, (B, H, W) bool.
    """
    brush, stained = Brush(x, generator), x.squeeze(1)
    stains = torch.where(brush.uniform(0, 1) < SHARE, brush.uniform(1, STAINS + 1).floor(), 0)
    for i in range(STAINS):
        opacity = torch.where(brush.uniform(0, 1) < 0.5, 1.0, brush.uniform(0.3, 1))
        cover = (brush.shape() & (i < stains)).float().unsqueeze(1)  # (B, 1, H, W)
        cover = F.avg_pool2d(cover, 3, stride=1, padding=1).squeeze(1) * opacity  # soft edges
        stained = stained + cover * (brush.paint(stained, others) - stained)
    return stained.unsqueeze(1), (stained - x.squeeze(1)).abs() > VISIBLE
