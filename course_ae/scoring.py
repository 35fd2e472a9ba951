"""Lessons 05 and 08: from an image and its reconstruction to a difference map and a score."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_ae.ssim import ssim_map
from course_ae.support.local_mean import local_mean

SCORE_SIGMA = 3.0  # pixels, standard deviation of the window over a map whose maximum is the score
MAP_SIGMA = 12.0  # pixels, that of a wide window, for the quiet inside of defects
SCALES = 3  # an image, and copies of half and a quarter of its size
NEARBY = 15.0  # pixels, standard deviation of the window over the reference statistics
SURE = 120.0  # deviations of a difference that count as much as a stain that is marked for sure
FLOOR = 3.0  # times the mean deviation of all pixels is added to that of each

Difference = Callable[[Tensor, Tensor], Tensor]  # (B, 1, H, W) twice to (B, H, W)


def l2_difference(x: Tensor, x_hat: Tensor) -> Tensor:
    """Squared difference of each pixel: (B, 1, H, W) twice to (B, H, W)."""
    return ((x - x_hat) ** 2).squeeze(1)


def ssim_difference(x: Tensor, x_hat: Tensor) -> Tensor:
    """1 - SSIM around each pixel, 0 (equal) to 2: (B, 1, H, W) twice to (B, H, W)."""
    return 1 - ssim_map(x, x_hat)


def l1_difference(x: Tensor, x_hat: Tensor) -> Tensor:
    """Absolute difference of each pixel: (B, 1, H, W) twice to (B, H, W)."""
    return (x - x_hat).abs().squeeze(1)


def at_scales(difference: Difference, x: Tensor, x_hat: Tensor) -> Tensor:
    """A difference (B, H, W) of images (B, 1, H, W) and of smaller copies of them, averaged.

    What is faint but wide stands out in the copies, where the noise has gone.
    """
    maps, size = [], x.shape[-2:]
    for _ in range(SCALES):
        maps.append(F.interpolate(difference(x, x_hat)[:, None], size, mode="bilinear"))
        x, x_hat = F.avg_pool2d(x, 2), F.avg_pool2d(x_hat, 2)
    return torch.cat(maps, dim=1).mean(dim=1)


DIFFERENCES: dict[str, Difference] = {
    "l2": l2_difference,
    "ssim": ssim_difference,
    "l1": l1_difference,
    "l1_scales": partial(at_scales, l1_difference),
    "ssim_scales": partial(at_scales, ssim_difference),
}
SLIDES_SCORES = ("l2", "ssim")  # each the mean of its difference map
NORMALISED = ("l1_scales", "ssim_scales")  # the differences that the normalised map adds up


def difference_maps(x: Tensor, x_hat: Tensor, name: str, batch_size: int = 32) -> Tensor:
    """Difference maps (N, H, W) of any number of images, `name` being one in `DIFFERENCES`."""
    parts = zip(x.split(batch_size), x_hat.split(batch_size), strict=True)
    return torch.cat([DIFFERENCES[name](a, b) for a, b in parts])


def mean_score(maps: Tensor) -> Tensor:
    """The slides' difference score: the mean of each map, (N, H, W) to (N,)."""
    return maps.mean(dim=(1, 2))


def max_score(maps: Tensor) -> Tensor:
    """The official image score: the largest value of each map, (N, H, W) to (N,)."""
    return maps.amax(dim=(1, 2))


def smooth(maps: Tensor, sigma: float = SCORE_SIGMA) -> Tensor:
    """Maps (N, H, W) under a Gaussian window of `sigma` pixels: defects are larger than one."""
    return local_mean(maps, sigma)


class Reference(NamedTuple):
    """What a difference is like on good images, pixel by pixel."""

    mean: Tensor  # (H, W)
    deviation: Tensor  # (H, W), standard deviation


def reference_statistics(
    good: Tensor, good_hat: Tensor, names: Iterable[str] = NORMALISED
) -> dict[str, Reference]:
    """The statistics of some differences over good images, and around each pixel.

    From a pixel alone, as many numbers as there are images, one would learn more of chance than of
    its place. So its neighbours count too, the nearer the more.

    Args:
        good: good images, (M, 1, H, W).
        good_hat: their reconstructions, by a network that has not learnt them by heart; same shape.
        names: which differences.
    """
    found = {}
    for name in names:
        maps = difference_maps(good, good_hat, name)  # (M, H, W)
        both = torch.stack([maps.mean(dim=0), maps.var(dim=0, correction=0)])
        mean, variance = smooth(both, NEARBY)
        found[name] = Reference(mean, variance.sqrt())
    return found


def normalise(maps: Tensor, reference: Reference) -> Tensor:
    """How unusual a difference is at its place: (N, H, W), about 0 where it is as ever.

    Edges and reflections are never rebuilt well. So each pixel is measured by mean and standard
    deviation over good images. Most of the mean deviation of all pixels is added to each: places
    that hardly ever change must not raise an alarm for nothing.

    Args:
        maps: difference maps of the images to inspect, (N, H, W).
        reference: of the same difference on good images.
    """
    mean, deviation = reference  # (H, W) each
    usual = (deviation + FLOOR * deviation.mean()) / (1 + FLOOR)
    return (maps - mean) / usual.clamp(min=1e-12)


def normalised_map(
    x: Tensor, x_hat: Tensor, reference: dict[str, Reference], stained: Tensor | None = None
) -> Tensor:
    """The map of lesson 08, (N, H, W): how unusual all differences are together.

    Args:
        x: images to inspect, (N, 1, H, W).
        x_hat: their reconstructions, same shape.
        reference: from `reference_statistics`, of the differences that are added up.
        stained: how likely a denoiser thinks each pixel spoiled, (N, H, W); where it is sure, that
            counts as much as a difference of `SURE` deviations.
    """
    parts = (normalise(difference_maps(x, x_hat, name), reference[name]) for name in reference)
    return together(parts, stained)


def together(parts: Iterable[Tensor], stained: Tensor | None) -> Tensor:
    """The sum of normalised differences and of the marked stains, (N, H, W) each."""
    found = sum(parts)
    return found if stained is None else found + SURE * stained


def fine_and_wide(maps: Tensor) -> Tensor:
    """Each map (N, H, W) for a defect's outline and, under a wide window, for its quiet inside."""
    return (maps + smooth(maps, MAP_SIGMA)) / 2


@dataclass(frozen=True)
class Scores:
    """Test images with their maps and scores, in the order of their files."""

    names: list[str]
    defect_types: np.ndarray  # (N,) "good" for none
    labels: np.ndarray  # (N,) 1 for defective
    calibration: np.ndarray  # (C,) indices of the images that choose the threshold
    test: np.ndarray  # (T,) indices of the images that judge it
    values: dict[str, np.ndarray] = field(default_factory=dict)  # (N,) by score name, high is bad
    maps: dict[str, Tensor] = field(default_factory=dict)  # (N, 227, 227) by score name
    good: dict[str, np.ndarray] = field(default_factory=dict)  # (V,) by score name, of val images

    def part(self, name: str, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Values of a score and labels, (P,) each, of one part, 'calibration' or 'test'."""
        index = getattr(self, part)
        return self.values[name][index], self.labels[index]

    def add(self, name: str, values: Tensor, maps: Tensor, good: Tensor) -> None:
        """Adds a score: its values (N,), its maps (N, H, W), its values on val images (V,)."""
        self.values[name], self.maps[name] = values.double().numpy(), maps
        self.good[name] = good.double().numpy()
