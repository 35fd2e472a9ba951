"""Lesson 08: stains painted onto good images, so that a network can learn to repair.

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

from course_ae.support.chance import Chance
from course_ae.support.local_mean import local_mean

STAINS = 3  # at most, on one image
SHARE = 0.8  # of the images that are stained; the others teach the network to leave well alone
FEATHER = 3.0  # pixels, of every second stain's edges
VISIBLE = 0.02  # a pixel that changes less than this, of a range of 1, does not count as stained


class Brush(Chance):
    """What is painted on a batch of images."""

    def shape(self) -> Tensor:
        """A rough ellipse, from a speck to a seventh of the image, (B, H, W) bool."""
        along, across = self.turned(0, 1)
        radius = self.uniform(math.log(0.015), math.log(0.18)).exp()  # small ones are as frequent
        long = self.uniform(0, 0.9).exp()
        distance = torch.hypot(along / (radius * long), across / (radius / long))
        return distance + self.uniform(0.1, 0.9) * self.field(6 * 2 ** self.whole(0, 2)) < 1

    def paint(self, x: Tensor, others: Tensor) -> Tensor:
        """What a stain may show, (B, H, W): one of those below, the same for the whole batch.

        Args:
            x: the images, (B, H, W).
            others: good images to take texture from, (N, 1, H, W).
        """
        kinds = (self.dirt, self.texture, self.piece, self.light, self.blur, self.bent, self.patch)
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

    def blur(self, x: Tensor, others: Tensor) -> Tensor:
        """The same, without its finer structure; arguments as of `paint`."""
        return local_mean(x, 2.0 ** self.whole(1, 3))

    def bent(self, x: Tensor, others: Tensor) -> Tensor:
        """The same, pulled out of shape; arguments as of `paint`."""
        cells, strength = (4, 6, 10)[self.whole(0, 2)], self.uniform(0.02, 0.1)
        pulls = [strength * self.field(cells) for _ in range(2)]
        return self.sampled(x, *(a + pull for a, pull in zip(self.places(), pulls, strict=True)))

    def patch(self, x: Tensor, others: Tensor) -> Tensor:
        """Another image, moved, resized and perhaps turned; arguments as of `paint`.

        After Schlueter, Tan, Hou and Kainz, "Natural synthetic anomalies for self-supervised
        anomaly detection and localization" (ECCV 2022).
        """
        chosen = torch.randint(len(others), (self.count,), generator=self.generator)
        size = self.uniform(math.log(0.7), math.log(1.4)).exp()
        turn = self.uniform(-math.pi, math.pi) * (self.uniform(0, 1) < 0.5)
        right, down = self.uniform(-0.6, 0.6), self.uniform(-0.6, 0.6)
        across, along = self.places()
        columns = size * (across * turn.cos() - along * turn.sin()) + right
        rows = size * (across * turn.sin() + along * turn.cos()) + down
        other = others[chosen.to(others.device), 0].to(self.device)
        return self.sampled(other, columns, rows)


def soft(cover: Tensor) -> Tensor:
    """The mean of 3 x 3 pixels, beyond the border 0: (B, H, W) to the same shape.

    As `F.avg_pool2d` has it, ten times as fast on a processor.
    """
    padded = F.pad(cover, (1, 1, 1, 1))
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / 9


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
        cover = soft((brush.shape() & (i < stains)).float())  # (B, H, W)
        if brush.whole(0, 1):
            cover = local_mean(cover, FEATHER)
        cover = cover * opacity
        stained = stained + cover * (brush.paint(stained, others) - stained)
    return stained.unsqueeze(1), (stained - x.squeeze(1)).abs() > VISIBLE
